"""A backend that is never the limit: raw asyncio, every unpaced answer prepared as the bytes of the socket.

`python -m benchmarks.backend` prints its port and serves until it is ended. The list of models has as many rows as the
path says: `/models-1000/v1/models`.
"""

import asyncio
import json
import re
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from time import monotonic_ns
from typing import cast

from benchmarks.answers import (
    LISTED_MODELS,
    Script,
    closing,
    embeddings_body,
    event,
    model_list,
    plain_body,
    script_of,
    words,
)
from benchmarks.loops import run

WRITE_BYTES = 256 * 1024
_STREAMED = re.compile(rb'"stream":\s*true')
_USAGE = re.compile(rb'"include_usage":\s*true')
_BASE64 = re.compile(rb'"encoding_format":\s*"base64"')
_LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)
_LIST = re.compile(r"^(?:/models-(\d+))?(?:/[\w-]+)?/v1/models$")
_NOT_FOUND = b'{"error":{"message":"not found","type":"invalid_request_error"}}'
_STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def whole(body: bytes, status: bytes = b"200 OK") -> bytes:
    """Return a JSON response of known length."""
    return b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)


def framed(data: bytes) -> bytes:
    """Return one chunk of a chunked body. Servers send one for each event, so do we."""
    return b"%x\r\n%b\r\n" % (len(data), data)


@lru_cache
def stream(script: Script, *, usage: bool) -> tuple[memoryview, ...]:
    """Return a whole unpaced stream, in slices that are written at once."""
    events = [framed(event(script, word)) for word in words(script)]
    data = b"".join([_STREAM_HEAD, *events, framed(closing(script, usage=usage)), b"0\r\n\r\n"])
    view = memoryview(data)
    return tuple(view[at : at + WRITE_BYTES] for at in range(0, len(view), WRITE_BYTES))


@lru_cache
def plain(script: Script) -> bytes:
    """Return a whole answer in one piece."""
    return whole(plain_body(script))


class PacedStream:
    """Writes one event each `pace_ms`, without drift; each word is the time it was written at (ns)."""

    def __init__(self, transport: asyncio.Transport, script: Script, *, usage: bool, done: Callable[[], None]) -> None:
        self._transport = transport
        self._script = script
        self._usage = usage
        self._done = done
        self._left = script.chunks
        before, after = event(script, " w@").split(b"@")
        self._before, self._after = before, after
        self._loop = asyncio.get_running_loop()
        self._at_s = self._loop.time()
        transport.write(_STREAM_HEAD)
        self._timer: asyncio.TimerHandle | None = None
        self._tick()

    def stop(self) -> None:
        """Write no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _tick(self) -> None:
        if self._left == 0:
            self._transport.write(framed(closing(self._script, usage=self._usage)) + b"0\r\n\r\n")
            self._done()
            return
        self._left -= 1
        self._transport.write(framed(b"%b%d%b" % (self._before, monotonic_ns(), self._after)))
        self._at_s += self._script.pace_ms / 1000
        self._timer = self._loop.call_at(self._at_s, self._tick)


class Connection(asyncio.Protocol):
    """One connection: requests in, one after another, prepared answers out."""

    def __init__(self) -> None:
        self._held = b""
        self._paced: PacedStream | None = None
        self._slices: list[memoryview] = []
        self._may_write = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop a paced stream whose reader has left."""
        self._slices.clear()
        if self._paced is not None:
            self._paced.stop()

    def data_received(self, data: bytes) -> None:
        """Answer the requests that are whole."""
        self._held += data
        while (end := self._held.find(b"\r\n\r\n")) >= 0:
            head = self._held[:end]
            length = _LENGTH.search(head)
            after = end + 4 + (int(length[1]) if length else 0)
            if len(self._held) < after:
                return
            body, self._held = self._held[end + 4 : after], self._held[after:]
            method, path, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
            self._answer(method, path, body)

    def pause_writing(self) -> None:
        """Wait until the reader has taken what was written."""
        self._may_write = False

    def resume_writing(self) -> None:
        """Go on."""
        self._may_write = True
        self._pour()

    def _answer(self, method: str, path: str, body: bytes) -> None:
        if method != "POST":
            listed = _LIST.match(path)
            size = int((listed and listed[1]) or LISTED_MODELS)
            self._transport.write(whole(model_list(size)) if listed else whole(_NOT_FOUND, b"404 Not Found"))
            return
        script = script_of(body)
        if path.endswith("/embeddings"):
            texts = json.loads(body)["input"]
            count = len(texts) if isinstance(texts, list) else 1
            self._transport.write(whole(embeddings_body(script, count, base64=_BASE64.search(body) is not None)))
        elif _STREAMED.search(body) is None:
            self._transport.write(plain(script))
        elif script.pace_ms:
            usage = _USAGE.search(body) is not None
            self._paced = PacedStream(self._transport, script, usage=usage, done=self._forget)
        else:
            self._slices += stream(script, usage=_USAGE.search(body) is not None)
            self._pour()

    def _pour(self) -> None:
        while self._slices and self._may_write:
            self._transport.write(self._slices.pop(0))

    def _forget(self) -> None:
        self._paced = None


async def serve() -> None:
    """Serve on a free port of 127.0.0.1, and print which."""
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        run(serve())
