"""Vectors are written as Ollama writes them: of length 1 on /api/embed, as they came on /api/embeddings."""

import json
import math
import struct

import pytest

from gateway.codecs.embed_writer import embed_body, embedding_body, normalised, read_vector
from gateway.codecs.ollama_writer import Clocks
from gateway.errors import TranslationError

CLOCKS = Clocks(started_ns=10, asked_ns=15, ended_ns=30)


def test_embed_normalises_and_says_what_it_took() -> None:
    body = json.loads(embed_body("m", [[3.0, 4.0], [0.0, 0.0]], 7, CLOCKS, None))
    assert body == {
        "model": "m",
        "embeddings": [[0.6, 0.8], [0.0, 0.0]],
        "total_duration": 20,
        "load_duration": 5,
        "prompt_eval_count": 7,
    }


def test_a_vector_longer_than_asked_for_is_cut_and_normalised_again() -> None:
    body = json.loads(embed_body("m", [[3.0, 4.0, 12.0]], None, CLOCKS, 2))
    assert body["embeddings"] == [[0.6, 0.8]]
    assert "prompt_eval_count" not in body


def test_a_vector_of_length_one_keeps_its_numbers() -> None:
    vector = [0.6, 0.8]
    assert normalised(vector) is vector
    assert math.isclose(math.hypot(*normalised([1.0, 1.0, 1.0])), 1.0)


def test_bytes_are_little_endian_float32() -> None:
    packed = struct.pack("<2f", 1.5, -2.0)
    assert read_vector(packed) == [1.5, -2.0]
    assert json.loads(embedding_body([packed], several=False)) == {"embedding": [1.5, -2.0]}


def test_a_list_sent_to_the_older_route_gets_all_its_vectors_too() -> None:
    body = json.loads(embedding_body([[1.0], [2.0]], several=True))
    assert body == {"embedding": [1.0], "embeddings": [[1.0], [2.0]]}


@pytest.mark.parametrize("broken", [b"\0", b"\0\0\0\0\0"])
def test_bytes_that_are_no_float32_are_the_backends_fault(broken: bytes) -> None:
    with pytest.raises(TranslationError, match="base64 of float32"):
        read_vector(broken)


def test_no_input_gives_an_empty_embedding() -> None:
    assert json.loads(embedding_body([], several=False)) == {"embedding": []}
