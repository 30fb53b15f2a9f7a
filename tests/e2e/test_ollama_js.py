"""npm's newest `ollama`, whole."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import processes
from tests.e2e.environments import OLLAMA_JS, node_module
from tests.e2e.token_backend import TokenBackend

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(300)]

CASES = Path(__file__).parent / "ollama_js" / "cases.mjs"
OLDEST_NODE = 18
EXEMPT = {
    "webSearch": "asks ollama.com, whatever the host",
    "webFetch": "asks ollama.com, whatever the host",
    "systemone": "POST /v1/systemone, which Ollama's server does not route",
    "processStreamableRequest": "protected: chat, generate, create, pull and push call it",
    "fileExists": "private, asks no server",
}
"""Methods without a case, and why."""


@pytest.fixture(scope="module")
def module() -> Path:
    """The package's module file; skips where there is no node to run it."""
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip(f"needs node {OLDEST_NODE} or newer and npm")
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(version.removeprefix("v").partition(".")[0]) < OLDEST_NODE:
        pytest.skip(f"needs node {OLDEST_NODE} or newer, this is {version}")
    return node_module(OLLAMA_JS)


@pytest.fixture
def held_backend() -> Iterator[TokenBackend]:
    """A backend that sends the first token of each answer and then waits until it is left."""
    with TokenBackend(free=1).serving() as backend:
        yield backend


@pytest.fixture
def held_url(held_backend: TokenBackend, tmp_path: Path) -> Iterator[str]:
    """A gateway in front of it."""
    with processes.gateway(tmp_path, OPENAI_API_BASE_URL=held_backend.url) as program:
        yield program.url


def test_npms_newest_works_whole(
    module: Path, gateway_url: str, held_url: str, held_backend: TokenBackend, surfaces: list[str]
) -> None:
    command = ["node", str(CASES), str(module), gateway_url, held_url]
    done = subprocess.run(
        command, env=processes.clean_environment(), capture_output=True, text=True, check=False, timeout=200
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    wanted, called = set(report["methods"]) - EXEMPT.keys(), set(report["called"])
    exempt = ", ".join(sorted(EXEMPT.keys() & set(report["methods"])))
    counts = f"Ollama {len(wanted & called)}/{len(wanted)}, {report['cases']} cases (exempt: {exempt})"
    surfaces.append(f"npm ollama {OLLAMA_JS}: {counts}")
    assert not report["failures"], "\n\n".join(report["failures"])
    assert not wanted - called, f"no case calls {', '.join(sorted(wanted - called))}"
    assert held_backend.left.wait(30), "an aborted stream went on at the backend"
