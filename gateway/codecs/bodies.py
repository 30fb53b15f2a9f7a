"""What the headers of a body say of it: which types cannot be JSON, and how the bytes are compressed.

Bodies are decoded piece by piece, and no piece makes more of itself than the bound leaves.
"""

import sys
import zlib
from collections.abc import Callable
from typing import Protocol

from gateway.errors import PayloadTooLargeError, RequestError, UnsupportedMediaError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ENCODINGS = "gzip, deflate, zstd"
"""What a Content-Encoding may name, in the words of Accept-Encoding."""

_BINARY_KINDS = ("image/", "audio/", "video/", "font/", "model/")
_BINARY_TYPES = frozenset(
    {
        "application/cbor",
        "application/gzip",
        "application/msgpack",
        "application/pdf",
        "application/protobuf",
        "application/vnd.msgpack",
        "application/wasm",
        "application/x-7z-compressed",
        "application/x-gzip",
        "application/x-msgpack",
        "application/x-protobuf",
        "application/x-tar",
        "application/zip",
        "application/zstd",
    }
)
_MAX_MEMBERS = 1000
_ZSTD_WINDOW_LOG = 23
"""8 MiB: more than HTTP allows (RFC 9659) would let a small body take much memory."""


def refuse_binary(content_type: str) -> None:
    """Raise UnsupportedMediaError for a type that cannot be JSON. Any other may be: clients name none, or a wrong one.

    `application/octet-stream` only says that a client does not know, and a form is what curl calls any data.
    """
    if content_type.startswith(_BINARY_KINDS) or content_type in _BINARY_TYPES:
        raise UnsupportedMediaError(f"the request body is {content_type[:80]}: send JSON")


def too_large(limit_bytes: int) -> PayloadTooLargeError:
    """Return the error for a body over its bound."""
    return PayloadTooLargeError(f"the request body is larger than {limit_bytes} bytes")


class _Member(Protocol):
    """One gzip member, zlib stream or zstd frame; a body may have several, one after the other."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class BodyDecoder:
    """Decodes one body of at most `limit_bytes` decoded bytes; `new_member` gets the first bytes of each member."""

    __slots__ = ("_left", "_limit_bytes", "_member", "_members", "_new_member")

    def __init__(self, new_member: Callable[[bytes], _Member], limit_bytes: int) -> None:
        self._new_member = new_member
        self._limit_bytes = self._left = limit_bytes
        self._member: _Member | None = None
        self._members = 0

    def feed(self, data: bytes) -> bytes:
        """Return what `data` adds. Raises PayloadTooLargeError over the bound, RequestError for broken data."""
        pieces: list[bytes] = []
        while data:
            member = self._member = self._member or self._next_member(data)
            try:
                # With room for one byte too many all of `data` is consumed, or the bound is broken.
                piece = member.decompress(data, self._left + 1)
            except (zlib.error, zstd.ZstdError):
                raise RequestError("the request body is broken: its Content-Encoding cannot be read") from None
            pieces.append(piece)
            self._left -= len(piece)
            if self._left < 0:
                raise too_large(self._limit_bytes)
            data = member.unused_data if member.eof else b""
            if member.eof:
                self._member = None
        return b"".join(pieces)

    def finish(self) -> None:
        """Raise RequestError where the data is not complete."""
        if self._member is not None:
            raise RequestError("the request body is cut: its Content-Encoding does not end")

    def _next_member(self, data: bytes) -> _Member:
        self._members += 1
        if self._members > _MAX_MEMBERS:
            raise RequestError("the request body is compressed in too many pieces")
        return self._new_member(data)


def body_decoder(content_encoding: str, limit_bytes: int) -> BodyDecoder | None:
    """Return the decoder that a Content-Encoding asks for, None where nothing is encoded.

    Raises UnsupportedMediaError for an encoding that is not known, and for several.
    """
    names = [name for part in content_encoding.split(",") if (name := part.strip().lower()) not in ("", "identity")]
    if not names:
        return None
    new_member = _MEMBERS.get(names[0])
    if new_member is None or len(names) > 1:
        raise UnsupportedMediaError(
            f"the Content-Encoding of the request body cannot be read: send one of {ENCODINGS}, or none",
            headers={"Accept-Encoding": ENCODINGS},
        )
    return BodyDecoder(new_member, limit_bytes)


def _gzip_member(_data: bytes) -> _Member:
    return zlib.decompressobj(16 + zlib.MAX_WBITS)


def _deflate_member(data: bytes) -> _Member:
    """Return a decoder for zlib's format, which "deflate" means, or for the bare one, which some clients send."""
    return zlib.decompressobj(zlib.MAX_WBITS if data[0] & 0x0F == 8 else -zlib.MAX_WBITS)


def _zstd_member(_data: bytes) -> _Member:
    return zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: _ZSTD_WINDOW_LOG})


_MEMBERS: dict[str, Callable[[bytes], _Member]] = {
    "gzip": _gzip_member,
    "x-gzip": _gzip_member,
    "deflate": _deflate_member,
    "zstd": _zstd_member,
}
