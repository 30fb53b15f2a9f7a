"""Uploads: their digest is checked, and nothing is kept."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from hashlib import sha256

import pytest

from gateway.handlers import blobs
from tests.conftest import StartGateway
from tests.support.backend import LONG_S, ScriptedBackend
from tests.support.gateway import Gateway

DATA = b"GGUF" + bytes(range(256)) * 40


def digest_of(data: bytes) -> str:
    """Return the digest as clients write it."""
    return f"sha256:{sha256(data).hexdigest()}"


async def in_pieces(data: bytes) -> AsyncIterator[bytes]:
    """Yield the data in pieces: it is sent chunked."""
    for at in range(0, len(data), 1000):
        yield data[at : at + 1000]


@pytest.mark.parametrize("data", [DATA, b""], ids=["some", "none"])
async def test_an_upload_with_its_digest_is_created_and_not_kept(
    backend: ScriptedBackend, gateway: Gateway, data: bytes
) -> None:
    path = f"/api/blobs/{digest_of(data)}"
    for _ in range(2):
        reply = await gateway.ask(path, data)
        assert (reply.status, reply.body) == (201, b"")
        reply = await gateway.ask(path, method="HEAD")
        assert (reply.status, reply.body) == (404, b"")
    assert backend.calls == []


async def test_another_digest_is_a_mismatch_that_names_both(gateway: Gateway) -> None:
    wanted = digest_of(b"other")
    reply = await gateway.ask(f"/api/blobs/{wanted}", DATA)
    assert reply.status == 400
    assert reply.json == {"error": f'digest mismatch, expected "{wanted}", got "{digest_of(DATA)}"'}


async def test_the_digest_is_compared_as_it_was_written(gateway: Gateway) -> None:
    for wanted in (digest_of(DATA).upper().replace("SHA", "sha"), digest_of(DATA).replace(":", "-")):
        reply = await gateway.ask(f"/api/blobs/{wanted}", DATA)
        assert reply.status == 400
        assert reply.json["error"].startswith("digest mismatch")


@pytest.mark.parametrize(
    "digest",
    ["sha256:abc", f"sha256:{'g' * 64}", f"md5:{'0' * 64}", f"sha256:{'0' * 65}", f"sha256:{'0' * 64}%0A", "x"],
)
async def test_a_digest_that_is_none_is_refused_before_the_bytes_are_read(gateway: Gateway, digest: str) -> None:
    reply = await gateway.ask(f"/api/blobs/{digest}", DATA)
    assert (reply.status, reply.json) == (400, {"error": "invalid digest format"})
    assert (await gateway.ask(f"/api/blobs/{digest}", method="HEAD")).status == 400


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT"])
async def test_another_method_is_a_405(gateway: Gateway, method: str) -> None:
    reply = await gateway.ask(f"/api/blobs/{digest_of(DATA)}", method=method)
    assert (reply.status, reply.text) == (405, "405 method not allowed")


async def test_the_bound_of_other_bodies_does_not_hold(start: StartGateway) -> None:
    gateway = await start(REQUEST_MAX_SIZE="100")
    assert (await gateway.ask("/api/show", b"{" + b" " * 100)).status == 413
    path = f"/api/blobs/{digest_of(DATA)}"
    assert (await gateway.ask(path, DATA)).status == 201
    async with gateway.client.post(gateway.url + path, data=in_pieces(DATA)) as response:
        assert response.status == 201


async def test_an_upload_has_a_bound_of_its_own(start: StartGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blobs, "MAX_BLOB_BYTES", len(DATA))
    gateway = await start(REQUEST_MAX_SIZE="100")
    assert (await gateway.ask(f"/api/blobs/{digest_of(DATA)}", DATA)).status == 201
    larger = DATA + b"x"
    path = f"/api/blobs/{digest_of(larger)}"
    reply = await gateway.ask(path, larger)
    assert reply.status == 413
    assert str(len(DATA)) in reply.json["error"]
    async with gateway.client.post(gateway.url + path, data=in_pieces(larger)) as response:
        assert response.status == 413
    packed = gzip.compress(bytes(len(DATA) * 2))
    assert (await gateway.ask(path, packed, headers={"Content-Encoding": "gzip"})).status == 413


async def test_an_upload_that_does_not_end_is_a_400(start: StartGateway) -> None:
    gateway = await start(TOTAL_TIMEOUT="0.25")
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    path = f"/api/blobs/{digest_of(DATA)}".encode()
    writer.write(b"POST %b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nGGUF" % path)
    async with asyncio.timeout(LONG_S):
        top = await reader.readuntil(b"\r\n\r\n")
        data = await reader.readuntil(b"}")
    writer.close()
    await writer.wait_closed()
    assert top.startswith(b"HTTP/1.1 400")
    assert "in time" in json.loads(data)["error"]


def test_the_bound_is_a_gibibyte() -> None:
    assert blobs.MAX_BLOB_BYTES == 1024**3
