"""Reading a request's body: once, bounded, decompressed, with a deadline."""

import asyncio
import gzip
import json
import zlib
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from pytest_aiohttp.plugin import AiohttpClient

from gateway.exchange import Dialect
from gateway.handlers.body import BODY_TIMEOUT_S, MAX_CONTAINERS, read_body
from gateway.handlers.routing import RouteTable
from tests.conftest import StartGateway
from tests.middlewares.application import build
from tests.support.answers import stream
from tests.support.backend import LONG_S, ScriptedBackend
from tests.support.compression import zstd
from tests.support.gateway import Gateway
from tests.support.ways import CHAT, V1, Way, each_dialect

SMALL = {"REQUEST_MAX_SIZE": "1000"}


def padded(way: Way, size: int) -> bytes:
    """Return a request of exactly `size` bytes."""
    data = json.dumps(way.body).encode()
    return data + b" " * (size - len(data))


async def in_pieces(data: bytes, size: int) -> AsyncIterator[bytes]:
    """Yield `data` in pieces: aiohttp sends them chunked."""
    for at in range(0, len(data), size):
        yield data[at : at + size]


async def send_chunked(gateway: Gateway, way: Way, data: bytes, size: int = 100) -> tuple[int, bytes]:
    """Send a body of no told length; return status and body of the answer."""
    async with gateway.client.post(gateway.url + way.path, data=in_pieces(data, size)) as response:
        return response.status, await response.read()


@each_dialect
async def test_a_body_at_the_bound_passes_and_one_byte_more_does_not(
    backend: ScriptedBackend, start: StartGateway, way: Way
) -> None:
    gateway = await start(**SMALL)
    backend.play(stream())
    assert (await gateway.ask(way.path, padded(way, 1000))).status == 200
    assert (await send_chunked(gateway, way, padded(way, 1000)))[0] == 200
    reply = await gateway.ask(way.path, padded(way, 1001))
    assert reply.status == 413
    assert "1000" in way.error(reply)["message"]
    status, data = await send_chunked(gateway, way, padded(way, 1001))
    assert (status, b"1000" in data) == (413, True)
    assert len(backend.calls) == 2


@each_dialect
async def test_the_bound_counts_decompressed_bytes(backend: ScriptedBackend, start: StartGateway, way: Way) -> None:
    gateway = await start(**SMALL)
    backend.play(stream())
    for encoding, pack in (("gzip", gzip.compress), ("deflate", zlib.compress), ("zstd", zstd.compress)):
        headers = {"Content-Encoding": encoding}
        assert (await gateway.ask(way.path, pack(padded(way, 1000)), headers=headers)).status == 200
        reply = await gateway.ask(way.path, pack(padded(way, 1001)), headers=headers)
        assert reply.status == 413
        assert way.error(reply)["message"]


@each_dialect
async def test_a_bomb_is_refused_without_being_unpacked(gateway: Gateway, way: Way) -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join([*(packer.compress(bytes(1 << 20)) for _ in range(100)), packer.flush()])
    assert len(bomb) < 200_000
    reply = await gateway.ask(way.path, bomb, headers={"Content-Encoding": "gzip"})
    assert reply.status == 413
    assert way.error(reply)["message"]


@each_dialect
async def test_what_is_sent_is_bounded_too(start: StartGateway, way: Way) -> None:
    gateway = await start(**SMALL)
    headers = {"Content-Encoding": "gzip"}
    many = gzip.compress(b"") * 60
    async with gateway.client.post(gateway.url + way.path, data=in_pieces(many, 100), headers=headers) as response:
        assert response.status == 413


@each_dialect
async def test_a_type_that_cannot_be_json_is_a_415(gateway: Gateway, way: Way) -> None:
    for content_type in ("image/png", "audio/mpeg", "Video/MP4", "application/pdf; x=y"):
        reply = await gateway.ask(way.path, way.body, headers={"Content-Type": content_type})
        assert reply.status == 415
        assert content_type.partition(";")[0].lower() in way.error(reply)["message"]


@each_dialect
async def test_any_other_type_is_read_as_json(backend: ScriptedBackend, gateway: Gateway, way: Way) -> None:
    backend.play(stream())
    for content_type in ("application/x-www-form-urlencoded", "application/octet-stream", "text/plain", "what/ever"):
        reply = await gateway.ask(way.path, way.body, headers={"Content-Type": content_type})
        assert reply.status == 200


@pytest.mark.parametrize("encoding", ["br", "compress", "gzip, zstd", "\u00e4"])
@each_dialect
async def test_an_encoding_nobody_knows_is_a_415_that_names_those_known(
    gateway: Gateway, way: Way, encoding: str
) -> None:
    reply = await gateway.ask(way.path, way.body, headers={"Content-Encoding": encoding})
    assert reply.status == 415
    assert "gzip, deflate, zstd" in way.error(reply)["message"]
    assert reply.headers["Accept-Encoding"] == "gzip, deflate, zstd"


@pytest.mark.parametrize(
    "data",
    [b"this is no gzip", gzip.compress(json.dumps(CHAT.body).encode())[:-12], b"\x1f\x8b\x08\x00" + b"\xff" * 100],
    ids=["not-gzip", "cut", "damaged"],
)
@each_dialect
async def test_broken_compression_is_a_400(gateway: Gateway, way: Way, data: bytes) -> None:
    reply = await gateway.ask(way.path, data, headers={"Content-Encoding": "gzip"})
    assert reply.status == 400
    assert way.error(reply)["message"]
    assert (await gateway.record())["status"] == 400
    assert not [line for line in gateway.said() if "traceback" in line]


@each_dialect
async def test_a_body_that_comes_byte_by_byte_is_read_whole(
    backend: ScriptedBackend, gateway: Gateway, way: Way
) -> None:
    backend.play(stream())
    status, _ = await send_chunked(gateway, way, json.dumps(way.body).encode(), 1)
    assert status == 200
    assert backend.calls[0].json["messages"] == way.body["messages"]


async def talk(gateway: Gateway, *pieces: bytes) -> bytes:
    """Send pieces over a connection that stays open, and return what comes until the gateway closes it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        async with asyncio.timeout(LONG_S):
            return await reader.read()
    finally:
        writer.close()


@each_dialect
async def test_a_body_that_does_not_arrive_is_a_400_in_the_dialect(start: StartGateway, way: Way) -> None:
    gateway = await start(REQUEST_TIMEOUT="0.25")
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(b"POST %b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{" % way.path.encode())
    async with asyncio.timeout(LONG_S):
        top = await reader.readuntil(b"\r\n\r\n")
        data = await reader.readuntil(b"}" if not way.v1 else b"}}")
    writer.close()
    await writer.wait_closed()
    assert top.startswith(b"HTTP/1.1 400")
    assert b"\r\nConnection: close\r\n" in top
    error = json.loads(data)["error"]
    assert "in time" in (error["message"] if way.v1 else error)
    assert (await gateway.record())["status"] == 400


@each_dialect
async def test_a_body_that_drips_is_cut_off_too(start: StartGateway, way: Way) -> None:
    gateway = await start(REQUEST_TIMEOUT="0.4")
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(b"POST %b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n{" % way.path.encode())

    async def drip() -> None:
        while True:
            writer.write(b" ")
            await asyncio.sleep(0.02)

    dripping = asyncio.create_task(drip())
    async with asyncio.timeout(LONG_S):
        top = await reader.readuntil(b"\r\n\r\n")
    dripping.cancel()
    await asyncio.gather(dripping, return_exceptions=True)
    writer.close()
    assert top.startswith(b"HTTP/1.1 400")


CHUNKED = b"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize(
    "body",
    [b"zz\r\n{}\r\n0\r\n\r\n", b"-1\r\n{}\r\n", b"2\r\n{}XX0\r\n\r\n", b"fffffffffffffffffff\r\n{}"],
    ids=range(4),
)
@pytest.mark.parametrize("later", [False, True], ids=["at-once", "after-the-headers"])
async def test_broken_chunks_are_a_400(backend: ScriptedBackend, gateway: Gateway, body: bytes, later: bool) -> None:
    answer = await talk(gateway, *((CHUNKED, body) if later else (CHUNKED + body,)))
    assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.0 400"))
    assert b"Traceback" not in answer
    assert b".py" not in answer
    assert backend.calls == []


async def test_two_readers_of_a_body_get_the_same_bytes(aiohttp_client: AiohttpClient) -> None:
    async def read_twice(request: web.Request) -> web.Response:
        first, second = await read_body(request), await read_body(request)
        return web.Response(body=first + b"|" + second)

    def register(routes: RouteTable) -> None:
        routes.add("POST", "/twice", read_twice, dialect=Dialect.OLLAMA)

    app = build(register)
    app[BODY_TIMEOUT_S] = 5.0
    client = await aiohttp_client(app)
    answer = await client.post("/twice", data=b"body")
    assert await answer.read() == b"body|body"


async def test_the_body_is_read_before_anything_is_asked(backend: ScriptedBackend, gateway: Gateway) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    data = json.dumps(V1.body).encode()
    writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(data))
    writer.write(data[:-1])
    await writer.drain()
    await gateway.ask("/api/version", method="GET")
    assert backend.calls == []
    backend.play(stream())
    writer.write(data[-1:])
    await backend.call()
    writer.close()
    await writer.wait_closed()


async def test_expect_100_continue_is_answered(backend: ScriptedBackend, gateway: Gateway) -> None:
    backend.play(stream())
    data = json.dumps(CHAT.body).encode()
    answer = await talk(
        gateway,
        b"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nExpect: 100-continue\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (len(data), data),
    )
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200")
    assert b'"done":true' in answer


@each_dialect
async def test_a_body_with_too_many_objects_and_lists_is_a_413(
    backend: ScriptedBackend, gateway: Gateway, way: Way
) -> None:
    backend.play(stream())
    whole = json.dumps(way.body).encode()[:-1]
    for unit, count, status in (
        (b"{},", MAX_CONTAINERS, 413),
        (b"[],", MAX_CONTAINERS, 413),
        (b"[],", MAX_CONTAINERS - 100, 200),
    ):
        body = whole + b',"x":[' + unit * count + b"0]}"
        reply = await gateway.ask(way.path, body)
        assert reply.status == status
        if status == 413:
            assert str(MAX_CONTAINERS) in way.error(reply)["message"]
    assert len(backend.calls) == 1
