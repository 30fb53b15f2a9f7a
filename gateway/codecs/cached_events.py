"""Answers as a cache keeps them: which may be kept, and their events as MessagePack.

Nothing but data is read back: what is stored can be damaged or foreign, and never does anything.
"""

from collections.abc import Iterable
from itertools import groupby
from typing import Any

import msgspec

from gateway.codecs.contract import Encoded
from gateway.codecs.events import Event, Failure, Finish, Raw, Text, Texts, Thinking, ToolCall, Usage, Vectors

EMBEDDINGS_PATH = "/embeddings"
_EVENT_BYTES = 64
"""What an event weighs beside its text while it is recorded."""


class _Asked(msgspec.Struct):
    """Of a request for a backend, what decides whether its answer is always the same; Mistral has `random_seed`."""

    temperature: float | None = None
    seed: int | None = None
    random_seed: int | None = None
    n: int | None = None
    store: bool | None = None
    web_search_options: Any = None
    plugins: Any = None


_decode_asked = msgspec.json.Decoder(_Asked).decode


def is_repeatable(encoded: Encoded) -> bool:
    """Tell whether asking again should give the same answer: embeddings, and one choice at temperature 0 with a seed.

    Never what the backend is told to store, and what it looks up elsewhere before it answers.
    """
    if encoded.path == EMBEDDINGS_PATH:
        return True
    try:
        asked = _decode_asked(encoded.body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    seeded = asked.seed is not None or asked.random_seed is not None
    settled = asked.temperature == 0 and seeded and asked.n in (None, 1)
    return settled and not (asked.store or asked.web_search_options is not None or asked.plugins)


class _Text(Text, tag="text", array_like=True, frozen=True, gc=False):
    pass


class _Texts(Texts, tag="texts", array_like=True, frozen=True, gc=False):
    pass


class _Thinking(Thinking, tag="thinking", array_like=True, frozen=True, gc=False):
    pass


class _ToolCall(ToolCall, tag="call", array_like=True, frozen=True, gc=False):
    pass


class _Vectors(Vectors, tag="vectors", array_like=True, frozen=True, gc=False):
    pass


class _Usage(Usage, tag="usage", array_like=True, frozen=True, gc=False):
    pass


class _Finish(Finish, tag="finish", array_like=True, frozen=True, gc=False):
    pass


class _Raw(Raw, tag="raw", array_like=True, frozen=True, gc=False):
    pass


type _Kept = _Text | _Texts | _Thinking | _ToolCall | _Vectors | _Usage | _Finish | _Raw

_KEPT: dict[type[Event], type[_Kept]] = {
    Text: _Text,
    Texts: _Texts,
    Thinking: _Thinking,
    ToolCall: _ToolCall,
    Vectors: _Vectors,
    Usage: _Usage,
    Finish: _Finish,
    Raw: _Raw,
}


class Entry(msgspec.Struct, array_like=True, frozen=True):
    """A kept answer. `key`: the digest it was stored under; `plain`: whether it was one plain JSON body."""

    key: bytes
    plain: bool
    events: list[_Kept]


_encode_entry = msgspec.msgpack.Encoder().encode
_decode_entry = msgspec.msgpack.Decoder(Entry).decode


class Recording:
    """Notes the events of an answer as they pass; gives up beyond `max_bytes`, and on an answer that breaks."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._left = max_bytes
        self._events: list[Event] | None = []

    def add(self, events: Iterable[Event]) -> None:
        """Note a batch."""
        for event in events:
            if self._events is None:
                return
            self._left -= _weight(event)
            if self._left < 0 or isinstance(event, Failure):
                self._events = None
            else:
                self._events.append(event)

    def pack(self, key: bytes, *, plain: bool) -> bytes | None:
        """Return the entry for a complete answer; None for one that is not, or is too large."""
        if not self._events or not isinstance(self._events[-1], Finish):
            return None
        try:
            data = _encode_entry(Entry(key, plain, [_kept(event) for event in _joined(self._events)]))
        except (TypeError, ValueError, OverflowError, msgspec.MsgspecError):
            return None  # a lone surrogate, or a number that is none of MessagePack's
        return data if len(data) <= self._max_bytes else None


def unpack(data: bytes, key: bytes) -> Entry | None:
    """Return the entry that was stored under `key`; None for anything else, such as the answer to another request."""
    try:
        entry = _decode_entry(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    whole = bool(entry.events) and isinstance(entry.events[-1], Finish)
    return entry if whole and entry.key == key else None


def _kept(event: Event) -> _Kept:
    if isinstance(event, Usage):
        # Whoever is answered from the cache waits for no prompt and no evaluation.
        return _Usage(event.prompt_tokens, event.completion_tokens)
    return _KEPT[type(event)](*msgspec.structs.astuple(event))


def _joined(events: Iterable[Event]) -> Iterable[Event]:
    """Join the pieces of a body that is passed on as it is: where they were cut was chance."""
    for is_raw, group in groupby(events, lambda event: isinstance(event, Raw)):
        if is_raw:
            yield Raw(b"".join(event.data for event in group if isinstance(event, Raw)))
        else:
            yield from group


def _weight(event: Event) -> int:
    """Return about how many bytes an event takes."""
    if isinstance(event, Raw):
        return len(event.data)
    if isinstance(event, Text):
        return _EVENT_BYTES * (1 + sum(map(_entries, event.logprobs))) + len(event.text)
    if isinstance(event, Texts):
        return _EVENT_BYTES * len(event.texts) + sum(map(len, event.texts))
    if isinstance(event, Vectors):
        return sum(map(len, event.vectors))
    text = event.text if isinstance(event, Thinking) else event.arguments if isinstance(event, ToolCall) else ""
    return _EVENT_BYTES + len(text)


def _entries(logprobs: dict[str, Any]) -> int:
    """Return how many tokens an entry tells of: its own, and the alternatives."""
    top = logprobs.get("top_logprobs")
    return 1 + len(top) if isinstance(top, list) else 1
