"""Images: type and size, from the file's own bytes."""

import base64
import struct
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gateway.demo.images import Image, sniff

type Ask = Callable[..., Awaitable[dict[str, Any]]]

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", 640, 480) + b"\x08\x02\0\0\0"
GIF = b"GIF89a" + struct.pack("<HH", 10, 20) + b"\0\0\0"
JPEG = (
    b"\xff\xd8\xff\xe0" + struct.pack(">H", 16) + b"JFIF\0" + bytes(9)
    + b"\xff\xff\xc4" + struct.pack(">H", 4) + b"\0\0"
    + b"\xff\xc2" + struct.pack(">HBHHB", 17, 8, 30, 50, 3) + bytes(9)
)  # fmt: skip
WEBP_LOSSY = b"RIFF\0\0\0\0WEBPVP8 " + bytes(4) + b"\0\0\0\x9d\x01\x2a" + struct.pack("<HH", 33 | 0x4000, 44)
WEBP_LOSSLESS = b"RIFF\0\0\0\0WEBPVP8L" + bytes(4) + b"\x2f" + struct.pack("<I", 99 | 199 << 14)
WEBP_EXTENDED = b"RIFF\0\0\0\0WEBPVP8X" + bytes(8) + (69_999).to_bytes(3, "little") + (4).to_bytes(3, "little")


def url(data: bytes, kind: str = "image/png") -> str:
    """The data as a data: URL."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def showing(*urls: str) -> list[dict[str, Any]]:
    """A conversation that shows images."""
    images = [{"type": "image_url", "image_url": {"url": one}} for one in urls]
    return [{"role": "user", "content": [{"type": "text", "text": "What is this?"}, *images]}]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (PNG, Image("PNG", 640, 480)),
        (GIF, Image("GIF", 10, 20)),
        (JPEG, Image("JPEG", 50, 30)),
        (WEBP_LOSSY, Image("WebP", 33, 44)),
        (WEBP_LOSSLESS, Image("WebP", 100, 200)),
        (WEBP_EXTENDED, Image("WebP", 70_000, 5)),
    ],
)
def test_type_and_size_are_read_and_a_cut_file_is_not_an_image(data: bytes, expected: Image) -> None:
    assert sniff(data) == expected
    for end in range(20):
        assert sniff(data[:end]) is None or expected.type == "GIF"


@pytest.mark.parametrize("data", [b"", b"hello", b"\xff\xd8\xff", b"\xff\xd8\xff\xd9\0\0", GIF[:6] + bytes(4)])
def test_anything_else_is_no_image(data: bytes) -> None:
    assert sniff(data) is None


async def test_the_vision_model_describes_every_image(chat: Ask) -> None:
    answer = await chat(showing(url(PNG), url(JPEG, "image/jpeg")), model="demo-vision")
    content = answer["choices"][0]["message"]["content"]
    assert content.startswith("Image 1 is PNG, 640 x 480 pixels. Image 2 is JPEG, 50 x 30 pixels. You asked")
    assert answer["usage"]["prompt_tokens"] == 3


async def test_only_the_newest_images_are_described(chat: Ask) -> None:
    conversation = [*showing(url(PNG)), *showing(url(GIF)), {"role": "user", "content": "And now?"}]
    content = (await chat(conversation, model="demo-vision"))["choices"][0]["message"]["content"]
    assert "Image 1 is GIF, 10 x 20 pixels." in content
    assert "PNG" not in content


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        ("https://example.com/cat.png", "invalid_image_url"),
        ("data:image/png,plain", "invalid_image_url"),
        ("data:image/png;base64,%%%", "invalid_base64"),
        ("data:image/png;base64,abc", "invalid_base64"),
        (url(b"not an image"), "invalid_image"),
        (url(PNG[:18]), "invalid_image"),
    ],
)
async def test_a_bad_image_is_400_and_named(chat: Ask, bad: str, code: str) -> None:
    answer = await chat(showing(url(PNG), bad), model="demo-vision")
    assert (answer["status"], answer["error"]["code"]) == (400, code)
    assert answer["error"]["param"] == "messages[0].content[2].image_url"


async def test_a_large_image_is_read(chat: Ask) -> None:
    answer = await chat(showing(url(PNG + bytes(12 * 1024 * 1024))), model="demo-vision")
    assert "640 x 480" in answer["choices"][0]["message"]["content"]


async def test_models_without_eyes_refuse_images(chat: Ask) -> None:
    answer = await chat(showing(url(PNG)), model="demo")
    assert answer["status"] == 400
    assert answer["error"]["message"] == "The model 'demo' does not support images; 'demo-vision' does."
