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
RELEASE = GITHUB / "workflows" / "release.yml"
DEPENDABOT = GITHUB / "dependabot.yml"
FORMS = sorted((GITHUB / "ISSUE_TEMPLATE").glob("*.yml"))
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
    assert [path.name for path in WORKFLOWS] == ["build.yml", "ci.yml", "nightly.yml", "release.yml", "scan.yml"]


@pytest.mark.skipif(importlib.util.find_spec("check_jsonschema") is None, reason="check-jsonschema is not installed")
@pytest.mark.parametrize("path", [*WORKFLOWS, *FORMS, DEPENDABOT], ids=lambda path: path.name)
def test_the_file_has_the_form_that_github_takes(path: Path) -> None:
    schemas = {DEPENDABOT: "vendor.dependabot", GITHUB / "ISSUE_TEMPLATE" / "config.yml": "vendor.github-issue-config"}
    schema = schemas.get(path, "vendor.github-issue-forms" if path in FORMS else "vendor.github-workflows")
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
    if path != RELEASE:
        for job in workflow["jobs"].values():
            assert job["permissions"] in ({}, {"contents": "read"})


def test_each_job_of_a_release_may_write_what_it_publishes_and_nothing_else() -> None:
    jobs = load(RELEASE)["jobs"]
    may_write = {
        name: {what for what, how in job["permissions"].items() if how == "write"} for name, job in jobs.items()
    }
    assert may_write == {
        "package": set(),
        "pypi": {"id-token"},
        "image": {"packages", "id-token"},
        "chart": {"packages", "id-token"},
        "page": {"contents"},
    }


def test_only_a_tag_makes_a_release_and_only_of_what_passed_the_tests() -> None:
    release = load(RELEASE)
    assert release["True"] == {"push": {"tags": ["v*"]}}  # YAML 1.1 reads `on` as true
    assert "make PYTHON=python3.12 test" in [step.get("run") for step in release["jobs"]["package"]["steps"]]
    for name, job in release["jobs"].items():
        assert name == "package" or reaches(release["jobs"], name, "package"), job


def reaches(jobs: dict[str, Any], name: str, wanted: str) -> bool:
    """Tell whether a job waits for another, if only through those between."""
    needs = jobs[name].get("needs", [])
    needs = [needs] if isinstance(needs, str) else needs
    return wanted in needs or any(reaches(jobs, need, wanted) for need in needs)


def test_what_is_released_has_its_parts_list_its_origin_and_a_signature() -> None:
    text = RELEASE.read_text(encoding="utf-8")
    for words in ("--sbom=true", "--provenance=mode=max", "linux/amd64,linux/arm64", "--trusted-publishing always"):
        assert words in text
    assert text.count("cosign sign --yes") == 2


def test_a_tag_that_is_not_the_version_is_refused() -> None:
    script = ROOT / ".github" / "release.py"
    done = subprocess.run([sys.executable, script, "v0.0.1"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    for words in ("the package's version is", "Chart.yaml says appVersion", "CHANGELOG.md has no section [0.0.1]"):
        assert words in done.stderr


def test_a_section_of_the_changelog_becomes_the_notes_of_a_release(tmp_path: Path) -> None:
    for name in ("gateway/_version.py", "helm/ollama-openai-proxy/Chart.yaml", "CHANGELOG.md", ".github/release.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / ".github/release.py").write_bytes((ROOT / ".github" / "release.py").read_bytes())
    (tmp_path / "gateway/_version.py").write_text('__version__ = "1.2.3"\n')
    (tmp_path / "helm/ollama-openai-proxy/Chart.yaml").write_text("apiVersion: v2\nversion: 1.2.3\nappVersion: 1.2.3\n")
    (tmp_path / "CHANGELOG.md").write_text(
        "## [Unreleased]\n\n## [1.2.3] - 2026-01-02\n\n- New.\n\n## [1.2.2] - 2026-01-01\n"
    )
    command: list[str | Path] = [sys.executable, tmp_path / ".github/release.py", "v1.2.3"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "- New.\n"), done.stderr


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


@pytest.mark.parametrize("path", [path for path in WORKFLOWS if path != RELEASE], ids=lambda path: path.name)
def test_nothing_but_a_release_publishes(path: Path) -> None:
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
