"""A picture to show to models that see: one colour, made here, some hundred bytes."""

import base64
import struct
import zlib

WIDTH = 37
"""In pixels; a number nobody guesses. Some servers refuse pictures below 28 pixels."""
COLOUR = "red"
_RED = b"\xff\x00\x00"


def picture_url() -> str:
    """Return a red PNG of WIDTH x WIDTH pixels as a `data:` URL."""
    header = struct.pack(">IIBBBBB", WIDTH, WIDTH, 8, 2, 0, 0, 0)
    rows = (b"\x00" + _RED * WIDTH) * WIDTH
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    data = b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, content) for name, content in chunks)
    return "data:image/png;base64," + base64.b64encode(data).decode()


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
