"""What this is: version, commit, its date, and whether it is a release."""

import os
import subprocess  # for git alone, whose arguments are constants # nosec B404
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from gateway._version import COMMIT, COMMIT_DATE, __version__

NAME = "ollama-openai-proxy"
PACKAGE = Path(__file__).resolve().parent
GIT_TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True)
class VersionFacts:
    """`commit` (hash) and `commit_date` (ISO 8601) are None where nobody knows them."""

    version: str
    commit: str | None
    commit_date: str | None
    kind: Literal["development", "release"]

    def __str__(self) -> str:
        commit = f"commit {self.commit}" if self.commit else "commit unknown"
        return f"{NAME} {self.version} ({', '.join(filter(None, (commit, self.commit_date, self.kind)))})"


@cache
def version_facts() -> VersionFacts:
    """Return the facts of the running program; the first call may ask git and then takes some milliseconds."""
    return read_version_facts(__version__, COMMIT, COMMIT_DATE, PACKAGE.parent)


def read_version_facts(version: str, commit: str, commit_date: str, root: Path) -> VersionFacts:
    """Return the facts of a package below `root`: what the build wrote, else what git says of a checkout."""
    checkout = (root / ".git").exists()
    if not commit and checkout:
        commit, commit_date = _ask_git(root)
    release = not checkout and is_final(version)
    return VersionFacts(version, commit or None, commit_date or None, "release" if release else "development")


def is_final(version: str) -> bool:
    """Tell whether a version has only numbers: no development, pre-release or local part."""
    return all(part.isdecimal() for part in version.split("."))


def _ask_git(root: Path) -> tuple[str, str]:
    """Return hash and date of the last commit, empty where there is none or no git."""
    # Inside a git hook these variables name another repository.
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", "-C", str(root), "log", "-1", "--no-show-signature", "--format=%H %cI"]
    try:
        done = subprocess.run(  # noqa: S603 - a constant command # nosec B603
            command, env=environ, capture_output=True, text=True, timeout=GIT_TIMEOUT_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return "", ""
    commit, _, date = done.stdout.strip().partition(" ")
    return commit, date
