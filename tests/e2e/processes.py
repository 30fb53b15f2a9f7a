"""Programs the tests start as processes of their own: ready when they say where they listen, ended by SIGTERM."""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[2]
START_WITHIN_S = 60
STOP_WITHIN_S = 40
_GATEWAY_LISTENS = re.compile(r"^Ollama API at (http://[^\s,]+),", re.MULTILINE)
_BACKEND_LISTENS = re.compile(r"^(http://\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Program:
    """A running program."""

    process: subprocess.Popen[bytes]
    output: Path
    url: str
    """Where it says it listens."""

    @property
    def text(self) -> str:
        """What it has written so far, to both of its outputs."""
        return self.output.read_text("utf-8")


def clean_environment(**extra: str) -> dict[str, str]:
    """The environment of a program: nothing of the developer's but PATH, and what measures coverage."""
    kept = {name: value for name, value in os.environ.items() if name == "PATH" or name.startswith("COVERAGE_")}
    return {**kept, "PYTHONPATH": str(ROOT), **extra}


@contextmanager
def running(arguments: Sequence[str], listens: re.Pattern[str], *, cwd: Path, **settings: str) -> Iterator[Program]:
    """Runs a Python module until the context closes; it must then end with exit code 0 and without a traceback."""
    with TemporaryDirectory() as folder, Path(folder, "output").open("wb") as output:
        path = Path(output.name)
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            cwd=cwd,
            env=clean_environment(**settings),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            yield Program(process, path, _url(process, path, listens))
        finally:
            _end(process)
        text = path.read_text("utf-8")
        assert process.returncode == 0, f"exit code {process.returncode}:\n{text}"
        assert "Traceback" not in text, text


def _url(process: subprocess.Popen[bytes], output: Path, listens: re.Pattern[str]) -> str:
    deadline_s = time.monotonic() + START_WITHIN_S
    while time.monotonic() < deadline_s and process.poll() is None:
        if said := listens.search(output.read_text("utf-8")):
            return said[1]
        time.sleep(0.02)
    raise AssertionError(f"did not start (exit code {process.poll()}):\n{output.read_text('utf-8')}")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    """Run a program to its end, which must be a good one; return what it printed."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env=clean_environment(**environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:]
    return done.stdout


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextmanager
def demo_backend(cwd: Path) -> Iterator[Program]:
    """The demo backend as a process of its own."""
    with running(["tests.e2e.demo_backend"], _BACKEND_LISTENS, cwd=cwd) as program:
        yield program


@contextmanager
def gateway(cwd: Path, *arguments: str, **settings: str) -> Iterator[Program]:
    """The gateway as its users start it, on a free port."""
    command = ["gateway", "--port", str(free_port()), *arguments]
    with running(command, _GATEWAY_LISTENS, cwd=cwd, **settings) as program:
        yield program
