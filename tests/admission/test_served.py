"""Limits and turns as clients meet them: a whole gateway, both dialects, real sockets."""

import asyncio
import json

from gateway.errors import BUSY
from tests.conftest import StartGateway
from tests.support.answers import TEXT, WORDS, error, stream, token, whole_stream
from tests.support.backend import LONG_S, SSE, ScriptedBackend, end, head, send, wait
from tests.support.gateway import Gateway
from tests.support.ways import CHAT, Way, each_dialect, each_way


async def until_waiting(gateway: Gateway, number: int) -> None:
    """Wait until so many requests wait for their turn, as the metrics say."""
    async with asyncio.timeout(LONG_S):
        while f"gateway_queue_length {float(number)}" not in (await gateway.ask("/metrics", method="GET")).text:
            await asyncio.sleep(0.01)


@each_dialect
async def test_too_many_requests_get_429_in_the_dialect_with_the_usual_headers(
    backend: ScriptedBackend, start: StartGateway, way: Way
) -> None:
    backend.play(stream())
    gateway = await start(RATE_LIMIT_RPM="2")
    for _ in range(2):
        assert way.text(await gateway.ask(way.path, way.body)) == TEXT
    reply = await gateway.ask(way.path, way.body)
    assert reply.status == 429
    assert "2 requests a minute" in way.error(reply)["message"]
    assert 1 <= int(reply.headers["Retry-After"]) <= 120
    assert reply.headers["RateLimit-Policy"] == '"requests";q=2;w=60'
    assert reply.headers["x-ratelimit-remaining-requests"] == "0"
    assert len(backend.calls) == 2


@each_way
async def test_tokens_that_an_answer_took_are_missing_for_the_next(
    backend: ScriptedBackend, start: StartGateway, way: Way
) -> None:
    backend.play(stream())
    gateway = await start(RATE_LIMIT_TPM="19", PLAIN_REQUESTS="streamed")
    first = await gateway.ask(CHAT.path, CHAT.body)
    assert CHAT.text(first) == TEXT
    reply = await gateway.ask(way.path, way.body)
    assert (reply.status, reply.headers["x-ratelimit-limit-tokens"]) == (429, "19")


async def test_clients_behind_a_trusted_proxy_are_told_apart(backend: ScriptedBackend, start: StartGateway) -> None:
    backend.play(stream())
    gateway = await start(RATE_LIMIT_RPM="1", TRUSTED_PROXIES="127.0.0.0/8")
    statuses = [
        (await gateway.ask(CHAT.path, CHAT.body, headers={"X-Forwarded-For": f"{spoofed}, {client}"})).status
        for spoofed, client in (("8.8.8.8", "203.0.113.1"), ("8.8.4.4", "203.0.113.1"), ("8.8.8.8", "203.0.113.2"))
    ]
    assert statuses == [200, 429, 200]


async def test_without_a_trusted_proxy_nobody_gets_a_limit_of_its_own_by_a_header(
    backend: ScriptedBackend, start: StartGateway
) -> None:
    backend.play(stream())
    gateway = await start(RATE_LIMIT_RPM="1")
    statuses = [
        (await gateway.ask(CHAT.path, CHAT.body, headers={"X-Forwarded-For": f"203.0.113.{number}"})).status
        for number in range(3)
    ]
    assert statuses == [200, 429, 429]


@each_dialect
async def test_a_full_queue_is_a_503_in_the_words_of_ollama(
    backend: ScriptedBackend, start: StartGateway, way: Way
) -> None:
    go_on = asyncio.Event()
    backend.play([head(200, SSE), wait(go_on), send(whole_stream()), end], stream())
    gateway = await start(MAX_CONCURRENT_REQUESTS="1", MAX_QUEUE="0")
    async with asyncio.timeout(LONG_S), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(gateway.ask(CHAT.path, CHAT.body))
        await backend.call()
        reply = await gateway.ask(way.path, way.body)
        assert (reply.status, way.error(reply)["message"]) == (503, BUSY)
        assert int(reply.headers["Retry-After"]) >= 1
        go_on.set()
    assert CHAT.text(running.result()) == TEXT
    assert CHAT.text(await gateway.ask(CHAT.path, CHAT.body)) == TEXT


@each_way
async def test_a_request_that_nobody_answers_gives_its_place_back(
    backend: ScriptedBackend, start: StartGateway, way: Way
) -> None:
    gateway = await start(MAX_CONCURRENT_REQUESTS="1", MAX_QUEUE="0")
    backend.play(error(503, "down"))
    for _ in range(2):
        reply = await gateway.ask(way.path, way.body)
        assert (reply.status, way.error(reply)["message"]) == (503, "down")


async def test_who_waits_is_served_when_a_place_is_free_and_the_log_says_how_long(
    backend: ScriptedBackend, start: StartGateway
) -> None:
    go_on = asyncio.Event()
    backend.play([head(200, SSE), wait(go_on), send(whole_stream()), end], stream())
    gateway = await start(MAX_CONCURRENT_REQUESTS="1")
    async with asyncio.timeout(LONG_S), asyncio.TaskGroup() as tasks:
        tasks.create_task(gateway.ask(CHAT.path, CHAT.body))
        await backend.call()
        waiting = tasks.create_task(gateway.ask(CHAT.path, CHAT.body))
        await until_waiting(gateway, 1)
        assert len(backend.calls) == 1
        go_on.set()
    assert CHAT.text(waiting.result()) == TEXT
    assert ["queued_ms" in await gateway.record(number) for number in range(2)] == [False, True]


async def test_a_client_that_leaves_while_it_waits_is_gone_at_once_and_asks_nothing(
    backend: ScriptedBackend, start: StartGateway
) -> None:
    go_on = asyncio.Event()
    backend.play([head(200, SSE), send(token(WORDS[0])), wait(go_on), send(whole_stream()), end], stream())
    gateway = await start(MAX_CONCURRENT_REQUESTS="1")
    data = json.dumps(CHAT.body).encode()
    async with asyncio.timeout(LONG_S), asyncio.TaskGroup() as tasks:
        tasks.create_task(gateway.ask(CHAT.path, CHAT.body))
        await backend.call()
        _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(b"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%b" % (len(data), data))
        await until_waiting(gateway, 1)
        writer.close()
        await until_waiting(gateway, 0)
        assert (await gateway.record())["status"] == 499
        go_on.set()
    assert CHAT.text(await gateway.ask(CHAT.path, CHAT.body)) == TEXT
    assert len(backend.calls) == 2
