"""The probe of images without curl: what it asks, and what its exit code says."""

import asyncio
import socket
import ssl
import sys
from contextlib import closing
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway.config import Config
from gateway.probe import probe, target
from tests.support.certificates import FIRST

ROOT = Path(__file__).resolve().parent.parent


async def run_probe(**environ: str) -> tuple[int | None, str]:
    """Run the probe as an image does; return its exit code and what it said."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway.probe"),
        cwd=ROOT,
        env=environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return process.returncode, said.decode()


async def serving(status: int, tls: ssl.SSLContext | None = None) -> TestServer:
    """Start a server that answers `/health` with that status."""

    async def health(_: web.Request) -> web.Response:
        return web.Response(status=status)

    app = web.Application()
    app.router.add_get("/health", health)
    server = TestServer(app)
    await server.start_server(ssl=tls)
    return server


async def test_a_gateway_that_answers_is_alive() -> None:
    async with await serving(200) as server:
        assert await run_probe(PROXY_HOST="0.0.0.0", PROXY_PORT=str(server.port)) == (0, "")


async def test_a_gateway_that_speaks_tls_is_asked_in_tls_whatever_its_certificate_is_for(tmp_path: Path) -> None:
    settings = FIRST.write(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(settings["TLS_CERT_FILE"], settings["TLS_KEY_FILE"])
    async with await serving(200, context) as server:
        assert await run_probe(PROXY_PORT=str(server.port), **settings) == (0, "")
        assert (await run_probe(PROXY_PORT=str(server.port)))[0] == 1


async def test_another_status_is_a_failure_that_names_it() -> None:
    async with await serving(500) as server:
        assert await run_probe(PROXY_PORT=str(server.port)) == (1, f"127.0.0.1 port {server.port} answered 500\n")


async def test_nobody_there_is_a_failure_that_names_the_address() -> None:
    with closing(socket.socket()) as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        code, said = await run_probe(PROXY_PORT=str(port))
    assert code == 1
    assert said.startswith(f"no answer from 127.0.0.1 port {port}: ")


async def test_a_port_that_is_no_number_is_a_failure_without_a_traceback() -> None:
    code, said = await run_probe(PROXY_PORT="http")
    assert code == 1
    assert said.startswith("PROXY_PORT: ")
    assert "Traceback" not in said


def test_silence_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.probe.TIMEOUT_S", 0.05)
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
        assert probe("127.0.0.1", port) == f"no answer from 127.0.0.1 port {port}: timed out"


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, ("127.0.0.1", 11434)),
        ({"PROXY_HOST": " ", "PROXY_PORT": " "}, ("127.0.0.1", 11434)),
        ({"PROXY_HOST": "0.0.0.0", "PROXY_PORT": "8080"}, ("127.0.0.1", 8080)),
        ({"PROXY_HOST": "::"}, ("::1", 11434)),
        ({"PROXY_HOST": "[::1]"}, ("::1", 11434)),
        ({"PROXY_HOST": "192.0.2.7"}, ("192.0.2.7", 11434)),
        ({"PROXY_PORT": "tcp://192.0.2.7:80"}, ("127.0.0.1", 11434)),
    ],
)
def test_asks_where_the_gateway_listens(environ: dict[str, str], expected: tuple[str, int]) -> None:
    assert target(environ) == expected
    # The defaults are written down twice: the probe does without what reads the settings.
    listen = Config.from_mapping(environ).listen
    assert expected[1] == listen.port
