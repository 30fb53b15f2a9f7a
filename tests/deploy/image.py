"""A built image, whoever built it: what it says of itself, its files, and how it is run."""

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
NAME = "localhost/gateway-under-test"

type Line = Callable[[Sequence[str], Mapping[str, str]], list[str]]
"""From a command and variables beside the image's own: what runs it as a container, with nothing to be written to."""


def run(*command: str | Path, **environment: str) -> str:
    """Run a command that must succeed; return its output."""
    done = subprocess.run(command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}:\n{done.stdout[-4000:]}{done.stderr[-4000:]}"
    return done.stdout


@dataclass(frozen=True, slots=True)
class Image:
    """A built image. `config` has the names of Docker's format, `root` is a folder with all its files."""

    config: dict[str, Any]
    root: Path
    own_layers_bytes: int
    """The layers above the base image, uncompressed."""
    line: Line

    @property
    def environment(self) -> dict[str, str]:
        """The environment that the image gives to what it runs."""
        return variables(self.config)

    def start(self, command: Sequence[str], **settings: str) -> subprocess.Popen[bytes]:
        """Start a command in a container: as the image's user, in its folder, on the network of this machine."""
        return subprocess.Popen(
            self.line(command, settings), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    def run(self, *command: str, **settings: str) -> tuple[int, str]:
        """Run a command to its end; return its exit code and what it said."""
        process = self.start(command, **settings)
        said, _ = process.communicate(timeout=60)
        return process.returncode, said.decode()


def variables(config: Mapping[str, Any]) -> dict[str, str]:
    """Return the environment that an image's configuration holds."""
    return dict(entry.split("=", 1) for entry in config["Env"])


def pairs(environment: Mapping[str, str]) -> list[str]:
    """Return an environment as `env` and `docker` take it."""
    return [f"{name}={value}" for name, value in environment.items()]


def unpacked_bytes(root: Path) -> int:
    """Return the size of all files below a folder."""
    found = [path.lstat() for path in root.rglob("*") if path.is_file() and not path.is_symlink()]
    return sum({(entry.st_dev, entry.st_ino): entry.st_size for entry in found}.values())
