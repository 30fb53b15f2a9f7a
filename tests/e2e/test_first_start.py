"""What a newcomer does first: start the demo in an empty directory, and try the two lines it prints."""

import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import ProxyHandler, Request, build_opener

import pytest

from tests.e2e import processes
from tests.e2e.processes import Program, clean_environment

pytestmark = pytest.mark.e2e
HELLO = "Hello! I am demo"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """A gateway with its embedded demo backend, and nothing configured."""
    with processes.gateway(tmp_path_factory.mktemp("empty"), "--demo") as program:
        yield program


def line_with(program: Program, start: str) -> str:
    """The one printed line that begins with a word."""
    [line] = [line.strip() for line in program.text.splitlines() if line.strip().startswith(start)]
    return line


def asked_with_curl(line: str) -> str:
    """What the line prints; a request with the same address and body where there is no curl."""
    if shutil.which("curl"):
        done = subprocess.run(["sh", "-c", line], env=clean_environment(), capture_output=True, text=True, check=True)
        return done.stdout
    _, _, url, _, body = shlex.split(line)
    with build_opener(ProxyHandler({})).open(Request(url, body.encode()), timeout=30) as response:  # noqa: S310 - our own
        text: str = response.read().decode()
    return text


def test_the_address_is_printed_first(demo: Program) -> None:
    assert demo.text.startswith(f"Ollama API at {demo.url}, answered by the embedded demo backend\n")


def test_the_printed_curl_line_streams_an_answer(demo: Program) -> None:
    line = line_with(demo, "curl ")
    assert demo.url in line
    chunks = [json.loads(chunk) for chunk in asked_with_curl(line).splitlines()]
    assert len(chunks) > 3
    assert "".join(chunk["message"]["content"] for chunk in chunks).startswith(HELLO)
    assert [chunk["done"] for chunk in chunks] == [False] * (len(chunks) - 1) + [True]


def test_the_printed_sdk_line_prints_an_answer(demo: Program, tmp_path: Path) -> None:
    interpreter, *arguments = shlex.split(line_with(demo, "python "))
    assert interpreter == "python"
    command = [sys.executable, *arguments]
    done = subprocess.run(
        command, cwd=tmp_path, env=clean_environment(), capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(HELLO)
