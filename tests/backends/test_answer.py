"""Reading an answer: the clocks it stands under, its end, and what becomes of its connection."""

import asyncio

import pytest

from tests.conftest import StartGateway
from tests.support.answers import DONE, ROLE, TEXT, WORDS, finish, plain, stream, token, usage, whole_stream
from tests.support.backend import (
    JSON,
    LONG_S,
    Call,
    ScriptedBackend,
    Step,
    close,
    end,
    hang,
    head,
    raw,
    reached,
    reset,
    send,
    sleep,
    wait,
)
from tests.support.gateway import Gateway, read_reply
from tests.support.ways import CHAT, V1, V1_WHOLE, Way, each_dialect, each_stream, each_whole

SHORT = {"REQUEST_TIMEOUT": "0.25"}
PING = b": ping\n\n"


async def pings(call: Call) -> None:
    """Say nothing, over and over."""
    while not call.closed.is_set():
        await send(PING)(call)
        await asyncio.sleep(0.05)


# Silence


NO_TOKEN: list[list[Step]] = [
    [hang],
    [head(), hang],
    [head(), send(ROLE), hang],
    [head(), send(token("")), hang],
    [head(), send(ROLE), pings],
    [head(), pings],
    [head(200, JSON, length=100), send(b'{"id":'), hang],
    [head(200, JSON, length=100), send(b"    "), hang],
]


@each_stream
async def test_a_backend_without_a_first_token_is_a_504(
    backend: ScriptedBackend, start: StartGateway, way: Way
) -> None:
    gateway = await start(**SHORT)
    backend.play(*NO_TOKEN)
    for reply in await asyncio.gather(*(gateway.ask(way.path, way.body) for _ in NO_TOKEN)):
        assert reply.status == 504
        assert way.error(reply)["message"] == "the backend did not begin to answer within 0.25 s"
    for call in backend.calls:
        await call.left()
    assert len(backend.calls) == len(NO_TOKEN)
    assert (await gateway.record())["error"] == "backend_timeout"


@each_stream
async def test_headers_that_do_not_come_have_a_clock_of_their_own(
    backend: ScriptedBackend, start: StartGateway, way: Way
) -> None:
    gateway = await start(HEADERS_TIMEOUT="1", FIRST_TOKEN_TIMEOUT="30")
    backend.play([hang], [head(), sleep(1.5), send(whole_stream()), end])
    reply = await gateway.ask(way.path, way.body)
    assert (reply.status, way.error(reply)["message"]) == (504, "the backend sent no headers within 1 s")
    assert (await gateway.record())["clock"] == "headers"
    metrics = (await gateway.ask("/metrics", method="GET")).text
    assert 'gateway_backend_timeouts_total{backend="main",clock="headers"} 1.0' in metrics
    assert way.text(await gateway.ask(way.path, way.body)) == TEXT, "what comes after may take longer"


UNFINISHED: list[list[Step]] = [
    [hang],
    [head(200, JSON, length=100), send(b"{"), hang],
    [head(), send(token("half")), hang],
]


@each_whole
async def test_a_plain_call_is_bounded_by_its_total_time(
    backend: ScriptedBackend, start: StartGateway, way: Way
) -> None:
    gateway = await start(TOTAL_TIMEOUT="0.25", PLAIN_REQUESTS="direct")
    backend.play(*UNFINISHED)
    for reply in await asyncio.gather(*(gateway.ask(way.path, way.body) for _ in UNFINISHED)):
        if reply.status == 200:
            assert way is V1_WHOLE, "only what comes as a stream and passes as one was begun"
            V1.last_error(reply)
        else:
            assert reply.status == 504
            assert "within 0.25 s" in way.error(reply)["message"]
    for call in backend.calls:
        await call.left()


@each_whole
async def test_a_plain_call_may_be_silent_for_longer_than_a_stream(
    backend: ScriptedBackend, start: StartGateway, way: Way
) -> None:
    gateway = await start(**SHORT, PLAIN_REQUESTS="direct")
    backend.play([sleep(0.6), *plain()])
    assert way.text(await gateway.ask(way.path, way.body)) == TEXT


@each_whole
async def test_a_plain_call_that_is_asked_as_a_stream_is_bounded_by_the_clocks_of_streams(
    backend: ScriptedBackend, start: StartGateway, way: Way
) -> None:
    gateway = await start(**SHORT)
    backend.play([head(), send(ROLE, token("half")), hang] if not way.v1 else stream())
    reply = await gateway.ask(way.path, way.body)
    if way.v1:
        assert reply.status == 200, "what speaks OpenAI's words is asked as it was asked"
    else:
        assert (reply.status, reply.json["error"]) == (504, "the backend fell silent in its answer for 0.25 s")


@each_stream
async def test_silence_in_the_middle_is_one_honest_last_line(
    backend: ScriptedBackend, start: StartGateway, way: Way
) -> None:
    gateway = await start(**SHORT)
    backend.play([head(), send(ROLE, *map(token, WORDS[:3])), hang])
    reply = await gateway.ask(way.path, way.body)
    failure = way.last_error(reply)
    assert failure["message"] == "the backend fell silent in its answer for 0.25 s"
    assert failure["request_id"] == reply.headers["X-Request-ID"]
    await backend.calls[0].left()
    record = await gateway.record()
    assert (record["status"], record["error"]) == (200, "backend_timeout")


@each_stream
async def test_comments_in_the_middle_do_not_hide_the_silence(
    backend: ScriptedBackend, start: StartGateway, way: Way
) -> None:
    gateway = await start(**SHORT)
    backend.play([head(), send(token("half ")), pings])
    assert "fell silent" in way.last_error(await gateway.ask(way.path, way.body))["message"]


@each_dialect
async def test_a_stream_that_keeps_talking_is_not_cut(backend: ScriptedBackend, start: StartGateway, way: Way) -> None:
    gateway = await start(REQUEST_TIMEOUT="1")
    slowly = [step for word in WORDS for step in (sleep(0.12), send(token(word)))]
    backend.play([head(), *slowly, send(finish(), DONE), end])
    assert way.text(await gateway.ask(way.path, way.body)) == TEXT


async def test_thinking_that_is_not_shown_keeps_a_stream_alive(backend: ScriptedBackend, start: StartGateway) -> None:
    gateway = await start(REQUEST_TIMEOUT="1")
    thought = b'data: {"choices":[{"index":0,"delta":{"reasoning_content":"hm"}}]}\n\n'
    slowly = [step for _ in range(12) for step in (sleep(0.12), send(thought))]
    backend.play([head(), *slowly, send(token("well"), finish(), DONE), end])
    assert CHAT.text(await gateway.ask("/api/chat", {**CHAT.body, "think": False})) == "well"


@each_dialect
async def test_a_client_that_reads_slowly_is_not_the_backends_silence(
    backend: ScriptedBackend, start: StartGateway, way: Way
) -> None:
    gateway = await start(**SHORT)
    # More than all buffers between the two hold, so that the gateway must wait for its client.
    piece, count = "x" * 50_000, 300
    backend.play([head(), send(*[token(piece)] * count, finish(), DONE), end])
    async with asyncio.timeout(LONG_S), gateway.opened(way.path, way.body) as response:
        await asyncio.sleep(1)
        assert len(way.text(await read_reply(response))) == len(piece) * count


# Ends


@each_stream
async def test_a_finish_without_done_ends_soon_and_with_usage(
    backend: ScriptedBackend, gateway: Gateway, monkeypatch: pytest.MonkeyPatch, way: Way
) -> None:
    monkeypatch.setattr("gateway.backends.answer.USAGE_WAIT_S", 0.2)
    backend.play([head(), send(token("well")), sleep(0.05), send(finish()), send(usage(3, 4)), hang])
    reply = await gateway.ask(way.path, way.body)
    assert way.text(reply) == "well"
    record = await gateway.record()
    assert (record["prompt_tokens"], record["completion_tokens"]) == (3, 4)
    assert "error" not in record


@each_stream
async def test_a_finish_without_done_and_usage_ends_soon(
    backend: ScriptedBackend, gateway: Gateway, monkeypatch: pytest.MonkeyPatch, way: Way
) -> None:
    monkeypatch.setattr("gateway.backends.answer.USAGE_WAIT_S", 0.1)
    backend.play([head(), send(token("well")), sleep(0.05), send(finish()), hang])
    assert way.text(await gateway.ask(way.path, way.body)) == "well"
    await backend.calls[0].left()
    record = await gateway.record()
    assert "error" not in record
    assert "prompt_tokens" not in record


@each_stream
async def test_a_finish_with_the_first_token_and_without_done_ends_soon(
    backend: ScriptedBackend, gateway: Gateway, monkeypatch: pytest.MonkeyPatch, way: Way
) -> None:
    monkeypatch.setattr("gateway.backends.answer.USAGE_WAIT_S", 0.1)
    backend.play([head(), send(token("well") + finish()), hang])
    assert way.text(await gateway.ask(way.path, way.body)) == "well"
    assert "error" not in await gateway.record()


async def test_the_clients_connection_outlives_a_finish_without_done(
    backend: ScriptedBackend, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.backends.answer.USAGE_WAIT_S", 0.1)
    backend.play([head(), send(token("well") + finish()), hang])
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    body = b'{"model":"m","messages":[{"role":"user","content":"hello"}]}'
    request = b"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    try:
        async with asyncio.timeout(LONG_S):
            for _ in range(2):
                writer.write(request)
                assert b'"done":true' in await reader.readuntil(b"\r\n0\r\n\r\n")
    finally:
        writer.close()
        await writer.wait_closed()


@each_stream
async def test_an_answer_ends_at_done_although_the_body_stays_open(
    backend: ScriptedBackend, gateway: Gateway, way: Way
) -> None:
    ended = asyncio.Event()
    backend.play([head(), send(whole_stream()), wait(ended), end])
    reply = await gateway.ask(way.path, way.body)
    assert way.text(reply) == TEXT
    assert not ended.is_set()
    assert "error" not in await gateway.record()
    await backend.calls[0].left()


@each_whole
async def test_a_stream_in_answer_to_a_plain_call_ends_at_done(
    backend: ScriptedBackend, start: StartGateway, way: Way
) -> None:
    gateway = await start(TOTAL_TIMEOUT="15")
    backend.play([head(), send(whole_stream()), hang])
    reply = await gateway.ask(way.path, way.body)
    assert way.text(reply) == TEXT


# The connection


@each_dialect
async def test_a_connection_is_used_again_after_a_clean_end(
    backend: ScriptedBackend, gateway: Gateway, way: Way
) -> None:
    backend.play(stream())
    for _ in range(3):
        assert way.text(await gateway.ask(way.path, way.body)) == TEXT
    assert len({call.connection for call in backend.calls}) == 1


@each_dialect
async def test_a_connection_is_used_again_when_the_body_ends_soon_after_done(
    backend: ScriptedBackend, gateway: Gateway, way: Way
) -> None:
    backend.play([head(), send(whole_stream()), sleep(0.05), end])
    for number in range(2):
        assert way.text(await gateway.ask(way.path, way.body)) == TEXT
        await gateway.record(number)
    assert len({call.connection for call in backend.calls}) == 1


@each_whole
async def test_a_connection_is_used_again_after_a_plain_answer(
    backend: ScriptedBackend, gateway: Gateway, way: Way
) -> None:
    backend.play(plain())
    for _ in range(3):
        assert way.text(await gateway.ask(way.path, way.body)) == TEXT
    assert len({call.connection for call in backend.calls}) == 1


@pytest.mark.parametrize(
    "script",
    [
        [head(), send(token("half ")), reset],
        [head(), send(token("half "), b"data: {broken\n\n", whole_stream()), end],
        [head(), send(token("half "), b'data: {"error":{"message":"no"}}\n\n'), end],
        [head(200, "text/html", length=100), send(b"<html>"), hang],
        [head(200, "text/html", length=1_000_000), send(b"<html>"), close],
    ],
    ids=["reset", "broken", "error-event", "html-open", "html-cut"],
)
async def test_the_connection_of_a_failed_answer_is_not_used_again(
    backend: ScriptedBackend, start: StartGateway, script: list[Step]
) -> None:
    gateway = await start(**SHORT)
    backend.play(script, stream())
    await gateway.ask(CHAT.path, CHAT.body)
    assert CHAT.text(await gateway.ask(CHAT.path, CHAT.body)) == TEXT
    failed, well = backend.calls
    assert failed.connection != well.connection
    await failed.left()


async def test_what_a_backend_sends_after_done_is_in_nobodys_answer(backend: ScriptedBackend, gateway: Gateway) -> None:
    backend.play([head(), send(whole_stream() + token("more"), token("and more")), end], stream())
    for way in (CHAT, V1):
        reply = await gateway.ask(way.path, way.body)
        assert way.text(reply) == TEXT
        assert b"more" not in reply.body


@each_dialect
async def test_the_first_token_is_shown_at_once(backend: ScriptedBackend, gateway: Gateway, way: Way) -> None:
    sent, go_on = asyncio.Event(), asyncio.Event()
    backend.play(
        [head(), send(ROLE, token("first ")), reached(sent), wait(go_on), send(token("last"), finish(), DONE), end]
    )
    async with asyncio.timeout(LONG_S), gateway.opened(way.path, way.body) as response:
        await sent.wait()
        seen = b""
        while b"first " not in seen:
            seen += await response.content.readany()
        assert b"last" not in seen
        go_on.set()
        assert b"last" in await response.content.read()


async def test_raw_bytes_of_any_size_are_read_whole(backend: ScriptedBackend, gateway: Gateway) -> None:
    backend.play([head(), raw(b"".join(b"1\r\n%c\r\n" % byte for byte in whole_stream())), end])
    for way in (CHAT, V1):
        assert way.text(await gateway.ask(way.path, way.body)) == TEXT
