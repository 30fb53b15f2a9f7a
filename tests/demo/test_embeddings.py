"""Embeddings."""

import base64
import math
import struct
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gateway.demo.embeddings import embed

type Ask = Callable[..., Awaitable[dict[str, Any]]]

PATH = "/v1/embeddings"


def likeness(one: str, other: str, dimensions: int = 64) -> float:
    """The cosine of two texts."""
    return math.sumprod(embed(one, dimensions), embed(other, dimensions))


async def test_each_input_gets_a_unit_vector_in_order(post: Ask) -> None:
    answer = await post(PATH, {"model": "demo-embed", "input": ["a cat", "the dog sleeps"]})
    assert [row["index"] for row in answer["data"]] == [0, 1]
    for row, text in zip(answer["data"], ("a cat", "the dog sleeps"), strict=True):
        assert row["embedding"] == embed(text, 64)
        assert math.isclose(math.hypot(*row["embedding"]), 1, rel_tol=1e-6)
    assert answer["usage"] == {"prompt_tokens": 5, "total_tokens": 5}
    assert (answer["object"], answer["model"]) == ("list", "demo-embed")


@pytest.mark.parametrize(
    ("value", "vectors", "prompt_tokens"),
    [("one two", 1, 2), (["x"], 1, 1), ([5, 6, 7], 1, 3), ([[5, 6, 7], [8]], 2, 4), ("", 1, 0)],
)
async def test_all_forms_of_input_are_read(post: Ask, value: object, vectors: int, prompt_tokens: int) -> None:
    answer = await post(PATH, {"model": "demo-embed", "input": value})
    assert (len(answer["data"]), answer["usage"]["prompt_tokens"]) == (vectors, prompt_tokens)


@pytest.mark.parametrize("value", [None, [], 5, ["a", 1], [[]], [True], {"a": 1}, [1.5]])
async def test_any_other_input_is_400(post: Ask, value: object) -> None:
    answer = await post(PATH, {"model": "demo-embed", "input": value})
    assert (answer["status"], answer["error"]["param"]) == (400, "input")


async def test_dimensions_are_respected(post: Ask) -> None:
    for dimensions in (1, 7, 1024):
        answer = await post(PATH, {"model": "demo-embed", "input": "a cat", "dimensions": dimensions})
        vector = answer["data"][0]["embedding"]
        assert len(vector) == dimensions
        assert math.isclose(math.hypot(*vector), 1, rel_tol=1e-6)
    assert (await post(PATH, {"model": "demo-embed", "input": "a", "dimensions": 0}))["status"] == 400


async def test_base64_holds_the_same_numbers_as_little_endian_floats(post: Ask) -> None:
    plain = await post(PATH, {"model": "demo-embed", "input": "a cat", "encoding_format": "float"})
    packed = await post(PATH, {"model": "demo-embed", "input": "a cat", "encoding_format": "base64"})
    data = base64.b64decode(packed["data"][0]["embedding"])
    assert list(struct.unpack("<64f", data)) == plain["data"][0]["embedding"]


def test_vectors_are_the_same_on_every_run() -> None:
    assert [round(value, 4) for value in embed("a cat", 4)] == [-0.3714, 0.9285, 0.0, 0.0]


def test_texts_that_share_words_lie_closer_than_others() -> None:
    assert likeness("The cat sat on the mat", "A cat was sitting on the mat") > 0.5
    assert likeness("programming in Python", "Python programs") > likeness("programming in Python", "the cat sat") + 0.3
    assert likeness("Blue SKY", "blue sky") > 0.999
