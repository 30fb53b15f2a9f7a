"""Another commit beside the tree, and how a measurement is called."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from benchmarks.cli import command_line, parser
from benchmarks.targets import TargetError
from benchmarks.worktree import checkout

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


def git(folder: Path, *arguments: str) -> str:
    """Run git on a repository of the test, with nobody's settings."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    own |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    command = ["git", "-c", "user.name=A", "-c", "user.email=a@example.org", *arguments]
    return subprocess.run(command, cwd=folder, env=own, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return a repository with two commits of one file."""
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    for text in ("old", "new"):
        (tmp_path / "file").write_text(text, encoding="utf-8")
        git(tmp_path, "add", "--all")
        git(tmp_path, "commit", "--quiet", "--message", text)
    return tmp_path


@needs_git
async def test_another_commit_is_there_for_as_long_as_it_is_measured(repository: Path) -> None:
    async with checkout("HEAD~1", repository) as (tree, commit):
        assert (tree / "file").read_text(encoding="utf-8") == "old"
        assert git(repository, "rev-parse", "HEAD~1").startswith(commit)
    assert not tree.exists()
    assert len(git(repository, "worktree", "list").splitlines()) == 1
    assert (repository / "file").read_text(encoding="utf-8") == "new"


@needs_git
@pytest.mark.parametrize("revision", ["nowhere", "--all", ""])
async def test_a_revision_that_does_not_exist_is_refused(repository: Path, revision: str) -> None:
    with pytest.raises(TargetError):
        async with checkout(revision, repository):
            pass


def test_a_report_names_the_command_without_where_it_wrote() -> None:
    given = ["full", "--only", "paced", "--rounds", "3", "--output", "somewhere", "--markdown", "some.md"]
    assert command_line(parser().parse_args(given)) == "python -m benchmarks full --only paced --rounds 3"
    assert command_line(parser().parse_args(["guard", "main"])) == "python -m benchmarks guard main"
