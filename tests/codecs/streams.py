"""Building and reading answers in tests of codecs."""

import json
from collections.abc import Iterable
from typing import Any

from gateway.codecs.contract import BackendReader
from gateway.codecs.events import End, Event, Failure, Finish, Text, Thinking, ToolCall, Usage
from gateway.errors import ProxyException


def sse(*payloads: Any, done: bool = True) -> bytes:
    """Return a stream of JSON payloads (bytes: as they are), ended by [DONE]."""
    lines = [payload if isinstance(payload, bytes) else json.dumps(payload).encode() for payload in payloads]
    return b"".join(b"data: %b\n\n" % line for line in [*lines, *([b"[DONE]"] if done else [])])


def chunk(delta: dict[str, Any] | None = None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    """Return a chunk of a chat."""
    return {
        "id": "c",
        "object": "chat.completion.chunk",
        "choices": [{"index": 0, "delta": delta or {}, "finish_reason": finish}],
        **more,
    }


def said(text: str) -> dict[str, Any]:
    """Return a chunk with content."""
    return chunk({"content": text})


def read(reader: BackendReader, data: bytes | Iterable[bytes], end: End = End.CLEAN) -> list[Event]:
    """Feed all and finish."""
    events: list[Event] = []
    for piece in [data] if isinstance(data, bytes) else data:
        events += reader.feed(piece, 0)
    return events + reader.finish(end, 0)


def merged(events: list[Event]) -> dict[str, Any]:
    """Return what the events say, whatever pieces the texts came in."""
    return {
        "text": "".join(event.text for event in events if isinstance(event, Text)),
        "thinking": "".join(event.text for event in events if isinstance(event, Thinking)),
        "calls": [(event.name, json.loads(event.arguments)) for event in events if isinstance(event, ToolCall)],
        "usage": next((event for event in events if isinstance(event, Usage)), None),
        "finish": next((event.reason for event in events if isinstance(event, Finish)), None),
        "failure": next((event.error.message for event in events if isinstance(event, Failure)), None),
    }


def failure(events: list[Event]) -> ProxyException:
    """Return the error of the Failure that ends the events."""
    last = events[-1]
    assert isinstance(last, Failure), events
    return last.error
