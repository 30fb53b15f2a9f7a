"""`context` of `/api/generate`: a conversation that travels with the client, so that the gateway keeps none.

Ollama's integers are tokens. Ours carry the history itself, compressed, three bytes an integer (clients keep them as 32
bit numbers), behind a mark and a version. Integers of another server, of another version or broken ones are ignored, as
a model would make nothing of foreign tokens.
"""

import json
import zlib
from collections.abc import Sequence

_MARK = 0x0C0DEC
_VERSION = 1
_HEAD = 3  # mark, version, length in bytes
_BYTES_EACH = 3

MAX_PACKED_BYTES = 96 * 1024
"""Bound of the compressed history, either way: some 32,000 integers. The oldest turns give way."""
MAX_HISTORY_BYTES = 1024 * 1024
"""Bound of the history itself, either way: what unpacks to more was not packed here."""

type Turn = tuple[str, str]
"""Role and text."""


def pack_context(turns: Sequence[Turn]) -> list[int]:
    """Return the integers that carry `turns`; without the oldest where all would be too much."""
    kept = list(turns)
    while kept:
        data = json.dumps(kept, separators=(",", ":")).encode("ascii")
        packed = zlib.compress(data, 6) if len(data) <= MAX_HISTORY_BYTES else b""
        if packed and len(packed) <= MAX_PACKED_BYTES:
            return [_MARK, _VERSION, len(packed), *_integers(packed)]
        kept = kept[max(1, len(kept) // 4) :]
    return [_MARK, _VERSION, 0]


def unpack_context(context: Sequence[int]) -> list[Turn]:
    """Return the turns that `context` carries; none for integers that are not ours. Never raises, never a bomb."""
    if len(context) <= _HEAD or context[0] != _MARK or context[1] != _VERSION:
        return []
    length = context[2]
    if not 0 < length <= MAX_PACKED_BYTES or len(context) != _HEAD + -(-length // _BYTES_EACH):
        return []
    try:
        packed = b"".join(value.to_bytes(_BYTES_EACH, "big") for value in context[_HEAD:])[:length]
        unpacker = zlib.decompressobj()
        data = unpacker.decompress(packed, MAX_HISTORY_BYTES)
        return _turns(json.loads(data)) if unpacker.eof else []
    except (OverflowError, zlib.error, ValueError, RecursionError):
        return []


def _integers(data: bytes) -> list[int]:
    padded = data + b"\0" * (-len(data) % _BYTES_EACH)
    return [int.from_bytes(padded[at : at + _BYTES_EACH], "big") for at in range(0, len(padded), _BYTES_EACH)]


def _turns(value: object) -> list[Turn]:
    if not isinstance(value, list):
        return []
    turns: list[Turn] = []
    for item in value:
        match item:
            case [("system" | "user" | "assistant") as role, str(text)]:
                turns.append((role, text))
            case _:
                return []
    return turns


class Conversation:
    """The turns of one `/api/generate` request, and the `context` that its answer hands back."""

    def __init__(self, context: Sequence[int], *, system: str, prompt: str) -> None:
        before = unpack_context(context)
        if system:
            before = [("system", system), *(turn for turn in before if turn[0] != "system")]
        self.turns: list[Turn] = [*before, ("user", prompt)]

    def context(self, answer: str) -> str:
        """Return the JSON of `context` after `answer`."""
        return json.dumps(pack_context([*self.turns, ("assistant", answer)]), separators=(",", ":"))
