"""What is known of the running program's version."""

import os
import subprocess
from pathlib import Path

import pytest

from gateway import version
from gateway._version import __version__
from gateway.version import VersionFacts, is_final, read_version_facts, version_facts


def git(root: Path, *arguments: str) -> str:
    own = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")} | own
    command = ["git", "-c", "user.name=A", "-c", "user.email=a@example.org", *arguments]
    return subprocess.run(command, cwd=root, env=environ, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "commit", "--quiet", "--allow-empty", "--message", "First", "--date", "2026-01-02T03:04:05+00:00")
    return tmp_path


def test_a_checkout_asks_git_and_is_development(checkout: Path) -> None:
    facts = read_version_facts("1.2.3", "", "", checkout)
    expected = git(checkout, "log", "-1", "--format=%H %cI").split()
    assert [facts.commit, facts.commit_date] == expected
    assert (facts.version, facts.kind) == ("1.2.3", "development")


def test_variables_of_a_git_hook_do_not_lead_to_another_repository(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    assert read_version_facts("1.2.3", "", "", checkout).commit == git(checkout, "rev-parse", "HEAD")


def test_a_repository_around_an_installed_package_is_not_asked(checkout: Path) -> None:
    site = checkout / "lib" / "site-packages"
    site.mkdir(parents=True)
    assert read_version_facts("1.2.3", "", "", site) == VersionFacts("1.2.3", None, None, "release")


def test_what_the_build_wrote_counts_and_git_is_not_asked(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(version, "_ask_git", lambda root: pytest.fail("git was asked"))
    facts = read_version_facts("1.2.3", "abc", "2026-01-02", checkout)
    assert (facts.commit, facts.commit_date) == ("abc", "2026-01-02")


@pytest.mark.parametrize("prepare", ["no commit", "no git", "broken"])
def test_without_an_answer_of_git_the_commit_is_unknown(
    prepare: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if prepare == "no commit":
        git(tmp_path, "init", "--quiet")
    else:
        (tmp_path / ".git").write_text("gitdir: /no/such/directory\n")
    if prepare == "no git":
        monkeypatch.setenv("PATH", str(tmp_path))
    assert read_version_facts("1.2.3", "", "", tmp_path) == VersionFacts("1.2.3", None, None, "development")


@pytest.mark.parametrize(
    ("number", "final"), [("1.0.0", True), ("1.0.0.dev1", False), ("1.0rc1", False), ("1+x", False)]
)
def test_a_release_has_a_final_version(number: str, final: bool, tmp_path: Path) -> None:
    assert is_final(number) is final
    assert read_version_facts(number, "abc", "", tmp_path).kind == ("release" if final else "development")


def test_the_facts_are_read_once_and_hold_the_one_version(monkeypatch: pytest.MonkeyPatch) -> None:
    version_facts.cache_clear()
    first = version_facts()
    monkeypatch.setattr(version, "read_version_facts", lambda *_: pytest.fail("read again"))
    assert version_facts() is first
    assert first.version == __version__


def test_the_text_names_version_commit_date_and_kind() -> None:
    assert (
        str(VersionFacts("1.2", "abc", "2026-01-02", "release"))
        == "ollama-openai-proxy 1.2 (commit abc, 2026-01-02, release)"
    )
    assert (
        str(VersionFacts("1.2", None, None, "development")) == "ollama-openai-proxy 1.2 (commit unknown, development)"
    )
