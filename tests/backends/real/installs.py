"""What the real servers are made of, each installed once into the tests' cache: nothing outside of it is changed."""

import os
import shutil
import subprocess
import sys
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.e2e.environments import CACHE

REQUIREMENTS = Path(__file__).with_name("requirements")
OLDEST_PYTHON = (3, 11)
"""What the servers written in Python want."""


class UnavailableError(Exception):
    """A server that cannot be had on this machine; its text says what is missing."""


def need(*programs: str) -> None:
    """Raise UnavailableError where one of these programs is missing."""
    if missing := [program for program in programs if not shutil.which(program)]:
        raise UnavailableError(f"{' and '.join(missing)} not found")


def run(command: Sequence[str | Path], **settings: str) -> str:
    """Run a program to its end; return what it wrote. Raises UnavailableError, with its last lines, where it fails."""
    # A PYTHONPATH of the caller would let pip find packages there and leave them out.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | settings
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        said = " / ".join((done.stderr or done.stdout).strip().splitlines()[-2:])
        raise UnavailableError(f"{Path(command[0]).name} {command[1]} failed: {said}")
    return done.stdout


@contextmanager
def appearing(folder: Path) -> Iterator[Path]:
    """A folder to fill, which gets its name when it is complete: what was left half done is not taken for whole."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as making:
        filling = Path(making, "new")
        filling.mkdir()
        yield filling
        shutil.rmtree(folder, ignore_errors=True)
        filling.rename(folder)


def environment_with(name: str, *, python: str = sys.executable, beside: Iterable[str] = ()) -> Path:
    """The interpreter of an environment with `requirements/NAME.txt`, and with the requirements `beside` those."""
    listed = REQUIREMENTS / f"{name}.txt"
    wanted = f"{python} {listed.read_text('utf-8')} {' '.join(beside)}"
    folder = CACHE / f"{name}-{zlib.crc32(wanted.encode()):08x}"
    whole = folder / "whole"
    if not whole.exists() or not _runs(folder / "bin" / "python"):
        # Not moved when complete, as the scripts of an environment name its place.
        shutil.rmtree(folder, ignore_errors=True)
        run([python, "-m", "venv", folder])
        # The servers start slowly enough: their modules are compiled now.
        run([folder / "bin" / "python", "-m", "pip", "install", "--quiet", *beside, "--requirement", listed])
        whole.touch()
    return folder / "bin" / "python"


def pythons() -> list[str]:
    """The interpreters that could run a server, the one that runs now first."""
    names = [f"python3.{minor}" for minor in range(14, OLDEST_PYTHON[1] - 1, -1)]
    return [sys.executable, *(path for name in names if (path := shutil.which(name)) and _runs(Path(path)))]


def first_python_with(requirement: str) -> str | None:
    """The first interpreter for which pip's indexes have a wheel; None where there is none."""
    for python in pythons():
        # Some interpreters are not to be installed into: a target of its own is none of their business.
        question = ["install", "--quiet", "--dry-run", "--no-deps", "--only-binary=:all:", "--target", "."]
        try:
            run([sys.executable, "-m", "pip", "--python", python, *question, requirement])
        except UnavailableError:
            continue
        return python
    return None


def _runs(python: Path) -> bool:
    try:
        return subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def server_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """The environment of a server: nothing of the developer's but PATH."""
    return {"PATH": os.environ.get("PATH", os.defpath), **settings}
