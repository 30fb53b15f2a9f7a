"""Requests that two readers could read differently: one answer, the end of the connection, nothing for a backend.

Behind each stands a second request, which must never be taken for one.
"""

import re

import pytest

from tests.middlewares.application import talk
from tests.support.answers import stream
from tests.support.backend import ScriptedBackend
from tests.support.gateway import Gateway

BODY = b'{"model":"m","messages":[{"role":"user","content":"x"}]}'
SIZE = len(BODY)
CHUNKS = b"%x\r\n%b\r\n0\r\n\r\n" % (SIZE, BODY)
LINE = b"POST /api/chat HTTP/1.1\r\n"
HOST = b"Host: localhost\r\n"
LENGTH = b"Content-Length: %d\r\n" % SIZE
CHUNKED = b"Transfer-Encoding: chunked\r\n"
NEXT = LINE + HOST + LENGTH + b"Connection: close\r\n\r\n" + BODY


def sized(*lines: bytes, line: bytes = LINE, host: bytes = HOST, length: bytes = LENGTH) -> bytes:
    """Return a request whose body has a length."""
    return b"".join((line, host, *lines, length, b"\r\n", BODY))


def chunked(*lines: bytes, line: bytes = LINE, coding: bytes = CHUNKED, chunks: bytes = CHUNKS) -> bytes:
    """Return a request whose body comes in chunks."""
    return b"".join((line, HOST, *lines, coding, b"\r\n", chunks))


def of_length(value: bytes) -> bytes:
    """Return a request that says its length in these characters."""
    return sized(length=b"Content-Length:" + value + b"\r\n")


def coded(value: bytes) -> bytes:
    """Return a request whose Transfer-Encoding is spelt like this."""
    return chunked(coding=b"Transfer-Encoding:" + value + b"\r\n")


def in_chunks(change: bytes, to: bytes) -> bytes:
    """Return a request with the first of something changed in its chunks."""
    return chunked(chunks=CHUNKS.replace(change, to, 1))


REFUSED = {
    "length-and-chunks": sized(CHUNKED),
    "chunks-and-length": chunked(b"Content-Length: 4\r\n"),
    "chunks-with-the-length-of-the-chunks": chunked(b"Content-Length: %d\r\n" % len(CHUNKS)),
    "two-lengths-that-differ": sized(b"Content-Length: 0\r\n"),
    "two-lengths-that-agree": sized(LENGTH),
    "a-list-of-lengths": of_length(b" %d, %d" % (SIZE, SIZE)),
    "length-with-a-plus": of_length(b" +%d" % SIZE),
    "length-below-zero": of_length(b" -%d" % SIZE),
    "length-in-hexadecimals": of_length(b" 0x%x" % SIZE),
    "length-with-an-underscore": of_length(b" 5_6"),
    "length-in-two-words": of_length(b" 5 6"),
    "length-in-other-digits": of_length(" \u0665\u0666".encode()),
    "length-with-a-fraction": of_length(b" %d.0" % SIZE),
    "length-beyond-64-bits": of_length(b" " + b"9" * 23),
    "length-of-nothing": of_length(b""),
    "blank-before-the-colon-of-the-length": sized(length=b"Content-Length : %d\r\n" % SIZE),
    "blank-before-the-colon-of-the-coding": chunked(coding=b"Transfer-Encoding : chunked\r\n"),
    "folded-header": sized(b"X-A: b\r\n c\r\n"),
    "folded-length": of_length(b"\r\n %d" % SIZE),
    "folded-coding": coded(b"\r\n chunked"),
    "first-header-begins-with-a-blank": sized(host=b" Host: localhost\r\n"),
    "nul-in-a-value": sized(b"X-A: b\x00c\r\n"),
    "nul-in-a-name": sized(b"X\x00A: b\r\n"),
    "nul-in-the-target": sized(line=b"POST /api/\x00chat HTTP/1.1\r\n"),
    "nul-after-the-length": of_length(b" %d\x00" % SIZE),
    "carriage-return-in-a-value": sized(b"X-A: b\rContent-Length: 0\r\n"),
    "line-feed-alone-in-a-value": sized(b"X-A: b\nX-B: c\r\n"),
    "line-feeds-alone": sized().replace(b"\r\n", b"\n"),
    "carriage-returns-alone": sized().replace(b"\r\n", b"\r"),
    "no-colon": sized(b"Nonsense\r\n"),
    "no-name": sized(b": x\r\n"),
    "blank-in-a-name": sized(b"X A: b\r\n"),
    "two-hosts-that-differ": sized(b"Host: example.com\r\n"),
    "two-hosts-that-agree": sized(HOST),
    "no-host": sized(host=b""),
    "target-is-another-host": sized(line=b"POST http://example.com/api/chat HTTP/1.1\r\n"),
    "target-is-another-port": sized(line=b"POST http://localhost:1/api/chat HTTP/1.1\r\n"),
    "target-is-another-scheme-and-port": sized(line=b"POST https://localhost:80/api/chat HTTP/1.1\r\n"),
    "coding-in-http-1.0": chunked(line=b"POST /api/chat HTTP/1.0\r\n"),
    "coding-in-http-1.0-kept-alive": chunked(b"Connection: keep-alive\r\n", line=b"POST /api/chat HTTP/1.0\r\n"),
    "coding-identity": sized(b"Transfer-Encoding: identity\r\n"),
    "coding-gzip": coded(b" gzip"),
    "coding-gzip-in-chunks": coded(b" gzip, chunked"),
    "coding-chunked-then-identity": coded(b" chunked, identity"),
    "coding-chunked-twice": coded(b" chunked, chunked"),
    "coding-in-two-lines": chunked(b"Transfer-Encoding: identity\r\n"),
    "coding-in-two-lines-the-other-way": chunked(CHUNKED, coding=b"Transfer-Encoding: identity\r\n"),
    "coding-nobody-knows": coded(b" xchunked"),
    "coding-in-quotes": coded(b' "chunked"'),
    "coding-after-a-vertical-tab": coded(b" \x0bchunked"),
    "coding-with-a-line-feed": coded(b" chunked\nX-A: b"),
    "chunk-size-with-a-plus": in_chunks(b"%x\r\n" % SIZE, b"+%x\r\n" % SIZE),
    "chunk-size-below-zero": in_chunks(b"%x\r\n" % SIZE, b"-%x\r\n" % SIZE),
    "chunk-size-with-0x": in_chunks(b"%x\r\n" % SIZE, b"0x%x\r\n" % SIZE),
    "chunk-size-with-an-underscore": in_chunks(b"%x\r\n" % SIZE, b"3_8\r\n"),
    "chunk-size-then-a-blank": in_chunks(b"%x\r\n" % SIZE, b"%x \r\n" % SIZE),
    "chunk-size-beyond-64-bits": in_chunks(b"%x\r\n" % SIZE, b"1" + b"0" * 16 + b"%x\r\n" % SIZE),
    "chunk-size-of-nothing": in_chunks(b"%x\r\n" % SIZE, b"\r\n"),
    "chunk-longer-than-it-says": in_chunks(b"%x\r\n" % SIZE, b"%x\r\n" % (SIZE - 1)),
    "chunks-with-line-feeds-alone": chunked(chunks=CHUNKS.replace(b"\r\n", b"\n")),
    "chunk-extension-with-a-line-feed": in_chunks(b"\r\n", b";a=\nb\r\n"),
    "length-in-a-trailer": chunked(chunks=CHUNKS[:-2] + b"Content-Length: 5\r\n\r\n"),
    "no-version": b"POST /api/chat\r\n\r\n",
    "version-2.0": sized(line=b"POST /api/chat HTTP/2.0\r\n"),
    "version-1.10": sized(line=b"POST /api/chat HTTP/1.10\r\n"),
    "version-in-small-letters": sized(line=b"POST /api/chat http/1.1\r\n"),
    "preface-of-http-2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "blank-in-the-target": sized(line=b"POST /api/chat x HTTP/1.1\r\n"),
    "method-in-small-letters": sized(line=b"post /api/chat HTTP/1.1\r\n"),
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(50),
}


@pytest.mark.parametrize("request_bytes", REFUSED.values(), ids=REFUSED)
async def test_what_could_be_read_in_two_ways_is_refused(
    backend: ScriptedBackend, gateway: Gateway, request_bytes: bytes
) -> None:
    backend.play(stream())
    answer = await talk(gateway.port, request_bytes + NEXT)
    assert re.findall(rb"HTTP/1\.[01] ([0-9]{3}) ", answer) == [b"400"]
    assert b"\r\nServer:" not in answer
    assert b"\r\nX-Content-Type-Options: nosniff\r\n" in answer
    assert b".py" not in answer
    assert backend.calls == []


SERVED = {
    "a-length": sized(),
    "zeros-before-the-length": of_length(b" 000%d" % SIZE),
    "chunks": chunked(),
    "coding-in-capitals": coded(b" CHUNKED"),
    "coding-after-a-tab": coded(b"\tchunked"),
    "chunk-size-in-capitals-after-zeros": in_chunks(b"%x\r\n" % SIZE, b"000%X\r\n" % SIZE),
    "chunk-with-an-extension": in_chunks(b"\r\n", b";a=b\r\n"),
    "target-with-the-same-host": sized(line=b"POST http://localhost/api/chat HTTP/1.1\r\n"),
    "wish-for-another-protocol": chunked(b"Upgrade: websocket\r\nConnection: Upgrade\r\n"),
}


@pytest.mark.parametrize("request_bytes", SERVED.values(), ids=SERVED)
async def test_what_has_one_meaning_is_served_and_so_is_the_next(
    backend: ScriptedBackend, gateway: Gateway, request_bytes: bytes
) -> None:
    backend.play(stream())
    answer = await talk(gateway.port, request_bytes + NEXT)
    assert re.findall(rb"HTTP/1\.[01] ([0-9]{3}) ", answer) == [b"200", b"200"]
    assert [call.json["messages"][0]["content"] for call in backend.calls] == ["x", "x"]


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"GET /api/version HTTP/1.1\r\n", b"200"),
        (b"GET /nowhere HTTP/1.1\r\n", b"404"),
        (b"DELETE /api/chat HTTP/1.1\r\n", b"405"),
        (b"POST /api/me HTTP/1.1\r\n", b"401"),
    ],
    ids=["read-by-nobody", "no-such-path", "no-such-method", "refused"],
)
async def test_a_body_that_nobody_reads_is_no_request(
    backend: ScriptedBackend, gateway: Gateway, line: bytes, status: bytes
) -> None:
    body = LINE + HOST + LENGTH + b"\r\n" + BODY
    ignored = line + HOST + b"Content-Length: %d\r\n\r\n" % len(body) + body
    after = b"GET /api/version HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    answer = await talk(gateway.port, ignored + after)
    assert re.findall(rb"HTTP/1\.1 ([0-9]{3}) ", answer) == [status, b"200"]
    assert backend.calls == []


@pytest.mark.parametrize(
    "host", [b"localhost@example.com", b"localhost, example.com", b"localhost.example.com", b"[::2"]
)
async def test_a_host_that_only_looks_local_is_foreign(backend: ScriptedBackend, gateway: Gateway, host: bytes) -> None:
    answer = await talk(gateway.port, sized(b"Connection: close\r\n", host=b"Host: " + host + b"\r\n"))
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert backend.calls == []


@pytest.mark.parametrize("target", [b"example.com:443", b"localhost:443", b"127.0.0.1:22"])
async def test_the_gateway_is_no_tunnel(backend: ScriptedBackend, gateway: Gateway, target: bytes) -> None:
    head = b"CONNECT %b HTTP/1.1\r\nHost: %b\r\nConnection: close\r\n\r\n" % (target, target)
    answer = await talk(gateway.port, head)
    assert answer.split()[1] in (b"403", b"404")
    assert backend.calls == []
