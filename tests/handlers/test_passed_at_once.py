"""Live tokens, which are read and written as they arrive, without waking whom the stream belongs to."""

import asyncio
import json
import re
from typing import Any

import pytest

from gateway.codecs.answer_reader import AnswerReader
from gateway.codecs.events import Event
from gateway.codecs.framing_reader import FramingReader
from gateway.handlers import writers
from gateway.handlers.live import Outlet
from tests.conftest import StartGateway
from tests.support.answers import DONE, ROLE, TEXT, WORDS, finish, token, usage
from tests.support.backend import LONG_S, ScriptedBackend, Step, close, end, hang, head, send, sleep
from tests.support.gateway import Gateway
from tests.support.ways import CHAT, V1, Way, each_stream

PAUSE = sleep(0.02)
"""Between two tokens: each comes in a read of its own."""


def live(*events: bytes) -> list[Step]:
    """Play a stream as a model that is thinking makes it."""
    steps: list[Step] = [head()]
    for one in events:
        steps += [send(one), PAUSE]
    return [*steps, end]


ANSWER = (ROLE, *map(token, WORDS), finish(), usage(), DONE)


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[list[Event]]:
    """The batches that were passed at once."""
    found: list[list[Event]] = []
    take = writers._Passage.take

    def watched(self: writers._Passage, events: list[Event], now_ns: int) -> int:
        found.append(events)
        return take(self, events, now_ns)

    monkeypatch.setattr(writers._Passage, "take", watched)
    return found


@each_stream
async def test_an_answer_is_the_same_and_most_of_it_passed_at_once(
    backend: ScriptedBackend, gateway: Gateway, taken: list[list[Event]], way: Way
) -> None:
    backend.play(live(*ANSWER))
    reply = await gateway.ask(way.path, way.body)
    assert way.text(reply) == TEXT
    # All but the first word, which begins the answer, and what ends it.
    assert len(taken) >= len(WORDS) - 1


@each_stream
async def test_what_passed_is_counted_once(
    backend: ScriptedBackend, start: StartGateway, monkeypatch: pytest.MonkeyPatch, way: Way
) -> None:
    records: list[dict[str, Any]] = []
    for passing in (True, False):
        if not passing:
            monkeypatch.setattr(Outlet, "ready", property(lambda _outlet: False))
        gateway = await start(LOG_DETAIL="verbose")
        backend.play(live(*ANSWER))
        assert way.text(await gateway.ask(way.path, way.body)) == TEXT
        records.append(await gateway.record())
    for name in ("chunks", "bytes", "received_bytes", "prompt_tokens", "completion_tokens"):
        assert records[0][name] == records[1][name], name
    for record in records:
        assert 0 <= record["overhead_ms"] < record["duration_ms"]
        assert 0 < record["translation_ms"] < record["duration_ms"]


@each_stream
async def test_each_token_starts_the_clock_of_silence_anew(
    backend: ScriptedBackend, start: StartGateway, way: Way
) -> None:
    gateway = await start(IDLE_TIMEOUT="2")
    steps = [head(), send(ROLE)]
    for word in WORDS:
        steps += [sleep(0.25), send(token(word))]
    backend.play([*steps, send(finish(), usage(), DONE), end])
    assert way.text(await gateway.ask(way.path, way.body)) == TEXT


@each_stream
async def test_silence_after_tokens_that_passed_is_noticed(
    backend: ScriptedBackend, start: StartGateway, way: Way
) -> None:
    gateway = await start(IDLE_TIMEOUT="0.3")
    backend.play([*live(ROLE, *map(token, WORDS[:4]))[:-1], hang])
    error = way.last_error(await gateway.ask(way.path, way.body))
    assert "fell silent" in error["message"]


@each_stream
async def test_comments_are_silence_also_where_tokens_passed(
    backend: ScriptedBackend, start: StartGateway, way: Way
) -> None:
    gateway = await start(IDLE_TIMEOUT="0.3")
    backend.play([*live(ROLE, *map(token, WORDS[:4]), *[b": ping\n\n"] * 200)[:-1], hang])
    assert "fell silent" in way.last_error(await gateway.ask(way.path, way.body))["message"]


@each_stream
@pytest.mark.parametrize(
    ("last", "said"),
    [
        ([close], "closed the connection"),
        ([send(b"data: {broken\n\n"), hang], "broken JSON"),
        ([send(b'data: {"error":{"message":"no more room"}}\n\n'), hang], "no more room"),
        ([send(b"data: " + b"x" * 1000), close], "closed the connection"),
    ],
    ids=["cut", "broken", "error", "cut within"],
)
async def test_what_breaks_behind_tokens_that_passed_is_the_last_line(
    backend: ScriptedBackend, gateway: Gateway, way: Way, last: list[Step], said: str
) -> None:
    backend.play([*live(ROLE, *map(token, WORDS[:4]))[:-1], *last])
    reply = await gateway.ask(way.path, way.body)
    assert said in way.last_error(reply)["message"]
    assert all(word.encode() in reply.body for word in WORDS[:4])


@each_stream
async def test_an_error_of_our_own_is_raised_where_the_answer_is_waited_for(
    backend: ScriptedBackend, gateway: Gateway, monkeypatch: pytest.MonkeyPatch, way: Way
) -> None:
    reader = FramingReader if way.v1 else AnswerReader
    feed = reader.feed

    def failing(self: Any, data: bytes, now_ns: int) -> list[Event]:
        if WORDS[3].encode() in data:
            raise ZeroDivisionError
        return feed(self, data, now_ns)

    monkeypatch.setattr(reader, "feed", failing)
    backend.play([*live(ROLE, *map(token, WORDS[:6]))[:-1], hang])
    reply = await gateway.ask(way.path, way.body)
    assert reply.cut
    assert b"ZeroDivisionError" not in reply.body
    await (await backend.call()).left()


@pytest.mark.parametrize("way", [CHAT, V1], ids=lambda way: way.name)
async def test_a_client_that_leaves_ends_the_backend(backend: ScriptedBackend, gateway: Gateway, way: Way) -> None:
    backend.play([head(), send(ROLE), *[step for word in WORDS * 500 for step in (send(token(word)), PAUSE)], end])
    async with gateway.opened(way.path, way.body) as response:
        await response.content.readany()
        await asyncio.sleep(0.1)
    await (await backend.call()).left()


@pytest.mark.parametrize("way", [CHAT, V1], ids=lambda way: way.name)
async def test_a_client_that_reads_slowly_slows_the_backend(
    backend: ScriptedBackend, start: StartGateway, way: Way
) -> None:
    """Its socket and our buffers are full, the backend's too; all of it arrives once it reads."""
    gateway = await start(WRITE_TIMEOUT="30")
    big = token("x" * 30_000)
    count = 600
    steps: list[Step] = [head(), send(ROLE, token("a")), sleep(0.05)]
    for _ in range(count):
        steps += [send(big), sleep(0)]
    backend.play([*steps, send(finish(), usage(), DONE), end])
    async with gateway.unread(way.path, way.body) as client:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(1.0)
        waiting = (await backend.call()).transport.get_write_buffer_size()
        got = 0
        async with asyncio.timeout(LONG_S * 3):
            while data := await loop.sock_recv(client, 1 << 20):
                got += data.count(b"x")
                last = data
    assert waiting > count * 5_000
    assert got >= count * 30_000
    assert last.endswith(b"0\r\n\r\n")


@pytest.mark.parametrize("way", [CHAT, V1], ids=lambda way: way.name)
async def test_a_client_of_http_1_0_gets_no_chunks(
    backend: ScriptedBackend, gateway: Gateway, taken: list[list[Event]], way: Way
) -> None:
    backend.play(live(*ANSWER))
    body = json.dumps(way.body).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(f"POST {way.path} HTTP/1.0\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    _, _, answer = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    lines = [line for line in answer.split(b"\n") if line]
    assert all(line.startswith(b"{" if not way.v1 else b"data: ") for line in lines)
    assert not taken


@each_stream
async def test_a_token_behind_a_sign_of_life_comes_behind_it(
    backend: ScriptedBackend, start: StartGateway, way: Way
) -> None:
    gateway = await start(HEARTBEAT_INTERVAL="0.05")
    steps = [head(), send(ROLE)]
    for number, word in enumerate(WORDS):
        steps += [sleep(0.12 if number % 3 == 0 else 0.01), send(token(word))]
    backend.play([*steps, send(finish(), usage(), DONE), end])
    reply = await gateway.ask(way.path, way.body)
    assert way.text(reply) == TEXT


@pytest.mark.parametrize("way", [CHAT, V1], ids=lambda way: way.name)
async def test_a_backend_that_says_no_done_is_not_waited_for(
    backend: ScriptedBackend, gateway: Gateway, way: Way
) -> None:
    backend.play([*live(ROLE, *map(token, WORDS), finish(), usage())[:-1], hang])
    async with asyncio.timeout(LONG_S):
        assert way.text(await gateway.ask(way.path, way.body)) == TEXT


@each_stream
async def test_tokens_that_pass_are_signs_of_life(backend: ScriptedBackend, start: StartGateway, way: Way) -> None:
    gateway = await start(HEARTBEAT_INTERVAL="1", LOG_DETAIL="verbose")
    steps = [head(), send(ROLE)]
    for word in WORDS:
        steps += [sleep(0.12), send(token(word))]
    backend.play([*steps, send(finish(), usage(), DONE), end])
    assert way.text(await gateway.ask(way.path, way.body)) == TEXT
    assert (await gateway.record())["heartbeats"] == 0


@each_stream
async def test_gaps_are_those_between_one_token_and_the_next(
    backend: ScriptedBackend, gateway: Gateway, way: Way
) -> None:
    backend.play(live(*ANSWER))
    assert way.text(await gateway.ask(way.path, way.body)) == TEXT
    took_s = (await gateway.record())["duration_ms"] / 1000
    numbers = (await gateway.ask("/v1/metrics", None, method="GET")).text
    found = dict(re.findall(r"^gateway_time_between_chunks_seconds_(sum|count) (\S+)$", numbers, re.MULTILINE))
    assert float(found["count"]) >= len(WORDS) - 1
    assert 0 < float(found["sum"]) < took_s
