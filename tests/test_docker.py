"""The image, really built and run: by a docker daemon where one answers, else by buildah."""

import asyncio
import json
import re
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp
import pytest

from gateway.config import Config, settings
from tests.deploy import image_by_buildah, image_by_docker
from tests.deploy.image import ROOT, Image, unpacked_bytes
from tests.e2e.processes import free_port
from tests.support.backend import ScriptedBackend, end, head, send, wait

pytestmark = [pytest.mark.deploy, pytest.mark.timeout(600)]

PATIENCE_S = 60.0
"""Far longer than anything here takes: only a test that fails waits for it."""


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    """The image, built once, by the first builder that can."""
    hindrances: list[str] = []
    for builder in (image_by_docker, image_by_buildah):
        if (reason := builder.why_not()) is None:
            with builder.built_image(tmp_path_factory.mktemp("image")) as built:
                yield built
            return
        hindrances.append(reason)
    pytest.skip(f"the image is not built: {'; '.join(hindrances)}")


@asynccontextmanager
async def running(image: Image, *arguments: str, **given: str) -> AsyncIterator[tuple[subprocess.Popen[bytes], str]]:
    """Run the image as its entrypoint says; yields the process and its URL as soon as it answers."""
    port = free_port()
    process = image.start([*image.config["Entrypoint"], *arguments], PROXY_PORT=str(port), **given)
    try:
        async with aiohttp.ClientSession() as session, asyncio.timeout(PATIENCE_S):
            while True:
                assert process.poll() is None, process.communicate()[0].decode()
                with suppress(aiohttp.ClientConnectorError):
                    async with session.get(f"http://127.0.0.1:{port}/health") as response:
                        assert response.status == 200
                        break
                await asyncio.sleep(0.05)
        yield process, f"http://127.0.0.1:{port}"
    finally:
        # Not killed: that would end docker's client alone, and leave the container.
        process.terminate()
        process.communicate(timeout=PATIENCE_S)


def test_the_image_says_what_it_is(image: Image) -> None:
    labels = {name.rpartition(".")[2]: value for name, value in image.config["Labels"].items()}
    code, said = image.run(*image.config["Entrypoint"], "--version")
    assert code == 0, said
    assert labels["title"] == "ollama-openai-proxy"
    for name in ("version", "revision", "created"):
        assert labels[name]
        assert labels[name] in said
    assert image.config["StopSignal"] == "SIGTERM"
    assert image.config["User"] == "10001:10001"
    assert image.environment["PROXY_HOST"] == "0.0.0.0"


def test_the_image_is_small(image: Image) -> None:
    assert image.own_layers_bytes < 45_000_000
    assert unpacked_bytes(image.root) < 200_000_000


def test_the_documented_size_is_that_of_the_image(image: Image) -> None:
    # The layers below are the base image's, which is another one where docker builds.
    page = (ROOT / "docs" / "docker.md").read_text(encoding="utf-8")
    [documented_mb] = re.findall(r"^\| own layers, unpacked \| ([\d.]+) MB, ", page, re.MULTILINE)
    assert image.own_layers_bytes / 1e6 == pytest.approx(float(documented_mb), abs=1)


def test_the_image_holds_the_program_alone(image: Image) -> None:
    program = "import shutil; print([n for n in 'pip pip3 cc gcc make strip ld git'.split() if shutil.which(n)])"
    assert image.run("python", "-c", program) == (0, "[]\n")
    assert image.run("python", "-m", "pip")[0] == 1
    assert {path.name for path in (image.root / "app").iterdir()} == {"gateway"}
    assert not list((image.root / "opt/gateway").rglob("*.pyx"))
    modules = list((image.root / "app").rglob("*.py"))
    assert modules
    assert not [path for path in modules if not list(path.parent.glob(f"__pycache__/{path.stem}.*.pyc"))]


def test_the_image_knows_every_setting(image: Image) -> None:
    program = "import json; from gateway.config import settings; print(json.dumps([row.name for row in settings()]))"
    code, said = image.run("python", "-c", program)
    assert (code, json.loads(said)) == (0, [row.name for row in settings()])


async def test_the_image_answers_as_its_user_from_files_it_cannot_write(image: Image) -> None:
    health = image.config["Healthcheck"]["Test"]
    assert health[0] == "CMD"
    async with running(image, "--demo") as (_, url), aiohttp.ClientSession() as session:
        body = {"model": "demo", "messages": [{"role": "user", "content": "hi"}], "stream": False}
        async with session.post(f"{url}/api/chat", json=body) as response:
            assert (response.status, (await response.json())["done"]) == (200, True)
        port = url.rpartition(":")[2]
        assert await asyncio.to_thread(image.run, *health[1:], PROXY_PORT=port) == (0, "")
    assert image.run(*health[1:], PROXY_PORT=port)[0] == 1
    whose = "import os; print({*os.getresuid(), *os.getresgid()}, os.getgroups())"
    assert image.run("python", "-c", whose) in {(0, "{10001} []\n"), (0, "{10001} [10001]\n")}
    code, said = image.run("sh", "-c", "echo x > /tmp/x")
    assert code != 0
    assert "Read-only file system" in said


async def test_sigterm_lets_the_image_finish_a_live_stream(image: Image, backend: ScriptedBackend) -> None:
    more = asyncio.Event()
    last = {"index": 0, "delta": {}, "finish_reason": "stop"}
    pieces = [
        event({"index": 0, "delta": {"role": "assistant", "content": "first"}}),
        event(last) + b"data: [DONE]\n\n",
    ]
    backend.play([head(), send(pieces[0]), wait(more), send(pieces[1]), end])
    async with (
        running(image, OPENAI_API_BASE_URL=str(backend.url)) as (process, url),
        aiohttp.ClientSession() as session,
        asyncio.timeout(PATIENCE_S),
    ):
        body = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
        async with session.post(f"{url}/api/chat", json=body) as response:
            assert json.loads(await response.content.readline())["message"]["content"] == "first"
            process.terminate()
            await until_refused(url)
            more.set()
            assert json.loads((await response.content.read()).splitlines()[-1])["done"] is True
        assert await asyncio.to_thread(process.wait, Config.from_mapping({}).listen.shutdown_grace_s) == 0


def event(choice: dict[str, Any]) -> bytes:
    """Return a chunk of a stream with that choice."""
    chunk = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    return f"data: {json.dumps(chunk)}\n\n".encode()


async def until_refused(url: str) -> None:
    """Wait until nobody takes new connections."""
    while True:
        try:
            async with aiohttp.ClientSession() as session, session.get(f"{url}/health"):
                await asyncio.sleep(0.02)
        except aiohttp.ClientConnectorError:
            return
