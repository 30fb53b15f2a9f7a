"""A client that leaves: its backend connection is closed at once, in every phase, and nothing is left behind."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.conftest import StartGateway
from tests.support.answers import ROLE, TEXT, WORDS, embeddings, error, plain, stream, token
from tests.support.backend import JSON, LONG_S, SSE, ScriptedBackend, Step, hang, head, raw, send
from tests.support.gateway import Gateway
from tests.support.ways import CHAT, V1, WAYS, Way, each_dialect, each_stream

EMBED = Way("embed", "/api/embed", {"model": "m", "input": "x"}, False, False)
EMBED_V1 = Way("v1-embed", "/v1/embeddings", {"model": "m", "input": "x"}, True, False)

PHASES: dict[str, list[Step]] = {
    "before-headers": [hang],
    "after-headers": [head(200, SSE), hang],
    "after-the-role": [head(200, SSE), send(ROLE), hang],
    "in-half-a-body": [head(200, JSON, length=1000), send(b'{"id":"x"'), hang],
    "in-an-error-body": [head(500, JSON, length=1000), send(b'{"error":'), hang],
    "in-half-a-status-line": [raw(b"HTTP/1.1 2"), hang],
}


@asynccontextmanager
async def client(gateway: Gateway, way: Way) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Send a request over a connection that ends with the block."""
    data = json.dumps(way.body).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(
        b"POST %b HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%b" % (way.path.encode(), len(data), data)
    )
    try:
        yield reader, writer
    finally:
        writer.close()


async def assert_counted(gateway: Gateway) -> None:
    """The log and the metrics must say that the client left."""
    record = await gateway.record()
    assert (record["status"], record["error"]) == (499, "client_gone")
    reply = await gateway.ask("/v1/metrics/prometheus", method="GET")
    assert 'status="499"' in reply.text
    assert 'kind="client_gone"' in reply.text


def waiting() -> Iterator[Any]:
    """Yield every way to ask with every phase in which it waits for the backend."""
    for phase in PHASES:
        for way in (*WAYS, EMBED, EMBED_V1):
            if way is not EMBED or phase != "after-the-role":
                yield pytest.param(way, phase, id=f"{way.name}-{phase}")


@pytest.mark.parametrize(("way", "phase"), list(waiting()))
async def test_a_client_that_leaves_before_the_first_token_closes_the_backend_connection(
    backend: ScriptedBackend, gateway: Gateway, way: Way, phase: str
) -> None:
    backend.play(PHASES[phase])
    async with client(gateway, way):
        call = await backend.call()
        await asyncio.sleep(0.02)
        assert not call.closed.is_set()
    await call.left()
    await assert_counted(gateway)
    metrics = (await gateway.ask("/metrics", method="GET")).text
    assert 'gateway_backend_attempts_total{backend="main",cause="cancelled"} 1.0' in metrics


@each_dialect
async def test_the_timeline_of_a_client_that_left_has_its_attempt(
    backend: ScriptedBackend, start: StartGateway, way: Way
) -> None:
    gateway = await start(ADMIN_KEY="admin-key-of-tests")
    backend.play([hang])
    async with client(gateway, way):
        call = await backend.call()
    await call.left()
    request_id = (await gateway.record())["request_id"]
    headers = {"Authorization": "Bearer admin-key-of-tests"}
    told = (await gateway.ask(f"/admin/requests/{request_id}", method="GET", headers=headers)).json
    attempts = [event for event in told["events"] if event["event"] == "attempt"]
    assert [(one["backend"], one["outcome"]) for one in attempts] == [("main", "cancelled")]


@each_stream
async def test_a_client_that_leaves_in_the_middle_closes_the_backend_connection(
    backend: ScriptedBackend, gateway: Gateway, way: Way
) -> None:
    backend.play([head(), send(ROLE, *map(token, WORDS[:3])), hang])
    async with client(gateway, way) as (reader, _):
        async with asyncio.timeout(LONG_S):
            await reader.readuntil(b"word0")
        call = await backend.call()
        assert not call.closed.is_set()
    await call.left()
    await assert_counted(gateway)


@each_stream
async def test_a_client_that_leaves_while_the_backend_talks_closes_its_connection(
    backend: ScriptedBackend, gateway: Gateway, way: Way
) -> None:
    async def talk(call: Any) -> None:
        while not call.closed.is_set():
            await send(token("and "))(call)
            await asyncio.sleep(0.005)

    backend.play([head(), talk])
    async with client(gateway, way) as (reader, _):
        async with asyncio.timeout(LONG_S):
            await reader.readuntil(b"and ")
    await (await backend.call()).left()
    await assert_counted(gateway)


@each_stream
async def test_a_client_that_leaves_without_reading_closes_the_backend_connection(
    backend: ScriptedBackend, gateway: Gateway, way: Way
) -> None:
    backend.play([head(), send(*[token("x" * 50_000)] * 300), hang])
    async with client(gateway, way) as (reader, _):
        async with asyncio.timeout(LONG_S):
            await reader.readuntil(b"xxx")
        call = await backend.call()
        await asyncio.sleep(0.1)
    await call.left()
    await assert_counted(gateway)


@each_dialect
async def test_a_client_that_leaves_between_two_attempts_ends_them(
    backend: ScriptedBackend, start: StartGateway, way: Way
) -> None:
    gateway = await start(MAX_RETRIES="3")
    backend.play(error(503, headers={"Retry-After": "1"}))
    async with client(gateway, way):
        await backend.call()
        await asyncio.sleep(0.1)
    await assert_counted(gateway)
    await asyncio.sleep(1.2)
    assert len(backend.calls) == 1


@each_dialect
async def test_a_client_that_leaves_while_it_uploads_reaches_no_backend(
    backend: ScriptedBackend, gateway: Gateway, way: Way
) -> None:
    for head_line in (b"Content-Length: 5000000", b"Transfer-Encoding: chunked"):
        _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(b"POST %b HTTP/1.1\r\nHost: localhost\r\n%b\r\n\r\n" % (way.path.encode(), head_line))
        writer.write(b"f4240\r\n" + b" " * 1_000_000)
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.close()
    await gateway.record(1)
    await assert_counted(gateway)
    assert backend.calls == []


async def test_a_client_that_leaves_while_the_models_are_listed_takes_nobody_with_it(
    backend: ScriptedBackend, start: StartGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    listing, go_on = asyncio.Event(), asyncio.Event()
    list_models = backend.list_models

    async def slowly(call: Any) -> None:
        listing.set()
        await go_on.wait()
        await list_models(call)

    monkeypatch.setattr(backend, "list_models", slowly)
    gateway = await start()
    backend.play(stream())
    async with asyncio.timeout(LONG_S), client(gateway, CHAT):
        await listing.wait()
        other = asyncio.create_task(gateway.ask(CHAT.path, CHAT.body))
        await asyncio.sleep(0.05)
    await gateway.record()
    go_on.set()
    assert CHAT.text(await other) == TEXT
    assert len(backend.calls) == 1


async def test_a_hundred_clients_that_leave_leave_nothing(backend: ScriptedBackend, gateway: Gateway) -> None:
    backend.play([head(), send(token("x")), hang])

    async def come_and_go(way: Way) -> None:
        async with client(gateway, way) as (reader, _), asyncio.timeout(LONG_S):
            await reader.readuntil(b"\r\n\r\n")

    await asyncio.gather(*(come_and_go(way) for way in (CHAT, V1) * 50))
    for call in list(backend.calls):
        await call.left()
    await gateway.record(99)
    assert len(backend.calls) == 100
    reply = await gateway.ask("/metrics", method="GET")
    assert 'gateway_requests_in_flight{route="/api/chat"} 0.0' in reply.text
    backend.play(stream())
    assert CHAT.text(await gateway.ask(CHAT.path, CHAT.body)) == TEXT


async def test_others_are_served_while_one_backend_call_hangs(backend: ScriptedBackend, start: StartGateway) -> None:
    gateway = await start(MAX_CONNECTIONS="2")
    backend.play([hang], stream())
    async with client(gateway, CHAT):
        await backend.call()
        assert CHAT.text(await gateway.ask(CHAT.path, CHAT.body)) == TEXT


async def test_a_client_that_leaves_the_queue_for_a_connection_asks_nothing(
    backend: ScriptedBackend, start: StartGateway
) -> None:
    gateway = await start(MAX_CONNECTIONS="1")
    await gateway.ask("/api/show", {"model": "m"})
    backend.play([hang], stream())
    async with client(gateway, CHAT):
        first = await backend.call()
        async with client(gateway, CHAT):
            await asyncio.sleep(0.1)
        assert (await gateway.record(1))["status"] == 499
        assert len(backend.calls) == 1
    await first.left()
    assert CHAT.text(await gateway.ask(CHAT.path, CHAT.body)) == TEXT


async def test_a_client_that_leaves_right_after_its_answer_is_no_failure(
    backend: ScriptedBackend, gateway: Gateway
) -> None:
    backend.play(plain(embeddings([1.0])))
    async with client(gateway, EMBED) as (reader, _), asyncio.timeout(LONG_S):
        await reader.readuntil(b"}")
    record = await gateway.record()
    assert (record["status"], "error" in record) == (200, False)


async def test_a_client_that_leaves_at_the_end_of_a_stream_got_it_whole(
    backend: ScriptedBackend, gateway: Gateway
) -> None:
    backend.play(stream())
    async with client(gateway, CHAT) as (reader, _), asyncio.timeout(LONG_S):
        await reader.readuntil(b"\r\n0\r\n\r\n")
    record = await gateway.record()
    assert (record["status"], record["completion_tokens"]) == (200, 12)
