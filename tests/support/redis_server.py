"""A real Redis on a port of its own, where redis-server is installed."""

import shutil
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from socket import create_connection, socket

import pytest

from tests.support.backend import LONG_S


class RedisServer:
    """One redis-server that writes nothing to disk; `start` after `stop` brings an empty one back on the same port."""

    def __init__(self, folder: Path, *, password: str = "") -> None:
        program = shutil.which("redis-server")
        if program is None:
            pytest.skip("redis-server is not installed (apt-get install redis-server)")
        with socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.url = f"redis://{f':{password}@' if password else ''}127.0.0.1:{self.port}/0"
        self._command = [program, "--bind", "127.0.0.1", "--port", str(self.port), "--save", "", "--dir", str(folder)]
        self._command += ["--requirepass", password] if password else []
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it listens."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until_s = time.monotonic() + LONG_S
        while time.monotonic() < until_s:
            with suppress(OSError), create_connection(("127.0.0.1", self.port), timeout=1):
                return
            time.sleep(0.01)
        raise AssertionError("redis-server does not listen")

    def stop(self) -> None:
        """Kill it, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(LONG_S)
            self._process = None
