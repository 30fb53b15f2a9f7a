"""The workflows: well-formed, pinned, with few rights, and running what CONTRIBUTING says must pass."""

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.deploy

ROOT = Path(__file__).parents[2]
GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
DEPENDABOT = GITHUB / "dependabot.yml"
PYTHONS = ["3.12", "3.13", "3.14"]
each_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)


def load(path: Path) -> dict[str, Any]:
    """Return a YAML document; its keys are text."""
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    return {str(key): value for key, value in yaml.safe_load(path.read_text(encoding="utf-8")).items()}


def steps(path: Path) -> list[dict[str, Any]]:
    """Return the steps of all jobs."""
    return [step for job in load(path)["jobs"].values() for step in job["steps"]]


def run(*command: str | Path) -> None:
    """Run a command that must succeed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_there_are_workflows() -> None:
    assert [path.name for path in WORKFLOWS] == ["build.yml", "ci.yml", "scan.yml"]


@pytest.mark.skipif(importlib.util.find_spec("check_jsonschema") is None, reason="check-jsonschema is not installed")
@pytest.mark.parametrize("path", [*WORKFLOWS, DEPENDABOT], ids=lambda path: path.name)
def test_the_file_has_the_form_that_github_takes(path: Path) -> None:
    schema = "vendor.dependabot" if path == DEPENDABOT else "vendor.github-workflows"
    run(sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, path)


def test_zizmor_finds_nothing() -> None:
    beside = Path(sys.executable).with_name("zizmor")
    zizmor = str(beside) if beside.exists() else shutil.which("zizmor")
    if zizmor is None:
        pytest.skip("zizmor is not installed")
    run(zizmor, "--offline", "--persona=pedantic", "--no-progress", GITHUB)


@each_workflow
def test_every_action_is_pinned_to_a_commit_and_says_which_version_that_is(path: Path) -> None:
    used = re.findall(r"^\s*-? ?uses: (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    assert used
    assert [line for line in used if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)] == []


def test_an_action_has_the_same_version_everywhere() -> None:
    texts = [path.read_text(encoding="utf-8") for path in WORKFLOWS]
    used = {line for text in texts for line in re.findall(r"uses: (.*)$", text, re.MULTILINE)}
    assert len(used) == len({line.partition("@")[0] for line in used})


@each_workflow
def test_a_workflow_may_nothing_and_its_jobs_may_read_at_most(path: Path) -> None:
    workflow = load(path)
    assert workflow["permissions"] == {}
    for job in workflow["jobs"].values():
        assert job["permissions"] in ({}, {"contents": "read"})


@each_workflow
def test_no_job_runs_for_ever_and_an_older_run_makes_room(path: Path) -> None:
    workflow = load(path)
    assert workflow["concurrency"]["group"].endswith("${{ github.ref }}")
    assert all("timeout-minutes" in job for job in workflow["jobs"].values())


@each_workflow
def test_no_checkout_leaves_credentials_behind(path: Path) -> None:
    checkouts = [step for step in steps(path) if step.get("uses", "").startswith("actions/checkout@")]
    assert checkouts
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


@each_workflow
def test_nothing_is_published(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"secrets\.|--push|push: true|twine upload|helm push|login-action", text)


def test_both_test_targets_run_on_every_supported_python_for_every_pull_request() -> None:
    ci = load(ROOT / ".github/workflows/ci.yml")
    matrix = ci["jobs"]["test"]["strategy"]["matrix"]
    assert (matrix["python"], matrix["target"]) == (PYTHONS, ["test", "test-all"])
    # YAML 1.1 reads `on` as true. A filter by path would leave the check unanswered.
    assert ci["True"]["pull_request"] is None


def test_one_check_stands_for_all_others() -> None:
    jobs = load(ROOT / ".github/workflows/ci.yml")["jobs"]
    assert set(jobs["required"]["needs"]) == jobs.keys() - {"required"}
    assert jobs["required"]["if"] == "always()"


def test_the_supported_pythons_are_those_of_the_package() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert re.findall(r'"Programming Language :: Python :: (3\.\d+)"', text) == PYTHONS


@each_workflow
def test_the_commands_of_the_steps_exist(path: Path) -> None:
    said = "\n".join(step["run"] for step in steps(path) if "run" in step)
    for script in re.findall(r"\b((?:docker|systemd)/[\w-]+\.sh)", said):
        assert (ROOT / script).stat().st_mode & 0o111
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"make PYTHON=\S+ ([a-z-]+)", said):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_dependabot_knows_every_kind_of_dependency() -> None:
    kinds = {entry["package-ecosystem"] for entry in load(DEPENDABOT)["updates"]}
    assert {"pip", "github-actions", "docker"} <= kinds
