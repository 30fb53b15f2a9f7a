"""Programs as Debian builds them, unpacked into the tests' cache: nothing is installed and no service starts."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.e2e.environments import CACHE


class Program(NamedTuple):
    """A program that can be started."""

    path: str
    environment: Mapping[str, str]
    """What it wants beside the environment of whoever starts it: where its libraries are."""


def program(name: str, package: str) -> Program:
    """Return a program of a package; skips the test where there is none, and says why."""
    if found := shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin"):
        return Program(found, {})
    folder = CACHE / f"{package}-debian"
    if not (folder / "whole").exists():
        _unpack(package, folder)
    [path] = [path for path in folder.glob("usr/*bin/*") if path.name == name]
    libraries = sorted({str(library.parent) for library in folder.glob("usr/lib/**/*.so*")})
    return Program(str(path), {"LD_LIBRARY_PATH": ":".join(libraries)} if libraries else {})


def _unpack(package: str, folder: Path) -> None:
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        pytest.skip(f"{package} is not installed, and there is no apt-get to fetch it with")
    folder.mkdir(parents=True, exist_ok=True)
    # With the libraries that are not installed either, under the names that this release of Debian has for them.
    planned = _asked("install", "--simulate", "--no-install-recommends", package, folder=folder)
    names = re.findall(r"^Inst (\S+)", planned, re.MULTILINE)
    _asked("download", *names, folder=folder)
    for archive in folder.glob("*.deb"):
        subprocess.run(["dpkg-deb", "--extract", archive, folder], check=True)
        archive.unlink()
    (folder / "whole").touch()


def _asked(*arguments: str, folder: Path) -> str:
    """Return what apt-get says; skips the test where it cannot do what it is asked."""
    done = subprocess.run(["apt-get", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"{' '.join(arguments)} is not possible (apt-get update?): {done.stderr.strip()}")
    return done.stdout
