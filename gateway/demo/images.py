"""What an image is: its type and its size in pixels, read from the first bytes of the file."""

import base64
import binascii
import re
import struct
from dataclasses import dataclass

from gateway.demo.problems import DemoError

_DATA_URL = re.compile(r"data:(?P<type>[\w.+-]+/[\w.+-]+)?(?:;[\w.+-]+=[\w.+-]+)*;base64,", re.IGNORECASE)
_JPEG_SIZES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_LONE = frozenset({0x01, *range(0xD0, 0xD9)})


@dataclass(frozen=True, slots=True)
class Image:
    """Type (`PNG`, `JPEG`, `GIF` or `WebP`) and size in pixels."""

    type: str
    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.type}, {self.width} x {self.height} pixels"


def image_at(url: str, *, param: str) -> Image:
    """The image in a `data:` URL; 400 for any other URL and for what is not a readable image."""
    prefix = _DATA_URL.match(url)
    if prefix is None:
        raise DemoError(
            "Only data: URLs with base64 can be read; the demo backend does not fetch remote images.",
            param=param,
            code="invalid_image_url",
        )
    try:
        data = base64.b64decode(url[prefix.end() :], validate=True)
    except (binascii.Error, ValueError):
        raise DemoError("The image is not valid base64.", param=param, code="invalid_base64") from None
    image = sniff(data)
    if image is None:
        raise DemoError("This is not a readable PNG, JPEG, GIF or WebP image.", param=param, code="invalid_image")
    return image


def sniff(data: bytes) -> Image | None:
    """Type and size of the image in these bytes; None when they are not one, or end too early."""
    try:
        image = _read(data)
    except (struct.error, IndexError):
        return None
    return image if image is not None and image.width and image.height else None


def _read(data: bytes) -> Image | None:
    if data.startswith(b"\x89PNG\r\n\x1a\n") and data[12:16] == b"IHDR":
        return Image("PNG", *struct.unpack_from(">II", data, 16))
    if data.startswith((b"GIF87a", b"GIF89a")):
        return Image("GIF", *struct.unpack_from("<HH", data, 6))
    if data.startswith(b"\xff\xd8\xff"):
        return _jpeg(data)
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return _webp(data)
    return None


def _jpeg(data: bytes) -> Image | None:
    """Walks the segments up to the frame header, the only one that knows the size."""
    at = 2
    while data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # a fill byte before the marker
            at += 1
        elif marker in _JPEG_LONE:
            at += 2
        elif marker in _JPEG_SIZES:
            height, width = struct.unpack_from(">HH", data, at + 5)
            return Image("JPEG", width, height)
        else:
            at += 2 + int(struct.unpack_from(">H", data, at + 2)[0])
    return None


def _webp(data: bytes) -> Image | None:
    """The three forms of WebP: lossy, lossless and extended."""
    form = data[12:16]
    if form == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", data, 26)
        return Image("WebP", width & 0x3FFF, height & 0x3FFF)
    if form == b"VP8L" and data[20] == 0x2F:
        (bits,) = struct.unpack_from("<I", data, 21)
        return Image("WebP", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    if form == b"VP8X" and len(data) >= 30:
        return Image("WebP", int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1)
    return None
