"""The certificate of the listener, over real handshakes: what it is, and how it changes."""

import asyncio
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from gateway import certificate as module
from gateway.certificate import Certificate
from gateway.config import Config, ConfigError
from gateway.server import serve
from tests.support.certificates import ENCRYPTED_KEY, FIRST, SECOND, Pair
from tests.support.program import running
from tests.telemetry.capture import captured_logging

PATIENCE_S = 30.0


@asynccontextmanager
async def serving(folder: Path, pair: Pair = FIRST) -> AsyncIterator[str]:
    """Serve `/` over TLS with a pair that lies in the folder; yield the address."""
    config = Config.from_mapping({**pair.write(folder), "SHUTDOWN_GRACE": "0"})
    config = config.model_copy(update={"listen": config.listen.model_copy(update={"port": 0})})

    async def answer(request: web.Request) -> web.Response:
        return web.Response(text=request.scheme)

    app = web.Application()
    app.router.add_get("/", answer)
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve(config, on_ready=ready.set_result, app_factory=lambda _: app))
    try:
        yield await asyncio.wait_for(ready, PATIENCE_S)
    finally:
        task.cancel()
        await asyncio.wait({task}, timeout=PATIENCE_S)


async def handshake(url: str, context: ssl.SSLContext) -> ssl.SSLObject:
    """Connect as a client and return what was agreed on."""
    host, port = url.removeprefix("https://").split(":")
    _, writer = await asyncio.open_connection(host, int(port), ssl=context)
    agreed: ssl.SSLObject = writer.get_extra_info("ssl_object")
    writer.close()
    return agreed


async def read(session: aiohttp.ClientSession, url: str, trusted: ssl.SSLContext) -> str:
    async with session.get(url, ssl=trusted) as response:
        return await response.text()


async def test_clients_are_served_over_tls_at_an_https_address(tmp_path: Path) -> None:
    async with serving(tmp_path) as url, aiohttp.ClientSession() as session:
        assert url.startswith("https://127.0.0.1:")
        assert await read(session, url, FIRST.trusted()) == "https"


async def test_tls_is_1_2_or_newer_and_speaks_http_1_1(tmp_path: Path) -> None:
    async with serving(tmp_path) as url:
        context = FIRST.trusted()
        context.set_alpn_protocols(["h2", "http/1.1"])
        agreed = await handshake(url, context)
        assert (agreed.version(), agreed.selected_alpn_protocol()) == ("TLSv1.3", "http/1.1")
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
        old.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            old.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises(ssl.SSLError):
            await handshake(url, old)


async def test_plain_http_is_not_answered_and_does_no_harm(tmp_path: Path) -> None:
    async with serving(tmp_path) as url, aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientError):
            await session.get(url.replace("https:", "http:"))
        assert await read(session, url, FIRST.trusted()) == "https"


async def test_a_new_certificate_is_shown_to_new_connections_and_open_ones_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOK_EVERY_S", 0.02)
    before = FIRST.trusted()
    async with serving(tmp_path) as url, aiohttp.ClientSession() as old:
        assert await read(old, url, before) == "https"
        SECOND.write(tmp_path)
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    await handshake(url, SECOND.trusted())
                    break
                except ssl.SSLCertVerificationError:
                    await asyncio.sleep(0.02)
        with pytest.raises(ssl.SSLCertVerificationError):
            await handshake(url, FIRST.trusted())
        # With a name and without one: clients that ask for an address send none.
        named = SECOND.trusted()
        _, port = url.removeprefix("https://").split(":")
        _, writer = await asyncio.open_connection("127.0.0.1", int(port), ssl=named, server_hostname="localhost")
        writer.close()
        # The same connection: a new one would be refused, as seen.
        assert await read(old, url, before) == "https"


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGHUP")
async def test_the_program_takes_a_new_certificate_at_sighup(tmp_path: Path) -> None:
    async with running(tmp_path, "--demo", **FIRST.write(tmp_path)) as program:
        await handshake(program.url, FIRST.trusted())
        SECOND.write(tmp_path)
        program.hang_up()
        await program.logged("new certificate")
        await handshake(program.url, SECOND.trusted())
        assert await program.stop() == 0


@pytest.mark.parametrize(
    ("certificate", "key"),
    [(SECOND.certificate, FIRST.key), ("no PEM", "no PEM"), (FIRST.certificate, ENCRYPTED_KEY), (None, None)],
    ids=["of another key", "no PEM", "encrypted", "gone"],
)
async def test_a_new_certificate_that_cannot_be_used_leaves_the_old_one_and_is_logged(
    tmp_path: Path, certificate: str | None, key: str | None
) -> None:
    settings = FIRST.write(tmp_path)
    files = [Path(settings["TLS_CERT_FILE"]), Path(settings["TLS_KEY_FILE"])]
    held = Certificate(*files)
    for file, text in zip(files, (certificate, key), strict=True):
        if text is None:
            file.unlink()
        else:
            file.write_text(text)
    with captured_logging("INFO", []) as log:
        held.refresh()
        held.refresh()
    assert log.getvalue().count(b"new certificate refused, the old one stays") == 1
    assert b"TLS_CERT_FILE" in log.getvalue()
    SECOND.write(tmp_path)
    with captured_logging("INFO", []) as log:
        held.refresh()
    assert b'"event":"new certificate"' in log.getvalue()


@pytest.mark.parametrize(
    ("pair", "said"),
    [
        (Pair(FIRST.certificate, SECOND.key), "KEY_VALUES_MISMATCH"),
        (Pair(FIRST.certificate, ENCRYPTED_KEY), "the key is encrypted"),
        (Pair("", ""), "cannot be used"),
    ],
    ids=["of another key", "encrypted", "empty"],
)
def test_a_certificate_that_cannot_be_used_stops_the_start(tmp_path: Path, pair: Pair, said: str) -> None:
    config = Config.from_mapping(pair.write(tmp_path))
    with pytest.raises(ConfigError, match=f"^TLS_CERT_FILE: .*{said}"):
        Certificate.of(config.listen)


def test_without_a_certificate_there_is_plain_http() -> None:
    assert Certificate.of(Config.from_mapping({}).listen) is None
