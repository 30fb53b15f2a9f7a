"""A question about a picture (pip install ollama): name a file, or it draws a small PNG of its own."""

import struct
import sys
import zlib
from pathlib import Path

import ollama

MODEL = "demo-vision"


def red_square(side: int) -> bytes:
    """A red PNG of so many pixels a side."""
    rows = (b"\0" + b"\xff\0\0" * side) * side
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def main() -> None:
    """Send the bytes; the package encodes them."""
    picture = Path(sys.argv[1]).read_bytes() if len(sys.argv) > 1 else red_square(8)
    question = ollama.Message(role="user", content="What is this?", images=[ollama.Image(value=picture)])
    print(ollama.chat(MODEL, [question]).message.content)


if __name__ == "__main__":
    main()
