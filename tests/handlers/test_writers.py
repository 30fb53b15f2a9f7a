"""Streams that end honestly: with exactly one end, or one error where the backend broke off, and nothing after it."""

import asyncio
import json

import pytest

from gateway.lifecycle import LIFECYCLE
from tests.conftest import StartGateway
from tests.support.answers import (
    DONE,
    ROLE,
    TEXT,
    WORDS,
    event,
    finish,
    stream,
    token,
    until_closed,
    usage,
    whole_stream,
)
from tests.support.backend import LONG_S, SSE, ScriptedBackend, Step, close, end, hang, head, raw, reset, send
from tests.support.gateway import Gateway, read_reply
from tests.support.ways import CHAT, V1, Way, each_dialect, each_stream

HALF = (ROLE, *map(token, WORDS[:5]))
CUT = "the backend closed the connection before its answer was complete"

CUTS: dict[str, list[Step]] = {
    "chunked-fin": [head(), send(*HALF), close],
    "chunked-reset": [head(), send(*HALF), reset],
    "inside-a-chunk": [head(), send(*HALF), raw(b"64\r\ndata: {"), close],
    "inside-an-event": [head(), send(*HALF, b'data: {"choices":[{"del'), close],
    "ended-without-finish": [head(), send(*HALF), end],
    "closed-without-finish": until_closed(b"".join(HALF)),
    "closed-inside-an-event": until_closed(b"".join(HALF) + b'data: {"choices":[{"del'),
    "short-of-its-length": [head(200, SSE, length=100_000), send(*HALF), close],
}


@pytest.mark.parametrize("name", CUTS)
@each_stream
async def test_a_stream_that_is_cut_ends_with_one_error(
    backend: ScriptedBackend, gateway: Gateway, way: Way, name: str
) -> None:
    backend.play(CUTS[name])
    reply = await gateway.ask(way.path, way.body)
    failure = way.last_error(reply)
    assert failure["message"] == CUT
    assert failure["request_id"] == reply.headers["X-Request-ID"]
    assert b"word4" in reply.body
    record = await gateway.record()
    assert record["status"] == 200
    assert record["error"] == "backend_connection"


@each_stream
async def test_broken_framing_ends_with_one_error_at_the_latest_when_the_clock_runs_out(
    backend: ScriptedBackend, start: StartGateway, way: Way
) -> None:
    # aiohttp's parser closes the connection but does not wake the reader.
    gateway = await start(REQUEST_TIMEOUT="0.5")
    backend.play([head(), send(*HALF), raw(b"zz\r\n"), hang])
    assert way.last_error(await gateway.ask(way.path, way.body))["message"]
    await backend.calls[0].left()


@pytest.mark.parametrize(
    ("bad", "text"),
    [
        (b'data: {"choices":[{"delta":{"content":"x"\n\n', "the backend sent broken JSON"),
        (b"data: [1,2]\n\n", "the backend sent JSON that is not an object"),
        (b"data: oops\n\n", "the backend sent broken JSON"),
    ],
    ids=["broken", "list", "words"],
)
@pytest.mark.parametrize("path", ["/api/chat", "/api/generate"])
async def test_an_event_that_is_no_json_ends_the_stream_with_one_error(
    backend: ScriptedBackend, gateway: Gateway, path: str, bad: bytes, text: str
) -> None:
    backend.play([head(), send(*HALF, bad, token("more"), finish(), DONE), end])
    reply = await gateway.ask(path, {"model": "m", "prompt": "x", "messages": [{"role": "user", "content": "x"}]})
    assert CHAT.last_error(reply)["message"] == text
    assert b"more" not in reply.body
    backend.play(stream())
    assert CHAT.text(await gateway.ask(CHAT.path, CHAT.body)) == TEXT


@each_stream
async def test_an_error_inside_a_stream_ends_it_with_the_backends_text(
    backend: ScriptedBackend, gateway: Gateway, way: Way
) -> None:
    broken = event({"error": {"message": "out of memory", "type": "server_error", "code": 500}})
    backend.play([head(), send(*HALF, broken, token("more"), DONE), end])
    reply = await gateway.ask(way.path, way.body)
    failure = way.last_error(reply)
    assert failure["message"] == "out of memory"
    assert b"more" not in reply.body
    if way.v1:
        assert (failure["type"], failure["code"]) == ("server_error", "500")


@pytest.mark.parametrize("together", [True, False], ids=["one-read", "many-reads"])
@each_stream
async def test_what_came_before_the_fault_is_not_lost(
    backend: ScriptedBackend, gateway: Gateway, way: Way, together: bool
) -> None:
    events = (*HALF, event({"error": "no more"}))
    backend.play([head(), send(b"".join(events)) if together else send(*events), end])
    reply = await gateway.ask(way.path, way.body)
    assert way.last_error(reply)["message"] == "no more"
    for word in WORDS[:5]:
        assert word.encode() in reply.body


BEFORE: dict[str, tuple[list[Step], int, str]] = {
    "cut": ([head(), send(ROLE), close], 502, CUT),
    "reset": ([head(), reset], 502, CUT),
    "headers-only": ([head(), end], 502, "the backend answered with an empty body"),
    "role-only": ([head(), send(ROLE), end], 502, CUT),
    "done-only": (stream(DONE), 502, "the backend ended its stream without an answer"),
    "comment-only": (stream(b": hello\n\n"), 502, CUT),
    "broken": (stream(b"data: {broken\n\n"), 502, "the backend sent broken JSON"),
    "error": (stream(event({"error": {"message": "overloaded", "code": 503}})), 503, "overloaded"),
    "error-string": (stream(ROLE, event({"error": "overloaded"})), 502, "overloaded"),
    "error-with-status": (stream(event({"error": {"message": "slow down", "status": 429}})), 429, "slow down"),
}


@pytest.mark.parametrize("name", BEFORE)
@each_stream
async def test_a_fault_before_the_first_token_has_a_status(
    backend: ScriptedBackend, gateway: Gateway, way: Way, name: str
) -> None:
    script, status, text = BEFORE[name]
    backend.play(script)
    reply = await gateway.ask(way.path, way.body)
    assert reply.status == status
    assert way.error(reply)["message"] == text


async def test_a_huge_event_is_refused(
    backend: ScriptedBackend, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.codecs.sse.MAX_EVENT_BYTES", 500_000)
    monkeypatch.setattr("gateway.codecs.framing_reader.MAX_EVENT_BYTES", 500_000)
    for way in (CHAT, V1):
        backend.play([head(), send(token("x"), b'data: {"a":"', *[b"x" * 100_000] * 50), hang])
        reply = await gateway.ask(way.path, way.body)
        assert way.last_error(reply)["message"] == "the backend sent an event that is too large"
        await backend.calls[-1].left()


@each_dialect
async def test_a_large_event_is_passed(backend: ScriptedBackend, gateway: Gateway, way: Way) -> None:
    text = "x" * 1_000_000
    backend.play(stream(token(text), finish(), DONE))
    assert way.text(await gateway.ask(way.path, way.body)) == text


FORMS: dict[str, bytes] = {
    "crlf": whole_stream().replace(b"\n", b"\r\n"),
    "cr": whole_stream().replace(b"\n", b"\r"),
    "no-space": whole_stream().replace(b"data: ", b"data:"),
    "bom": b"\xef\xbb\xbf" + whole_stream(),
    "comments": b": hello\n\n" + whole_stream().replace(b"data: ", b": ping\n\ndata: "),
    "other-fields": whole_stream().replace(b"data: ", b"event: message\nid: 7\nretry: 5\ndata: "),
    "no-blank-line-at-the-end": whole_stream().rstrip(b"\n"),
    "leading-blank-lines": b"\n\n" + whole_stream(),
    "no-done": whole_stream().removesuffix(DONE),
    "usage-twice": whole_stream().replace(DONE, usage() + DONE),
}


@pytest.mark.parametrize("name", FORMS)
@each_stream
async def test_every_form_of_stream_is_read_whole(
    backend: ScriptedBackend, gateway: Gateway, way: Way, name: str
) -> None:
    backend.play(stream(FORMS[name]))
    reply = await gateway.ask(way.path, way.body)
    if way.v1 and name in ("cr", "no-space", "comments", "other-fields", "bom"):
        # The bytes pass as they are; the client reads them by the rules of the format.
        assert not reply.cut
        assert "error" not in await gateway.record()
        assert reply.body.count(b"[DONE]") == 1
    else:
        assert way.text(reply) == TEXT
    assert (await gateway.record())["completion_tokens"] == 12


@pytest.mark.parametrize("name", ["crlf", "bom", "comments"])
@each_stream
async def test_a_stream_may_be_split_at_every_byte(
    backend: ScriptedBackend, gateway: Gateway, way: Way, name: str
) -> None:
    data = FORMS[name].replace(b"word1 ", "wörd1 \N{GRINNING FACE}".encode())
    backend.play([head(), raw(b"".join(b"1\r\n%c\r\n" % byte for byte in data)), end])
    reply = await gateway.ask(way.path, way.body)
    assert reply.status == 200
    assert not reply.cut
    assert reply.body.count(b'"done":true' if not way.v1 else b"[DONE]") == 1
    record = await gateway.record()
    assert "error" not in record
    assert record["completion_tokens"] == 12
    if not way.v1:
        assert way.text(reply) == TEXT.replace("word1 ", "wörd1 \N{GRINNING FACE}")


async def test_a_failed_stream_as_server_sent_events_ends_with_an_event(
    backend: ScriptedBackend, gateway: Gateway
) -> None:
    backend.play(CUTS["chunked-reset"])
    reply = await gateway.ask(CHAT.path, CHAT.body, headers={"Accept": "text/event-stream"})
    assert reply.headers["Content-Type"] == "text/event-stream"
    *chunks, last = [json.loads(data) for data in reply.events]
    assert last["error"] == CUT
    assert last["request_id"] == reply.headers["X-Request-ID"]
    assert not any(chunk["done"] for chunk in chunks)


@each_stream
async def test_a_stream_that_is_told_to_end_says_so_and_ends(
    backend: ScriptedBackend, gateway: Gateway, way: Way
) -> None:
    backend.play([head(), send(*HALF), hang])
    async with asyncio.timeout(LONG_S), gateway.opened(way.path, way.body) as response:
        await response.content.readany()
        gateway.app[LIFECYCLE].end_live()
        reply = await read_reply(response)
    assert not reply.cut
    assert b'"error"' in reply.body.rstrip().rpartition(b"\n")[2]
    await backend.calls[0].left()
    assert not gateway.app[LIFECYCLE].live


async def test_no_stream_is_remembered_after_its_end(backend: ScriptedBackend, gateway: Gateway) -> None:
    for script in (stream(), CUTS["chunked-reset"], CUTS["ended-without-finish"]):
        backend.play(script)
        await gateway.ask(CHAT.path, CHAT.body)
    assert not gateway.app[LIFECYCLE].live


async def test_the_log_counts_what_was_streamed(backend: ScriptedBackend, gateway: Gateway) -> None:
    backend.play(stream())
    for number, way in enumerate((CHAT, V1)):
        reply = await gateway.ask(way.path, way.body)
        record = await gateway.record(number)
        assert record["bytes"] == len(reply.body)
        assert record["stream"] is True
        assert (record["prompt_tokens"], record["completion_tokens"]) == (7, 12)
        assert 0 <= record["ttfc_ms"] <= record["duration_ms"]


async def test_an_http_1_0_client_gets_a_whole_stream_too(backend: ScriptedBackend, start: StartGateway) -> None:
    gateway = await start()
    backend.play(stream())
    body = json.dumps(CHAT.body).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(b"POST /api/chat HTTP/1.0\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
    async with asyncio.timeout(LONG_S):
        answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    top, _, lines = answer.partition(b"\r\n\r\n")
    assert top.startswith(b"HTTP/1.0 200")
    assert b"transfer-encoding" not in top.lower()
    assert json.loads(lines.splitlines()[-1])["done"] is True
