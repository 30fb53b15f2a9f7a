"""Embeddings of the demo: hashed words and word pieces, so that texts which share words lie close together."""

import base64
import math
import re
import struct
from collections import Counter
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import Any

from gateway.demo import tokens
from gateway.demo.models import check_context
from gateway.demo.requests import EmbeddingRequest
from gateway.demo.words import is_dull

DIMENSIONS = 64

_WORD = re.compile(r"\w+|[^\w\s]")


def embedding_body(request: EmbeddingRequest) -> dict[str, Any]:
    """The answer to an embeddings request: one vector for each input, in order."""
    prompt_tokens = 0
    data = []
    for index, item in enumerate(request.input):
        size = len(item) if isinstance(item, list) else tokens.count([item])
        check_context(size, param=f"input[{index}]")
        prompt_tokens += size
        vector = embed(_text_of(item), request.dimensions or DIMENSIONS)
        encoded = to_base64(vector) if request.encoding_format == "base64" else vector
        data.append({"object": "embedding", "index": index, "embedding": encoded})
    usage = {"prompt_tokens": prompt_tokens, "total_tokens": prompt_tokens}
    return {"object": "list", "data": data, "model": request.model, "usage": usage}


def embed(text: str, dimensions: int) -> list[float]:
    """A vector of length 1, the same for the same text on every machine; values are exact in 32 bits."""
    vector = [0.0] * dimensions
    for word, times in Counter(_WORD.findall(text.casefold())).items():
        for feature, weight in _features(word):
            code = int.from_bytes(blake2b(feature.encode(), digest_size=8).digest(), "little")
            vector[(code >> 1) % dimensions] += weight * math.sqrt(times) * (1 if code & 1 else -1)
    length = math.hypot(*vector)
    if not length:
        return [1.0] + [0.0] * (dimensions - 1)
    return list(_floats(dimensions).unpack(_floats(dimensions).pack(*(value / length for value in vector))))


def to_base64(vector: Sequence[float]) -> str:
    """The vector as base64 of little-endian 32-bit floats."""
    return base64.b64encode(_floats(len(vector)).pack(*vector)).decode()


def _floats(number: int) -> struct.Struct:
    return struct.Struct(f"<{number}f")


def _text_of(item: str | list[int]) -> str:
    """Token ids cannot be turned back into words here, so each stands for a word of its own."""
    return item if isinstance(item, str) else " ".join(f"token{token}" for token in item)


def _features(word: str) -> Iterator[tuple[str, float]]:
    """The word and its pieces of three letters; dull words and signs weigh little, so that the others decide."""
    if is_dull(word):
        yield word, 0.1
    else:
        yield word, 1.0
        edged = f"<{word}>"
        for start in range(len(edged) - 2):
            yield edged[start : start + 3], 0.3
