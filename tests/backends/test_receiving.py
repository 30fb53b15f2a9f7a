"""Receiver against aiohttp's own protocol: whatever a backend sends, however it is cut, both hand on the same."""

import asyncio
import re
import weakref
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import pytest
from aiohttp.client_proto import ResponseHandler
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.backends.receiving import Receiver
from gateway.backends.sessions import READING, read_arrived

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
LAST = b"0\r\n\r\n"


class Outcome(NamedTuple):
    """What a protocol made of an answer; `closed` and `should_close` are of the connection."""

    code: int
    body: bytes
    eof: bool | None
    fault: type
    told: type
    closed: bool
    should_close: bool


class Wires(asyncio.Transport):
    """A transport that notes whether it was stopped and closed."""

    def __init__(self) -> None:
        super().__init__()
        self.paused = self.closed = False

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True


def chunk(data: bytes, size: str = "%x") -> bytes:
    return (size % len(data)).encode() + b"\r\n" + data + b"\r\n"


async def there(body: StreamReader | None) -> bytes:
    """Return what of a body can be read without waiting."""
    got = b""
    while body is not None and body is not EMPTY_PAYLOAD and body._buffer:
        got += await read_arrived(body)
    return got


async def received(
    make: Callable[[asyncio.AbstractEventLoop], ResponseHandler], reads: Sequence[bytes], *, ends: bool
) -> Outcome:
    """Return what comes out of `reads`, after which the backend closes the connection if it `ends`."""
    protocol = make(asyncio.get_running_loop())
    wires = Wires()
    protocol.connection_made(wires)
    protocol.set_response_params(read_until_eof=True, **READING)
    body: StreamReader | None = None
    got = bytearray()
    code = 0
    for data in reads:
        if wires.closed:
            break
        protocol.data_received(data)
        if body is None and len(protocol):
            message, body = await protocol.read()
            code = message.code
        got += await there(body)
    should_close = protocol.should_close
    if ends:
        protocol.connection_lost(None)
    got += await there(body)
    fault = body.exception() if body is not None else None
    told = protocol.exception()
    eof = body.is_eof() if body is not None else None
    return Outcome(code, bytes(got), eof, type(fault), type(told), wires.closed, should_close)


def alike(reads: Sequence[bytes], *, ends: bool = True) -> Outcome:
    """Hold both protocols to each other; return what came out.

    aiohttp hands out nothing of a read in which it finds fault, so it gets single bytes here: all that is good comes
    out.
    """

    async def compare() -> Outcome:
        ours = await received(Receiver, reads, ends=ends)
        theirs = await received(ResponseHandler, [bytes([byte]) for byte in b"".join(reads)], ends=ends)
        if theirs.closed:
            assert ours.closed
            assert ours.should_close
            assert theirs.body.startswith(ours.body)
            assert not ours.eof or theirs.eof
        else:
            assert ours == theirs
        return ours

    return asyncio.run(compare())


def cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    """Return `data` in pieces that end at `places`."""
    edges = [0, *sorted({place % len(data) for place in places} - {0}), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


PIECES = st.sampled_from(
    [
        b"x",
        b"data: hello\n\n",
        b"data: a\r\n\r\n",
        b"\r\n",
        b"\r",
        b"0\r\n\r\n",
        b"\r\n0\r\n\r\n",
        b"y" * 300,
        b"5\r\nhello\r\n",
    ]
)
FRAMES = st.one_of(
    st.builds(chunk, PIECES),
    st.builds(chunk, PIECES),
    st.builds(chunk, PIECES),
    st.builds(chunk, PIECES, st.sampled_from(["%X", "%04x", "%x;name=value", "%x ", " %x", "0x%x", "+%x", "%x\t"])),
    st.sampled_from(
        [b"", b"\r\n", b"3\r\nab\r\n", b"3\r\nabcd\r\n", b"zz\r\nab\r\n", b"-1\r\n\r\n", b"1_0\r\nab\r\n", b"2\nab\r\n"]
    ),
    st.just(LAST),
)
HEADS = st.sampled_from(
    [
        HEAD,
        HEAD,
        b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD,
        HEAD.replace(b"\r\n", b"\n"),
        HEAD.replace(b"chunked", b"Chunked"),
        HEAD.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n"),
        HEAD.replace(b"\r\n\r\n", b"\n\n", 1),
        b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\nX: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        HEAD.replace(b"\r\n\r\n", b"\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"),
        HEAD.replace(b"200 OK\r\n", b"101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"),
        HEAD.replace(b"200 OK", b"204 No Content"),
        HEAD.replace(b"200 OK", b"304 Not Modified"),
        HEAD.replace(b"200 OK", b"500 Internal Server Error"),
        HEAD.replace(b"1.1", b"1.0"),
        HEAD.replace(b"\r\n\r\n", b"\r\nContent-Length: 5\r\n\r\n"),
        HEAD.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"),
        HEAD.replace(b"chunked", b"gzip, chunked"),
        HEAD.replace(b"chunked", b"chunked, identity"),
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
    ]
)
ENDS = st.sampled_from(
    [LAST, LAST, LAST, b"", b"0\r\n", b"0\r\nTrailer: x\r\n\r\n", LAST + b"HTTP/1.1 200 OK\r\n", b"0;x\r\n\r\n"]
)


@settings(max_examples=1500, deadline=None)
@given(HEADS, st.lists(FRAMES, max_size=8), ENDS, st.lists(st.integers(0, 5000), max_size=12), st.booleans())
@example(HEAD, [chunk(b"ab")], LAST, [len(HEAD) + 1], True)
@example(HEAD, [chunk(b"\r\n0\r\n\r\n")], b"", [], False)
@example(HEAD.replace(b"\r\n", b"\n"), [chunk(b"ab\r\n\r\n5\r\nhello\r\nxx")], LAST, [], True)
@example(HEAD, [b"5\r\nabcdeXX", chunk(b"evil")], LAST, [len(HEAD), len(HEAD) + 5], True)
def test_both_hand_on_the_same(head: bytes, frames: list[bytes], end: bytes, places: list[int], ends: bool) -> None:
    alike(cut(head + b"".join(frames) + end, places), ends=ends)


@pytest.mark.parametrize("at", range(1, 60))
def test_a_stream_may_be_cut_anywhere(at: int) -> None:
    data = HEAD + chunk(b"data: one\n\n") + chunk(b"data: two\n\n") + LAST
    found = alike([data[:at], data[at:]])
    assert (found.code, found.body, found.eof) == (200, b"data: one\n\ndata: two\n\n", True)


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What aiohttp's protocol, and so its parser, is given."""
    found: list[bytes] = []
    receive = ResponseHandler.data_received

    def watched(self: ResponseHandler, data: bytes) -> None:
        found.append(bytes(data))
        receive(self, data)

    monkeypatch.setattr(ResponseHandler, "data_received", watched)
    return found


@pytest.mark.parametrize("together", [True, False], ids=["in one read", "head and chunks apart"])
async def test_the_parser_sees_heads_and_ends_alone(parsed: list[bytes], together: bool) -> None:
    chunks = b"".join(chunk(b"data: %d\n\n" % number) for number in range(100))
    reads = [HEAD + chunks + LAST] if together else [HEAD, chunks, LAST]
    body = (await received(Receiver, reads, ends=False)).body
    assert parsed == [HEAD, LAST]
    assert body == b"".join(b"data: %d\n\n" % number for number in range(100))


async def test_the_parser_sees_the_chunks_that_a_read_cuts(parsed: list[bytes]) -> None:
    chunks = [chunk(b"%d" % number * 100) for number in range(9)]
    data = b"".join(chunks)
    at = len(chunks[0]) * 4 + 50
    body = (await received(Receiver, [HEAD, data[:at], data[at : at + 7], data[at + 7 :], LAST], ends=False)).body
    assert parsed == [HEAD, chunks[4][:50], chunks[4][50:57], chunks[4][57:], LAST]
    assert body == re.sub(rb"\r\n|64", b"", data)


async def test_a_body_that_is_not_read_stops_the_transport_alone() -> None:
    protocol = Receiver(asyncio.get_running_loop())
    wires = Wires()
    protocol.connection_made(wires)
    protocol.set_response_params(read_until_eof=True, read_bufsize=100)
    protocol.data_received(HEAD)
    _, body = await protocol.read()
    big = b"z" * 150
    protocol.data_received(chunk(big))
    assert not wires.paused
    protocol.data_received(chunk(big) + b"96\r\n" + big[:20])
    assert wires.paused
    assert await read_arrived(body) == big + big + big[:20]
    assert not wires.paused
    protocol.data_received(big[20:] + b"\r\n" + LAST)
    assert await read_arrived(body) == big[20:]
    assert await read_arrived(body) == b""
    assert not protocol.should_close


async def test_a_connection_serves_the_next_answer() -> None:
    protocol = Receiver(asyncio.get_running_loop())
    protocol.connection_made(Wires())
    for number in range(3):
        protocol.set_response_params(read_until_eof=True, **READING)
        protocol.data_received(HEAD + chunk(b"answer %d" % number) + LAST)
        _, body = await protocol.read()
        assert await read_arrived(body) == b"answer %d" % number
        assert body.is_eof()
        assert not protocol.should_close


@pytest.mark.parametrize(
    ("content", "at"),
    [
        (b"1234567890" + b"5\r\nhello\r\n", len(b"14\r\n1234567890")),
        (b"hello\r\n" + b"x" * 14, len(b"1")),
        (b"0\r\n\r\nab", len(b"7\r\n0\r\n\r\n")),
    ],
    ids=["the rest looks like a chunk", "so does the rest of a size", "the beginning ends like a body"],
)
def test_what_looks_like_a_chunk_within_one_is_none(content: bytes, at: int) -> None:
    data = chunk(content) + chunk(b"more") + LAST
    for end in range(at + 1, len(data)):
        found = alike([HEAD, data[:at], data[at:end], data[end:]])
        assert (found.body, found.eof) == (content + b"more", True)


async def test_a_clock_between_reads_is_aiohttps_business(parsed: list[bytes]) -> None:
    protocol = Receiver(asyncio.get_running_loop())
    protocol.connection_made(Wires())
    protocol.set_response_params(read_until_eof=True, read_timeout=60, **READING)
    protocol.data_received(HEAD)
    protocol.data_received(chunk(b"ab"))
    assert parsed == [HEAD, chunk(b"ab")]
    protocol.close()


@pytest.mark.parametrize("lost", [False, True], ids=["read to its end", "cut"])
async def test_whoever_took_an_answer_is_let_go_with_its_end(lost: bool) -> None:
    protocol = Receiver(asyncio.get_running_loop())
    protocol.connection_made(Wires())
    protocol.set_response_params(read_until_eof=True, **READING)
    protocol.data_received(HEAD)
    _, body = await protocol.read()

    def take(_data: bytes) -> bool:
        return True

    kept = weakref.ref(take)
    protocol.hand_over(body, take)
    del take
    protocol.data_received(chunk(b"ab"))
    assert kept() is not None
    if lost:
        protocol.connection_lost(None)
    else:
        protocol.data_received(LAST)
    assert kept() is None
    assert body.is_eof() is not lost
