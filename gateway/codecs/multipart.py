"""Forms: images as files beside the JSON of a request, for clients that do not want to write base64."""

import binascii
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from gateway.codecs.go_texts import go_quote
from gateway.errors import RequestError
from gateway.schemas.ollama import ChatRequest, GenerateRequest, Message

FORM = "multipart/form-data"
_MAX_PARTS = 1000
_MAX_HEAD_BYTES = 8192
_PLAIN_ENCODINGS = ("", "binary", "7bit", "8bit")
_PARAMETER = re.compile(r';\s*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s"]*))')
_NO_FORM = re.compile(rb"[ \t\r\n]*(?:\{|\Z)")
_PADDING = re.compile(rb"[ \t]*\r\n")


class RequestParts(NamedTuple):
    """The JSON of a request, the charset its Content-Type names, and the images that came beside it, in base64."""

    request: bytes
    charset: str | None = None
    images: tuple[str, ...] = ()


class _Part(NamedTuple):
    name: str
    content: bytes
    charset: str | None


def split_parts(body: bytes, content_type: str, charset: str | None) -> RequestParts:
    """Return what a body holds: a form's parts where its Content-Type says so, else the JSON it is.

    A JSON object stays one whatever it is called. Raises RequestError for a form that cannot be read, that has not
    exactly one part `request`, or parts other than that and `image`.
    """
    if content_type.partition(";")[0].strip().lower() != FORM or _NO_FORM.match(body):
        return RequestParts(body, charset)
    boundary = _parameters(content_type).get("boundary")
    if not boundary:
        raise RequestError("no multipart boundary param in Content-Type")
    requests: list[_Part] = []
    images: list[str] = []
    for part in _parts(body, boundary.encode("utf-8", "surrogateescape")):
        if part.name == "request":
            requests.append(part)
        elif part.name == "image":
            images.append(binascii.b2a_base64(part.content, newline=False).decode())
        else:
            raise RequestError(f'unknown part {go_quote(part.name)}: a form has a part "request", and parts "image"')
    if len(requests) != 1:
        wrong = "more than one part" if requests else "no part"
        raise RequestError(f'the form has {wrong} "request": send the JSON of the request in one')
    return RequestParts(requests[0].content, requests[0].charset, tuple(images))


def attach_images(request: ChatRequest | GenerateRequest, images: Sequence[str]) -> None:
    """Add the images of a form to the last message of a user, or to the prompt. Raises RequestError without one."""
    if not images:
        return
    holder: GenerateRequest | Message | None
    if isinstance(request, GenerateRequest):
        holder = request
    else:
        holder = next((message for message in reversed(request.messages) if message.role == "user"), None)
    if holder is None:
        raise RequestError("there is no message of a user that the images could belong to")
    holder.images = [*holder.images, *images]


def _parts(body: bytes, boundary: bytes) -> Iterator[_Part]:
    """Yield the parts of a form; what stands before the first boundary and after the last is nothing."""
    _, *pieces = (b"\r\n" + body).split(b"\r\n--" + boundary, _MAX_PARTS + 1)
    for piece in pieces:
        if piece.startswith(b"--"):
            return
        padding = _PADDING.match(piece)
        if padding is None:
            break
        yield _part(piece[padding.end() :])
    if len(pieces) > _MAX_PARTS:
        raise RequestError(f"the form has more than {_MAX_PARTS} parts")
    raise RequestError("the form is cut: its last boundary is missing")


def _part(piece: bytes) -> _Part:
    head, found, content = piece.partition(b"\r\n\r\n")
    if not found or len(head) > _MAX_HEAD_BYTES:
        raise RequestError("a part of the form has no head that can be read")
    headers: dict[str, str] = {}
    for line in head.decode("utf-8", "replace").split("\r\n"):
        header, _, value = line.partition(":")
        headers[header.strip().lower()] = value.strip()
    name = _parameters(headers.get("content-disposition", "")).get("name")
    if name is None:
        raise RequestError("a part of the form has no name")
    if headers.get("content-transfer-encoding", "").lower() not in _PLAIN_ENCODINGS:
        raise RequestError(f"the part {go_quote(name)} of the form is encoded: send its bytes as they are")
    return _Part(name, content, _parameters(headers.get("content-type", "")).get("charset"))


def _parameters(header: str) -> dict[str, str]:
    """Return the parameters of a header by lower-case name; a value in quotes is taken out of them."""
    return {
        name.lower(): re.sub(r"\\(.)", r"\1", quoted) if quoted else plain
        for name, quoted, plain in _PARAMETER.findall(header)
    }
