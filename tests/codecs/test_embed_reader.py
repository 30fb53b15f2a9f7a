"""Embeddings are read in the order of their inputs, as floats or base64."""

import json
import struct
from typing import Any

import pytest

from gateway.codecs.embed_reader import EmbedReader
from gateway.codecs.events import Finish, Usage, Vectors
from gateway.errors import TranslationError
from tests.codecs.streams import failure, read, said, sse


def answer(*vectors: Any, **more: Any) -> bytes:
    items = [{"object": "embedding", "index": index, "embedding": vector} for index, vector in vectors]
    return json.dumps({"object": "list", "data": items, **more}).encode()


def test_vectors_come_in_the_order_of_the_inputs() -> None:
    body = answer((1, [2.0]), (0, [1.0]), usage={"prompt_tokens": 4, "total_tokens": 4})
    assert read(EmbedReader(2), body) == [Vectors([[1.0], [2.0]]), Usage(4), Finish("stop")]


def test_vectors_without_index_keep_their_order() -> None:
    body = answer((None, [2.0]), (None, [1.0]))
    assert read(EmbedReader(2), body)[0] == Vectors([[2.0], [1.0]])


def test_base64_becomes_its_bytes() -> None:
    assert read(EmbedReader(1), answer((0, "AACAPw==")))[0] == Vectors([struct.pack("<f", 1.0)])
    odd_index = b'{"data":[{"embedding":"AACAPw==","index":"0"}]}'
    assert read(EmbedReader(1), odd_index)[0] == Vectors([struct.pack("<f", 1.0)])


@pytest.mark.parametrize("broken", ["!", "AAA", "AACAPw", "AAC APw=", "AAAAAAA=A"])
def test_base64_that_is_none_is_a_failure(broken: str) -> None:
    message = failure(read(EmbedReader(1), answer((0, broken)))).message
    assert message == "the backend's embeddings are neither lists of numbers nor base64"


def test_odd_numbers_are_read_by_hand() -> None:
    assert read(EmbedReader(1), b'{"data":[{"embedding":["1.5",2],"index":"0"}]}')[0] == Vectors([[1.5, 2.0]])


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param(answer((0, [1.0])), "1 embeddings for 2 inputs", id="too few"),
        pytest.param(b"{}", "0 embeddings for 2 inputs", id="none"),
        pytest.param(b'{"data":[{"embedding":"a"},{"x":1}]}', "neither lists of numbers nor base64", id="wrong types"),
        pytest.param(b'{"data":["\\ud800"]}', "neither lists of numbers nor base64", id="half a character"),
        pytest.param(b'{"error":{"message":"no room"}}', "no room", id="an error object"),
        pytest.param(b'{"error":"no room","data":7}', "no room", id="an error text beside wrong types"),
        pytest.param(b'{"data":[', "broken JSON", id="broken JSON"),
        pytest.param(b"<p>", "HTML", id="HTML"),
        pytest.param(sse(said("x")), "streamed", id="a stream"),
    ],
)
def test_what_is_no_list_of_vectors_is_a_failure(body: bytes, message: str) -> None:
    assert message in failure(read(EmbedReader(2), body)).message


def test_a_failure_is_a_translation_error() -> None:
    assert isinstance(failure(read(EmbedReader(1), b"{}")), TranslationError)
