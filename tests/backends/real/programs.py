"""Servers that others wrote, started on a free port of 127.0.0.1 until a context closes."""

import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.backends.real.installs import server_environment

START_WITHIN_S = 180.0
STOP_WITHIN_S = 10.0
POLL_S = 0.05
LAST_CHARACTERS = 3000


@contextmanager
def serving(command: Sequence[str], ready_url: str, settings: Mapping[str, str]) -> Iterator[None]:
    """Run a server in an empty home; ready when `ready_url` answers with 200, ended with all that it has started."""
    with TemporaryDirectory() as home, Path(home, "output").open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=home,
            env=server_environment({"HOME": home, **settings}),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            _wait(process, ready_url, Path(output.name))
            yield
        finally:
            _end(process)


def _wait(process: subprocess.Popen[bytes], url: str, output: Path) -> None:
    deadline_s = time.monotonic() + START_WITHIN_S
    while time.monotonic() < deadline_s and process.poll() is None:
        if _answers(url):
            return
        time.sleep(POLL_S)
    said = output.read_text("utf-8", "replace")[-LAST_CHARACTERS:]
    raise AssertionError(f"{process.args!r} did not start (exit code {process.poll()}):\n{said}")


def _answers(url: str) -> bool:
    # No proxy stands between the tests and what they start.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=5) as answer:
            return bool(answer.status == HTTPStatus.OK)
    except (urllib.error.URLError, OSError):
        return False


def _end(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_WITHIN_S)
