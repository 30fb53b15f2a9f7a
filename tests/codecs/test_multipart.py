"""Forms: the JSON of a request, and images beside it."""

import base64
from contextlib import suppress
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.codecs.multipart import RequestParts, attach_images, split_parts
from gateway.errors import RequestError
from gateway.schemas.ollama import ChatRequest, GenerateRequest

FORM = "multipart/form-data; boundary=edge"
PNG = b"\x89PNG\r\n\x1a\n\r\n--edg" + bytes(20)
JSON = b'{"model":"m"}'


class Given(NamedTuple):
    """A part as a client writes it."""

    content: bytes
    disposition: str
    headers: str = ""


def form(*parts: Given, boundary: str = "edge", end: str = "--\r\n") -> bytes:
    """Return the body of a form."""
    written = [
        f"--{boundary}\r\nContent-Disposition: {part.disposition}\r\n{part.headers}\r\n".encode()
        + part.content
        + b"\r\n"
        for part in parts
    ]
    return b"".join(written) + f"--{boundary}{end}".encode()


ASKED = Given(JSON, 'form-data; name="request"', "Content-Type: application/json\r\n")
IMAGE = Given(PNG, 'form-data; name="image"; filename="a.png"', "Content-Type: image/png\r\n")
TEXT = base64.b64encode(PNG).decode()


def split(body: bytes, content_type: str = FORM) -> RequestParts:
    """Split a body whose Content-Type names no charset."""
    return split_parts(body, content_type, None)


@pytest.mark.parametrize("parts", [(ASKED, IMAGE, IMAGE), (IMAGE, ASKED, IMAGE), (IMAGE, IMAGE, ASKED)])
def test_a_form_is_a_request_and_its_images_in_any_order(parts: tuple[Given, ...]) -> None:
    assert split(form(*parts)) == RequestParts(JSON, None, (TEXT, TEXT))


def test_a_form_may_have_no_image() -> None:
    assert split(form(ASKED)) == RequestParts(JSON, None, ())


@pytest.mark.parametrize(
    "disposition",
    [
        "form-data; name=request",
        'FORM-DATA;NAME="request"',
        'form-data; filename="a; name=image"; name="request"',
        'form-data; filename="a\\"; name=\\"image"; name="request"',
        'form-data ; name = "request"',
    ],
)
def test_the_name_of_a_part_is_read_as_clients_write_it(disposition: str) -> None:
    assert split(form(Given(JSON, disposition))).request == JSON


def test_the_charset_is_that_of_the_part() -> None:
    part = Given(JSON, 'form-data; name="request"', 'content-type: application/json; charset="utf-16"\r\n')
    assert split_parts(form(part), FORM, "latin-1").charset == "utf-16"
    assert split_parts(form(ASKED), FORM, "latin-1").charset is None


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ('multipart/form-data; boundary="edge"', "edge"),
        ("Multipart/Form-Data;charset=utf-8;BOUNDARY=edge", "edge"),
        ('multipart/form-data; boundary="a b:c=d?"', "a b:c=d?"),
        ("multipart/form-data; boundary=----WebKitFormBoundaryAbC123", "----WebKitFormBoundaryAbC123"),
    ],
)
def test_the_boundary_is_read_as_clients_write_it(content_type: str, boundary: str) -> None:
    assert split(form(ASKED, IMAGE, boundary=boundary), content_type).images == (TEXT,)


def test_what_stands_around_the_parts_is_nothing() -> None:
    body = b"preamble\r\n" + form(ASKED, IMAGE).replace(b"--edge\r\n", b"--edge \t\r\n") + b"epilogue --edge"
    assert split(body) == RequestParts(JSON, None, (TEXT,))


@pytest.mark.parametrize("content_type", ["application/json", "", "text/plain", "multipart/mixed; boundary=edge"])
def test_without_the_type_of_a_form_a_body_is_json(content_type: str) -> None:
    body = form(ASKED)
    assert split_parts(body, content_type, "utf-8") == RequestParts(body, "utf-8", ())


@pytest.mark.parametrize("body", [JSON, b"\r\n\t " + JSON, b"", b" \r\n"])
def test_an_object_and_nothing_are_no_form_whatever_they_are_called(body: bytes) -> None:
    assert split(body) == RequestParts(body, None, ())


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (form(IMAGE), 'no part "request"'),
        (form(), 'no part "request"'),
        (form(ASKED, ASKED), 'more than one part "request"'),
        (form(ASKED, Given(PNG, 'form-data; name="images"')), 'unknown part "images"'),
        (form(ASKED, Given(PNG, "form-data")), "no name"),
        (form(ASKED, Given(PNG, 'form-data; filename="image"')), "no name"),
        (form(ASKED, IMAGE, end=""), "cut"),
        (form(ASKED, IMAGE)[:-40], "cut"),
        (form(ASKED, IMAGE, end="x\r\n"), "cut"),
        (b"this is no form", "cut"),
        (b"--edge\r\nContent-Disposition: form-data\r\n--edge--\r\n", "no head"),
        (form(Given(JSON, f'form-data; name="request"; filename="{"x" * 9000}"')), "no head"),
        (form(ASKED, Given(b"AAAA", 'form-data; name="image"', "Content-Transfer-Encoding: base64\r\n")), "encoded"),
        (form(*[IMAGE] * 1001, ASKED), "more than 1000 parts"),
    ],
)
def test_a_form_that_cannot_be_read_is_refused_in_clear_words(body: bytes, text: str) -> None:
    with pytest.raises(RequestError, match=text):
        split(body)


@pytest.mark.parametrize("content_type", ["multipart/form-data", "multipart/form-data; boundary="])
def test_a_form_without_a_boundary_is_refused(content_type: str) -> None:
    with pytest.raises(RequestError, match="no multipart boundary param in Content-Type"):
        split(form(ASKED), content_type)


PIECES = (b"--edge", b"--edge--", b"\r\n", b'Content-Disposition: f; name="image"\r\n\r\n', b'; name="request"', b"{}")


@given(st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=20)), max_size=12))
def test_any_bytes_are_a_form_or_refused(pieces: list[bytes]) -> None:
    with suppress(RequestError):
        split(b"".join(pieces))


@given(st.binary(max_size=500))
def test_an_image_of_any_bytes_arrives_whole(data: bytes) -> None:
    if b"\r\n--edge" not in b"\r\n" + data:
        parts = split(form(ASKED, IMAGE._replace(content=data)))
        assert base64.b64decode(parts.images[0]) == data


def test_images_belong_to_the_last_message_of_a_user() -> None:
    messages = [
        {"role": "user", "content": "1"},
        {"role": "USER", "content": "2", "images": ["x"]},
        {"role": "assistant", "content": "3"},
    ]
    request = ChatRequest.model_validate({"model": "m", "messages": messages})
    attach_images(request, ["a", "b"])
    assert [message.images for message in request.messages] == [[], ["x", "a", "b"], []]


def test_images_belong_to_the_prompt_of_generate() -> None:
    request = GenerateRequest.model_validate({"model": "m", "images": ["x"]})
    attach_images(request, ["a"])
    assert request.images == ["x", "a"]


def test_images_without_a_message_of_a_user_are_refused() -> None:
    request = ChatRequest.model_validate({"model": "m", "messages": [{"role": "system", "content": "x"}]})
    attach_images(request, [])
    with pytest.raises(RequestError, match="no message of a user"):
        attach_images(request, ["a"])
