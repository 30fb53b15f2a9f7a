"""Images and sound of a message: bare base64, checked and labelled by its first bytes, as an OpenAI content part."""

import binascii
import re
import string
from typing import Any

from gateway.errors import RequestError

_ALPHABET = (string.ascii_letters + string.digits + "+/").encode()
_GOOD = re.compile(r"[A-Za-z0-9+/\r\n]*")
_LINE_ENDS = re.compile(r"[\r\n]*")
_STRIP_LINE_ENDS = {ord("\r"): None, ord("\n"): None}
_SNIFFED_CHARS = 64
_MAX_HEADER_CHARS = 256


def image_part(data: str) -> dict[str, Any]:
    """Return the content part for base64 `data`: `image_url` with a data URL, or `input_audio`.

    A base64 `data:` URL is taken too, which Ollama refuses. Raises RequestError with Go's text for broken base64.
    """
    payload, declared = _split_data_url(data)
    payload = _checked(payload)
    if not payload:
        raise RequestError("an image is empty")
    head = binascii.a2b_base64(payload[:_SNIFFED_CHARS])
    audio = _audio_format(head)
    if audio is not None:
        return {"type": "input_audio", "input_audio": {"data": payload, "format": audio}}
    # Like Ollama, call the unknown a JPEG: decoders go by the bytes, but servers want a label from a short list.
    mime = _image_type(head) or declared or "image/jpeg"
    return {"type": "image_url", "image_url": {"url": f"data:{mime};base64,{payload}"}}


def _split_data_url(data: str) -> tuple[str, str | None]:
    """Return the base64 text, and the image type a `data:` URL declares."""
    if data[:5].lower() != "data:":
        return data, None
    comma = data.find(",", 5, _MAX_HEADER_CHARS)
    header = data[5:comma].lower() if comma > 0 else ""
    if not header.endswith(";base64"):
        return data, None
    mime = header.partition(";")[0]
    return data[comma + 1 :], mime if re.fullmatch(r"image/[a-z0-9.+-]+", mime) else None


def _checked(data: str) -> str:
    """Return standard base64 without line ends. Raises RequestError for anything else, and for missing padding."""
    if len(data) % 4 == 0 and data.isascii():
        # Deleting the alphabet in C is the fastest look at every character: only padding may be left.
        left = data.encode().translate(None, _ALPHABET)
        if left in (b"", b"=", b"==") and data.endswith(left.decode()):
            return data
    at = _corrupt_at(data)
    if at is not None:
        raise RequestError(f"illegal base64 data at input byte {at}")
    return data.translate(_STRIP_LINE_ENDS)


def _corrupt_at(data: str) -> int | None:
    """Return where Go's `base64.StdEncoding` stops, None if it does not; it skips line ends and wants padding."""
    end = _end(_GOOD, data, 0)
    held = (end - data.count("\r", 0, end) - data.count("\n", 0, end)) % 4
    if end == len(data):
        return end - held if held else None
    if data[end] != "=" or held < 2:
        return end
    at = end + 1
    if held == 2:
        at = _end(_LINE_ENDS, data, at)
        if at == len(data):
            return at
        if data[at] != "=":
            return at - 1
        at += 1
    at = _end(_LINE_ENDS, data, at)
    return at if at < len(data) else None


def _end(pattern: re.Pattern[str], data: str, at: int) -> int:
    match = pattern.match(data, at)
    return match.end() if match else at


_IMAGE_STARTS = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"BM", "image/bmp"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
)
_IMAGE_BRANDS = {
    b"avif": "image/avif",
    b"avis": "image/avif",
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"hevc": "image/heic",
    b"mif1": "image/heif",
    b"msf1": "image/heif",
}


def _image_type(head: bytes) -> str | None:
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    if head[4:8] == b"ftyp":
        return _IMAGE_BRANDS.get(head[8:12])
    return next((mime for start, mime in _IMAGE_STARTS if head.startswith(start)), None)


_AUDIO_STARTS = ((b"ID3", "mp3"), (b"fLaC", "flac"), (b"OggS", "ogg"))


def _audio_format(head: bytes) -> str | None:
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return "wav"
    if head[4:8] == b"ftyp" and head[8:12] == b"M4A ":
        return "m4a"
    # An MPEG frame: eleven bits set, a version, and a layer that is not the reserved one (which AAC uses).
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0 and head[1] & 0x06:
        return "mp3"
    return next((name for start, name in _AUDIO_STARTS if head.startswith(start)), None)
