"""What headers say of a body: types that cannot be JSON, and compression within a bound."""

import gzip
import random
import zlib
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.codecs.bodies import BodyDecoder, body_decoder, refuse_binary
from gateway.errors import PayloadTooLargeError, RequestError, UnsupportedMediaError
from tests.support.compression import zstd

LIMIT = 1000


def bare(data: bytes) -> bytes:
    """Return deflate's own format, without zlib's head."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


type Pack = Callable[[bytes], bytes]

PACKERS: dict[str, Pack] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": zstd.compress,
}
WAYS: list[tuple[str, Pack]] = [
    *PACKERS.items(),
    ("deflate", bare),
    ("ZSTD ", zstd.compress),
    ("identity, gzip", gzip.compress),
]
each_way = pytest.mark.parametrize(("encoding", "pack"), WAYS)


def decoder(encoding: str, limit_bytes: int = LIMIT) -> BodyDecoder:
    """Return a decoder that there must be."""
    found = body_decoder(encoding, limit_bytes)
    assert found is not None
    return found


def decode(encoding: str, data: bytes, step: int = 7, limit_bytes: int = LIMIT) -> bytes:
    """Decode in pieces of `step` bytes."""
    reading = decoder(encoding, limit_bytes)
    whole = b"".join(reading.feed(data[at : at + step]) for at in range(0, len(data), step))
    reading.finish()
    return whole


@pytest.mark.parametrize("step", [1, 7, 10_000])
@each_way
def test_what_was_packed_comes_out_however_it_is_cut(encoding: str, pack: Pack, step: int) -> None:
    data = random.Random(1).randbytes(500) + b"x" * 500
    assert decode(encoding, pack(data), step) == data


@each_way
def test_the_bound_is_exact(encoding: str, pack: Pack) -> None:
    assert len(decode(encoding, pack(b"x" * LIMIT))) == LIMIT
    with pytest.raises(PayloadTooLargeError, match="1000"):
        decode(encoding, pack(b"x" * (LIMIT + 1)))


@each_way
def test_a_bomb_stops_at_the_bound(encoding: str, pack: Pack) -> None:
    bomb = pack(bytes(50_000_000))
    reading = decoder(encoding)
    taken = 0
    with pytest.raises(PayloadTooLargeError):
        for at in range(0, len(bomb), 64):
            taken += 64
            assert len(reading.feed(bomb[at : at + 64])) <= LIMIT
    assert taken < len(bomb) / 2


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_several_members_are_one_body_but_not_any_number(encoding: str) -> None:
    pack = PACKERS[encoding]
    assert decode(encoding, pack(b"ab") + pack(b"") + pack(b"cd")) == b"abcd"
    with pytest.raises(RequestError, match="too many pieces"):
        decode(encoding, pack(b"") * 2000, 10_000)


@each_way
def test_a_cut_body_is_an_error(encoding: str, pack: Pack) -> None:
    data = pack(b"some text that is long enough to be cut")
    for end in range(1, len(data)):
        with pytest.raises(RequestError):
            decode(encoding, data[:end])


@each_way
def test_nothing_at_all_is_nothing(encoding: str, pack: Pack) -> None:
    assert decode(encoding, b"") == b""


@pytest.mark.parametrize(
    "data", [b"this is not compressed", b"\x1f\x8b\x08\x00" + b"\xff" * 60, b"\x28\xb5\x2f\xfd\xff\xff"]
)
@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd"])
def test_broken_data_is_an_error(encoding: str, data: bytes) -> None:
    with pytest.raises(RequestError):
        decode(encoding, data)


def test_what_follows_a_member_and_is_none_is_an_error() -> None:
    for encoding in ("gzip", "deflate", "zstd"):
        with pytest.raises(RequestError):
            decode(encoding, PACKERS[encoding](b"ab") + b"garbage")


def test_a_window_that_would_take_much_memory_is_refused() -> None:
    parameter = zstd.CompressionParameter
    packer = zstd.ZstdCompressor(options={parameter.window_log: 27, parameter.content_size_flag: 0})
    data = packer.compress(b"x" * 100) + packer.flush()
    with pytest.raises(RequestError):
        decode("zstd", data)


@pytest.mark.parametrize("encoding", ["", "identity", " , ", "Identity,identity"])
def test_no_encoding_needs_no_decoder(encoding: str) -> None:
    assert body_decoder(encoding, LIMIT) is None


@pytest.mark.parametrize("encoding", ["br", "compress", "gzip, zstd", "gzip,gzip", "zip", "gz\u0131p", "x" * 5000])
def test_another_encoding_is_refused_and_told_which_are_known(encoding: str) -> None:
    with pytest.raises(UnsupportedMediaError) as caught:
        body_decoder(encoding, LIMIT)
    assert caught.value.headers["Accept-Encoding"] == "gzip, deflate, zstd"
    assert len(caught.value.message) < 200


@given(st.binary(max_size=300), st.sampled_from(["gzip", "deflate", "zstd"]))
def test_any_bytes_are_decoded_or_refused(data: bytes, encoding: str) -> None:
    with suppress(RequestError):
        assert len(decode(encoding, data)) <= LIMIT


@pytest.mark.parametrize(
    "content_type",
    [
        "image/png",
        "audio/wav",
        "video/mp4",
        "font/woff2",
        "application/pdf",
        "application/zip",
        "application/x-protobuf",
    ],
)
def test_a_type_that_cannot_be_json_is_refused(content_type: str) -> None:
    with pytest.raises(UnsupportedMediaError, match=content_type):
        refuse_binary(content_type)


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "application/json",
        "application/x-www-form-urlencoded",
        "application/octet-stream",
        "multipart/form-data",
        "text/plain",
        "text/event-stream",
        "nonsense",
    ],
)
def test_any_other_type_may_be_json(content_type: str) -> None:
    refuse_binary(content_type)
