"""Images and sound: the label comes from the bytes, the errors from Go's base64."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.codecs.images import image_part
from gateway.errors import RequestError

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(40))


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.mark.parametrize(
    ("start", "mime"),
    [
        pytest.param(b"\x89PNG\r\n\x1a\n", "image/png", id="png"),
        pytest.param(b"\xff\xd8\xff\xe0", "image/jpeg", id="jpeg"),
        pytest.param(b"GIF87a", "image/gif", id="gif 87"),
        pytest.param(b"GIF89a", "image/gif", id="gif 89"),
        pytest.param(b"RIFF\x10\0\0\0WEBPVP8 ", "image/webp", id="webp"),
        pytest.param(b"BM\x36\0", "image/bmp", id="bmp"),
        pytest.param(b"II*\0", "image/tiff", id="tiff, little-endian"),
        pytest.param(b"MM\0*", "image/tiff", id="tiff, big-endian"),
        pytest.param(b"\0\0\0\x20ftypavif", "image/avif", id="avif"),
        pytest.param(b"\0\0\0\x20ftypheic", "image/heic", id="heic"),
        pytest.param(b"\0\0\0\x20ftypmif1", "image/heif", id="heif"),
        pytest.param(b"what is this", "image/jpeg", id="unknown"),
        pytest.param(b"x", "image/jpeg", id="one byte"),
    ],
)
def test_an_image_is_labelled_by_its_first_bytes(start: bytes, mime: str) -> None:
    data = _encoded(start)
    assert image_part(data) == {"type": "image_url", "image_url": {"url": f"data:{mime};base64,{data}"}}


@pytest.mark.parametrize(
    ("start", "format_name"),
    [
        pytest.param(b"RIFF\x10\0\0\0WAVEfmt ", "wav", id="wav"),
        pytest.param(b"ID3\x04", "mp3", id="mp3 with tags"),
        pytest.param(b"\xff\xfb\x90\x00", "mp3", id="bare mp3"),
        pytest.param(b"\xff\xf3\x40\xc0", "mp3", id="mp3 of MPEG 2"),
        pytest.param(b"fLaC\0\0", "flac", id="flac"),
        pytest.param(b"OggS\0", "ogg", id="ogg"),
        pytest.param(b"\0\0\0\x20ftypM4A ", "m4a", id="m4a"),
    ],
)
def test_sound_becomes_input_audio(start: bytes, format_name: str) -> None:
    data = _encoded(start)
    assert image_part(data) == {"type": "input_audio", "input_audio": {"data": data, "format": format_name}}


@pytest.mark.parametrize(
    ("url", "mime"),
    [
        pytest.param("data:image/png;base64,", "image/png", id="its own label"),
        pytest.param("data:image/webp;base64,", "image/png", id="a label that lies"),
        pytest.param("DATA:;BASE64,", "image/png", id="no label"),
    ],
)
def test_a_data_url_is_taken_too(url: str, mime: str) -> None:
    assert image_part(url + _encoded(PNG))["image_url"]["url"] == f"data:{mime};base64,{_encoded(PNG)}"


@pytest.mark.parametrize(
    ("url", "mime"),
    [
        pytest.param("data:image/x-icon;base64,", "image/x-icon", id="an image"),
        pytest.param("data:text/html;base64,", "image/jpeg", id="anything else"),
    ],
)
def test_what_a_data_url_declares_labels_unknown_bytes(url: str, mime: str) -> None:
    assert image_part(url + _encoded(b"unknown"))["image_url"]["url"].startswith(f"data:{mime};base64,")


def test_line_ends_in_base64_are_skipped_and_not_sent() -> None:
    data = _encoded(PNG)
    wrapped = "\r\n".join(data[index : index + 7] for index in range(0, len(data), 7)) + "\n"
    assert image_part(wrapped) == image_part(data)


@pytest.mark.parametrize(
    ("data", "at"),
    [
        pytest.param("data:image/png,abc", 4, id="a data URL without base64"),
        pytest.param("https://example.com/a.png", 5, id="a URL"),
        pytest.param("AAAA AAA", 4, id="a space"),
        pytest.param("AA_AAAAA", 2, id="the URL-safe alphabet"),
        pytest.param("AAAé", 3, id="not ASCII"),
        pytest.param("AAAAA", 4, id="one character left over"),
        pytest.param("AAAAAA", 4, id="two without padding"),
        pytest.param("AAAAAAA", 4, id="three without padding"),
        pytest.param("=AAA", 0, id="padding first"),
        pytest.param("A===", 1, id="padding too early"),
        pytest.param("AA=", 3, id="half of the padding"),
        pytest.param("AA=A", 2, id="half of the padding, then more"),
        pytest.param("AA==AAAA", 4, id="more after two"),
        pytest.param("AAA=AAAA", 4, id="more after one"),
        pytest.param("AAAA====", 4, id="padding of nothing"),
        pytest.param("AAAA\r\n*AAA", 6, id="after a line end"),
    ],
)
def test_broken_base64_names_the_byte_that_go_names(data: str, at: int) -> None:
    with pytest.raises(RequestError) as caught:
        image_part(data)
    assert caught.value.message == f"illegal base64 data at input byte {at}"


@pytest.mark.parametrize("data", ["", "\n", "data:image/png;base64,"])
def test_an_empty_image_is_refused(data: str) -> None:
    with pytest.raises(RequestError, match="empty"):
        image_part(data)


@given(st.binary(min_size=1, max_size=200))
def test_any_bytes_arrive_as_they_were(data: bytes) -> None:
    part = image_part(_encoded(data))
    sent = part["image_url"]["url"].partition(",")[2] if "image_url" in part else part["input_audio"]["data"]
    assert base64.b64decode(sent) == data


@given(st.text(max_size=60) | st.text(alphabet="AB+/=\r\n_ ", max_size=20))
def test_any_text_gives_a_part_or_a_request_error(data: str) -> None:
    try:
        part = image_part(data)
    except RequestError:
        return
    assert part["type"] in ("image_url", "input_audio")
