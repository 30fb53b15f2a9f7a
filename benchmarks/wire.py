"""Responses as they come over a socket: the least HTTP/1.1 that a load generator needs."""

import re

_LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:\s*chunked", re.IGNORECASE)
_MAX_HEAD_BYTES = 64 * 1024


class BrokenResponseError(Exception):
    """What came is no HTTP/1.1 response with a length or in chunks."""


class Response:
    """One response, fed with bytes cut anywhere. `body` has its pieces; `whole` is True once it is complete."""

    __slots__ = ("_chunked", "_held", "_left", "_trailer", "body", "status", "whole")

    def __init__(self) -> None:
        self.status = 0
        self.body: list[bytes] = []
        self.whole = False
        self._held = b""
        self._left = -1
        self._chunked = False
        self._trailer = False

    def feed(self, data: bytes) -> list[bytes]:
        """Return the pieces of the body that are new. Raises BrokenResponseError."""
        before = len(self.body)
        if self.whole:
            raise BrokenResponseError("bytes after the end of a response")
        if self._held:
            data = self._held + data
            self._held = b""
        at = 0
        if not self.status:
            at = self._read_head(data)
            if not self.status:
                return []
        if self._chunked:
            self._read_chunks(data, at)
        else:
            self._read_plain(data, at)
        return self.body[before:]

    def _read_head(self, data: bytes) -> int:
        """Return where the body begins, 0 if the head is not whole yet."""
        end = data.find(b"\r\n\r\n")
        if end < 0:
            if len(data) > _MAX_HEAD_BYTES:
                raise BrokenResponseError("no end of the head")
            self._held = data
            return 0
        head = data[:end]
        if not head.startswith(b"HTTP/1.1 ") or not head[9:12].isdigit():
            raise BrokenResponseError(f"no status: {head[:40]!r}")
        self.status = int(head[9:12])
        length = _LENGTH.search(head)
        self._chunked = _CHUNKED.search(head) is not None
        if length is None and not self._chunked:
            raise BrokenResponseError("neither a length nor chunks")
        self._left = int(length[1]) if length is not None and not self._chunked else -1
        return end + 4

    def _read_plain(self, data: bytes, at: int) -> None:
        piece = data[at:] if at else data
        self._left -= len(piece)
        if self._left < 0:
            raise BrokenResponseError("more than the length says")
        if piece:
            self.body.append(piece)
        self.whole = self._left == 0

    def _read_chunks(self, data: bytes, at: int) -> None:
        """Read chunks; `_left` is what is missing of one, 0 before its line end, -1 before the next size."""
        append = self.body.append
        total = len(data)
        while at < total:
            left = self._left
            if left > 0:
                piece = data[at : at + left]
                append(piece)
                at += len(piece)
                self._left = left - len(piece)
            elif left == 0:
                if total - at < 2:
                    break
                at += 2
                self._left = -1
            else:
                line = data.find(b"\r\n", at)
                if line < 0:
                    break
                at = self._read_size(data[at:line], line + 2, total)
        self._held = data[at:]

    def _read_size(self, line: bytes, after: int, total: int) -> int:
        """Take a line between chunks; return where to go on."""
        if self._trailer:
            self.whole = not line
        else:
            try:
                size = int(line.partition(b";")[0], 16)
            except ValueError:
                raise BrokenResponseError(f"no size of a chunk: {line[:40]!r}") from None
            self._trailer = size == 0
            self._left = size or -1
        if self.whole and after < total:
            raise BrokenResponseError("bytes after the end of a response")
        return after
