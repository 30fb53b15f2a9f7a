"""Writers of `/api/embed` and `/api/embeddings`: vectors in, one JSON body out."""

import math
from array import array
from json.encoder import encode_basestring_ascii as quote
from sys import byteorder
from typing import Any

import msgspec

from gateway.codecs.ollama_writer import Clocks
from gateway.errors import TranslationError

_encode_into = msgspec.json.Encoder().encode_into


def embed_body(
    model: str, vectors: list[Any], prompt_tokens: int | None, clocks: Clocks, dimensions: int | None
) -> bytes:
    """Return the body of `/api/embed`: vectors of length 1 (L2), cut to `dimensions` where the backend did not.

    One vector after the other, into one buffer: its floats take the memory of those before, which is at hand.
    """
    ended = clocks.ended_ns or clocks.started_ns
    fields = [
        ("total_duration", ended - clocks.started_ns),
        ("load_duration", clocks.asked_ns - clocks.started_ns),
        ("prompt_eval_count", prompt_tokens),
    ]
    rest = "".join(f',"{name}":{value}' for name, value in fields if value is not None and value > 0)
    body = bytearray(b'{"model":%b,"embeddings":[' % quote(model).encode())
    for vector in vectors:
        _encode_into(normalised(cut(read_vector(vector), dimensions)), body, -1)
        body += b","
    body[-1 if vectors else len(body) :] = b"]%b}" % rest.encode()
    return bytes(body)


def embedding_body(vectors: list[Any], *, several: bool) -> bytes:
    """Return the body of `/api/embeddings`: the first vector as the backend gave it, beside it all of a list's."""
    rows = [read_vector(vector) for vector in (vectors if several else vectors[:1])]
    first = msgspec.json.encode(rows[0] if rows else [])
    if several:
        return b'{"embedding":%b,"embeddings":%b}' % (first, msgspec.json.encode(rows))
    return b'{"embedding":%b}' % first


def read_vector(vector: list[float] | bytes) -> list[float]:
    """Return a vector as floats. Raises TranslationError for bytes that are no float32."""
    if isinstance(vector, list):
        return vector
    try:
        values = array("f", vector)
    except ValueError:
        raise TranslationError("the backend sent an embedding that is not base64 of float32") from None
    if byteorder == "big":
        values.byteswap()
    return values.tolist()


def cut(vector: list[float], dimensions: int | None) -> list[float]:
    """Return the first `dimensions` numbers; 0 and None mean all."""
    return vector[:dimensions] if dimensions and dimensions < len(vector) else vector


def normalised(vector: list[float]) -> list[float]:
    """Return the vector with an L2 norm of 1; zeros stay zeros, and what is 1 to float32's precision stays as it is."""
    norm = math.hypot(*vector)
    if norm == 0 or abs(norm - 1) < 1e-6:
        return vector
    return [value / norm for value in vector]
