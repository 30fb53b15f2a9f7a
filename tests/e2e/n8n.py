"""A real n8n: installed once from npm, with the node it wants, and run in a folder of its own."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import HTTPCookieProcessor, ProxyHandler, Request, build_opener

from tests.e2e.environments import node_with
from tests.e2e.processes import clean_environment, free_port

VERSION, NODE, NODE_GYP = "2.41.1", "24.21.0", "12.4.0"
"""Version 2.41.1 wants node 24 or newer, which npm has as the package `node`."""
BUILD_WITHIN_S = 1200
START_WITHIN_S = 180
RUN_WITHIN_S = 300
STOP_WITHIN_S = 60
_QUIET = {
    "N8N_DIAGNOSTICS_ENABLED": "false",
    "N8N_VERSION_NOTIFICATIONS_ENABLED": "false",
    "N8N_TEMPLATES_ENABLED": "false",
    "N8N_SECURE_COOKIE": "false",
    "N8N_LISTEN_ADDRESS": "127.0.0.1",
}
"""It is to ask nobody but the gateway, and to be asked by nobody but the test."""


def why_no_n8n() -> str | None:
    """Why it cannot run here; None where it can."""
    missing = [name for name in ("node", "npm", "make", "c++", "python3") if shutil.which(name) is None]
    return f"n8n wants {', '.join(missing)}" if missing else None


@dataclass(frozen=True, slots=True)
class N8n:
    """An n8n that keeps what it knows in `home`."""

    home: Path
    node: Path
    program: Path

    def run(self, *arguments: str | Path) -> str:
        """What a command writes, which must succeed."""
        done = subprocess.run(
            [self.node, self.program, *arguments],
            cwd=self.home,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=RUN_WITHIN_S,
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout

    @contextmanager
    def serving(self) -> Iterator["Desk"]:
        """It as a server, with somebody logged in."""
        port = free_port()
        with (self.home / "server.log").open("wb") as log:
            process = subprocess.Popen(
                [self.node, self.program, "start"],
                cwd=self.home,
                env=self._environment(N8N_PORT=str(port)),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
            try:
                desk = Desk(f"http://127.0.0.1:{port}")
                desk.log_in(START_WITHIN_S)
                yield desk
            finally:
                process.terminate()
                try:
                    process.wait(STOP_WITHIN_S)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()

    def _environment(self, **more: str) -> dict[str, str]:
        # It starts helpers by the name `node`.
        path = f"{self.node.parent}{os.pathsep}{os.environ['PATH']}"
        own = {"PATH": path, "HOME": str(self.home), "N8N_USER_FOLDER": str(self.home)}
        return clean_environment(**{**_QUIET, **own, "N8N_RUNNERS_BROKER_PORT": str(free_port()), **more})


class Desk:
    """What its page asks of the server."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._opener = build_opener(ProxyHandler({}), HTTPCookieProcessor())

    def log_in(self, within_s: float) -> None:
        """Make the first user, as soon as the server is ready."""
        deadline_s = time.monotonic() + within_s
        while True:
            try:
                self._opener.open(f"{self._url}/healthz/readiness", timeout=10).close()
                break
            except (URLError, ConnectionError, TimeoutError):
                if time.monotonic() > deadline_s:
                    raise
                time.sleep(0.5)
        password = "Abcdefg-123"
        self.ask("owner/setup", {"email": "a@example.com", "firstName": "A", "lastName": "B", "password": password})

    def ask(self, path: str, body: Mapping[str, Any]) -> Any:
        """The data of an answer."""
        headers = {"Content-Type": "application/json", "browser-id": "tests"}
        request = Request(f"{self._url}/rest/{path}", json.dumps(body).encode(), headers)  # noqa: S310 - our own
        with self._opener.open(request, timeout=60) as answer:
            return json.load(answer)["data"]


def installed(home: Path) -> N8n:
    """The n8n of the cache; made when it is not there, which takes minutes and 3 GB."""
    tools = node_with({"node": NODE, "node-gyp": NODE_GYP})
    node = tools / "node" / "bin" / "node"
    modules = node_with({"n8n": VERSION}, scripts=False)
    if not list(modules.glob("sqlite3/build/Release/*.node")):
        _build_sqlite(modules / "sqlite3", tools)
    return N8n(home, node, modules / "n8n" / "bin" / "n8n")


def _build_sqlite(folder: Path, tools: Path) -> None:
    """The one part that has no build of its own in its package, and would fetch one from elsewhere."""
    # The node-gyp that it brings is too old for a Python without distutils.
    headers = next(tools.rglob("include/node/node_api.h")).parents[2]
    program, script = tools / "node" / "bin" / "node", tools / "node-gyp" / "bin" / "node-gyp.js"
    done = subprocess.run(
        [program, script, "rebuild", f"--nodedir={headers}"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=BUILD_WITHIN_S,
    )
    if done.returncode:
        raise RuntimeError(f"sqlite3 cannot be built:\n{done.stdout}{done.stderr}")
