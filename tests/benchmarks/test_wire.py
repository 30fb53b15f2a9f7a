"""Responses, cut anywhere."""

import pytest

from benchmarks.wire import BrokenResponseError, Response

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\n"
PLAIN = b"HTTP/1.1 404 Not Found\r\nContent-Length: 11\r\n\r\nhello world"


@pytest.mark.parametrize(("data", "status"), [(CHUNKED, 200), (PLAIN, 404)])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_a_response_is_the_same_wherever_it_is_cut(data: bytes, status: int, size: int) -> None:
    response = Response()
    pieces: list[bytes] = []
    for at in range(0, len(data), size):
        assert not response.whole
        pieces += response.feed(data[at : at + size])
    assert (response.status, b"".join(pieces), response.whole) == (status, b"hello world", True)


@pytest.mark.parametrize(
    "data",
    [
        CHUNKED + b"more",
        PLAIN + b"more",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno size\r\n",
    ],
)
def test_a_broken_response_is_said_to_be_broken(data: bytes) -> None:
    with pytest.raises(BrokenResponseError):
        Response().feed(data)
