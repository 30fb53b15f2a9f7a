"""The Makefile's search for Python, and what it shows; that its environments work is seen wherever these tests run."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MAKE = shutil.which("make")
SHELL_TOOLS = ("cksum", "cut", "expand", "rm", "sed", "sh")

pytestmark = pytest.mark.skipif(MAKE is None, reason="make is not installed")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with all that make may find on PATH: no Python yet."""
    programs = tmp_path / "a folder"
    programs.mkdir()
    for name in SHELL_TOOLS:
        (programs / name).symlink_to(shutil.which(name) or name)
    return programs


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run make on the project's Makefile in another folder, which has no environment, with `folder` as PATH."""
    for name in ("Makefile", "requirements.txt", "requirements-dev.txt"):
        shutil.copy(ROOT / name, folder)
    environment = {"PATH": str(folder), "HOME": str(folder)}
    command = [MAKE or "make", "-C", str(folder), "--no-print-directory", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def program(path: Path, script: str) -> None:
    """Write an executable shell script."""
    path.write_text(f"#!{shutil.which('sh')}\n{script}\n", encoding="utf-8")
    path.chmod(0o755)


def test_make_alone_lists_every_target(folder: Path) -> None:
    shown = make(folder)
    targets = re.search(r"^\.PHONY: (.*)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert targets is not None
    assert set(re.findall(r"^make ([a-z-]+) ", shown.stdout, re.MULTILINE)) == set(targets[1].split()) - {"find-python"}


def test_a_python_that_does_not_run_or_is_too_old_is_passed_over(folder: Path) -> None:
    program(folder / "python3.14", "echo 'python3.14: command not found' >&2; exit 127")
    program(folder / "python3.13", "exit 1")
    program(folder / "python3", f"exec '{sys.executable}' \"$@\"")
    found = make(folder, "find-python")
    assert (found.stdout.strip(), found.stderr) == (str(folder / "python3"), "")


def test_a_python_kept_outside_of_path_is_found_at_last(folder: Path) -> None:
    kept = folder / ".pyenv" / "versions" / "3" / "bin"
    kept.mkdir(parents=True)
    program(kept / "python3", f"exec '{sys.executable}' \"$@\"")
    assert make(folder, "find-python").stdout.strip() == str(kept / "python3")


def test_without_a_python_make_stops_and_says_what_to_install(folder: Path) -> None:
    stopped = make(folder, "run")
    assert stopped.returncode != 0
    for hint in (
        "No Python 3.12 or newer runs here",
        "apt install",
        "brew install",
        "pyenv install",
        "uv python install",
    ):
        assert hint in stopped.stderr
    assert not (folder / ".venv").exists()


def test_a_python_that_cannot_make_environments_is_named(folder: Path) -> None:
    program(folder / "python3.12", 'case "$2" in *ensurepip*) exit 1;; esac')
    stopped = make(folder, "find-python")
    assert stopped.returncode != 0
    assert f"{folder / 'python3.12'} is new enough, but cannot make environments" in stopped.stderr


@pytest.mark.parametrize("given", ["nowhere/python", "false"])
def test_a_python_that_is_asked_for_is_the_only_one_tried(folder: Path, given: str) -> None:
    program(folder / "python3", f"exec '{sys.executable}' \"$@\"")
    stopped = make(folder, "find-python", f"PYTHON={given}")
    assert stopped.returncode != 0
    assert f"PYTHON={given} is not a Python 3.12 or newer that runs." in stopped.stderr
    assert make(folder, "find-python", f"PYTHON={os.fspath(sys.executable)}").stdout.strip() == sys.executable
