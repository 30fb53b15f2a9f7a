"""Receiving: the side of a connection to a backend that takes what arrives; HTTP chunks that come together at once.

aiohttp's parser calls Python three times for each HTTP chunk, and a server of models sends one for each token. Here
whole chunks are taken out of a read together; the parser gets all the rest, and at any doubt all of it.
"""

import re
from collections.abc import Callable
from typing import Any, Final

from aiohttp.client_proto import ResponseHandler
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader

_LINE_END: Final = b"\r\n"
_HEAD_END: Final = b"\r\n\r\n"
_LAST_CHUNK: Final = b"0\r\n\r\n"
_AFTER_CHUNK: Final = _LINE_END + _LAST_CHUNK
_SIZE: Final = re.compile(rb"[1-9a-f][0-9a-f]{0,7}")
_LONGEST_LINE: Final = 9
"""Bytes of a size, and the first of its line end."""
_MOST_KNOWN: Final = 2048
_NO_SIZE: Final = _LINE_END
"""What is no line: it has no end in it."""


class _SizeLines(dict[int, bytes]):
    """How the size of a chunk is written, for each length; an empty chunk is the end, and no line stands for it."""

    def __missing__(self, length: int) -> bytes:
        line = b"%x" % length if length else _NO_SIZE
        if len(self) < _MOST_KNOWN:
            self[length] = line
        return line


_size_line = _SizeLines().__getitem__


class Receiver(ResponseHandler):
    """aiohttp's protocol of a connection, but for bodies in HTTP chunks and for what it does after each piece.

    Between two chunks aiohttp's parser does not have to know that there were any: they are taken out of what arrives
    and go to the body's reader in one piece, if each is written as nearly all servers write them (RFC 9112, section
    7.1: a size of lower-case digits and no extension). Heads, parts of chunks, the last chunk, and all that is odd go
    to the parser, which stands between two chunks again once the missing rest of one has been given to it.
    """

    def __init__(self, loop: Any) -> None:
        super().__init__(loop)
        self._body: StreamReader | None = None  # of an answer whose chunks are taken here
        self._take: Callable[[bytes], bool] | None = None
        self._awaits_head = False
        self._missing = 0  # bytes of a chunk, and of its line end, that the parser waits for
        self._held = b""  # the beginning of a line with a size

    def set_response_params(self, **params: Any) -> None:
        """Prepare for the next answer."""
        self._body, self._take, self._missing, self._held = None, None, 0, b""
        self._awaits_head = True
        super().set_response_params(**params)

    def hand_over(self, body: StreamReader, take: Callable[[bytes], bool]) -> None:
        """Give what arrives of a body to `take`; what that returns False for is left to the body's reader.

        Only whole chunks, and none while others wait to be read. Where bodies come otherwise, nothing changes.
        """
        if body is self._body:
            self._take = take

    def data_received(self, data: bytes) -> None:
        """Take what arrived."""
        if self._body is not None:
            self._take_chunks(self._body, data)
        elif self._awaits_head and data:
            self._take_head(data)
        else:
            super().data_received(data)

    def connection_lost(self, exc: BaseException | None) -> None:
        """End what is being read, and let go of who takes it: each holds the other."""
        super().connection_lost(exc)
        self._body = self._take = None

    def pause_reading(self) -> None:
        """Stop the transport. The parser is not stopped within a chunk: what it was given has been taken then."""
        if self._body is None:
            super().pause_reading()
        else:
            self._reading_paused = True
            self._pause_transport_reading()

    def resume_reading(self, resume_parser: bool = True) -> None:
        """Go on after a pause.

        aiohttp 3.14 wakes parser and transport after each piece that was taken out of a body, whether or not they were
        stopped; a stream of tokens has one for each token. Here they are woken where they had been stopped.
        """
        if self._reading_paused or self._buffer_paused:
            super().resume_reading(resume_parser)

    def _take_head(self, data: bytes) -> None:
        """Give the parser a head alone, if what follows it are chunks."""
        self._awaits_head = False
        end = data.find(_HEAD_END) + len(_HEAD_END)
        head = data[:end]
        # The parser ends a line at a line feed alone, too. A head that goes on with the next read is left to it.
        if end < len(_HEAD_END) or b"hunked" not in head or head.count(b"\n") != head.count(_LINE_END):
            super().data_received(data)
            return
        super().data_received(head)
        if self._buffer:
            message, body = self._buffer[-1][0]
            if message.chunked and not message.compression and body is not EMPTY_PAYLOAD and self._read_timeout is None:
                body.begin_http_chunk_receiving()
                self._body = body
        if end < len(data):
            self.data_received(data[end:])

    def _take_chunks(self, body: StreamReader, data: bytes) -> None:
        if len(data) < _MOST_KNOWN and not self._missing and not self._held and (chunk := _one_chunk(data)):
            self._give(body, chunk)
            return
        if self._missing:
            missing, self._missing = self._missing, max(0, self._missing - len(data))
            super().data_received(data[:missing])
            data = data[missing:]
        if not data or self._exception is not None:  # the parser has found fault with what it was given
            return
        if self._held:
            data, self._held = self._held + data, b""
        is_last = data.endswith(_AFTER_CHUNK)
        parts = (data[: -len(_LAST_CHUNK)] if is_last else data).split(_LINE_END)
        # A size, its chunk, a size, its chunk: where both are followed by a line end, the chunk is there as a whole.
        whole = (len(parts) - 1) // 2 * 2
        chunks = parts[1:whole:2]
        if parts[0:whole:2] != [*map(_size_line, map(len, chunks))]:
            self._leave_to_parser(data)
            return
        if chunks:
            self._give(body, b"".join(chunks) if len(chunks) > 1 else chunks[0])
        begun = parts[whole:]
        if is_last and begun == [b""]:
            self._leave_to_parser(_LAST_CHUNK)
        elif begun != [b""]:
            rest = _LINE_END.join(begun) + (_LAST_CHUNK if is_last else b"")
            self._begin_chunk(rest)

    def _give(self, body: StreamReader, data: bytes) -> None:
        if self._take is None or body._buffer or not self._take(data):
            body.feed_data(data)

    def _begin_chunk(self, rest: bytes) -> None:
        """Give the parser the beginning of a chunk, and note how much is missing; keep that of its size."""
        line, ended, begun = rest.partition(_LINE_END)
        if not ended and len(line) <= _LONGEST_LINE:
            self._held = line
            return
        missing = int(line, 16) + len(_LINE_END) - len(begun) if ended and _SIZE.fullmatch(line) else 0
        if missing <= 0:
            self._leave_to_parser(rest)
            return
        self._missing = missing
        super().data_received(rest)

    def _leave_to_parser(self, data: bytes) -> None:
        """Give the parser this and all that follows: the end, or what is not for us to judge."""
        self._body = self._take = None
        super().data_received(data)


def _one_chunk(data: bytes) -> bytes:
    """Return what is in `data` if that is one chunk, as nearly every read of a live stream is; else nothing."""
    at = data.find(_LINE_END)
    length = len(data) - at - 2 * len(_LINE_END)
    if at > 0 and length > 0 and data[-2:] == _LINE_END and data[:at] == _size_line(length):
        return data[at + 2 : -2]
    return b""
