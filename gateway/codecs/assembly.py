"""The other form of a `/v1` answer: a stream as one object, and one object as a stream.

For backends that stream what was asked plainly, or the other way round: their clients get what they asked for.
"""

import json
from typing import Any

from gateway.codecs.tolerance import read_object
from gateway.codecs.tool_calls import ToolCallAssembler
from gateway.schemas.chunks import Chunk

_SAID_ONCE = frozenset({"role", "id", "type", "object", "finish_reason", "name", "format"})
"""Strings that a delta says once, or again and again, but never in pieces."""


class Assembly:
    """Puts the chunks of a stream together into one `chat.completion` or `text_completion`."""

    def __init__(self) -> None:
        self._answer: dict[str, Any] = {}
        self._choices: dict[int, dict[str, Any]] = {}
        self._calls: dict[int, ToolCallAssembler] = {}

    def add(self, payload: bytes, chunk: Chunk) -> None:
        """Take one chunk: as it came, and as it was read."""
        raw = read_object(payload)
        for key, value in raw.items():
            # The first id stands for all: some servers make a new one for every chunk.
            if key != "choices" and value is not None and not (key in ("id", "created") and self._answer.get(key)):
                self._answer[key] = value
        for choice, read in zip(_choices(raw), chunk.choices or (), strict=False):
            self._add_choice(choice, read.index or 0)
            delta = read.delta or read.message
            for call in (delta and delta.tool_calls) or ():
                self._calls.setdefault(read.index or 0, ToolCallAssembler()).add(call)

    def body(self) -> bytes:
        """Return the whole answer as JSON; pairs of surrogates that came in two chunks are characters again."""
        is_text = any("text" in choice for choice in self._choices.values())
        answer = {
            **self._answer,
            "object": "text_completion" if is_text else "chat.completion",
            "choices": [self._whole_choice(index, is_text) for index in sorted(self._choices)],
        }
        text = json.dumps(answer, ensure_ascii=False)
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()

    def _add_choice(self, choice: dict[str, Any], index: int) -> None:
        said = {key: value for key, value in choice.items() if key not in ("delta", "message", "index")}
        delta = choice.get("delta") or choice.get("message")
        if isinstance(delta, dict):
            said["message"] = {key: value for key, value in delta.items() if key != "tool_calls"}
        _merge(self._choices.setdefault(index, {}), said)

    def _whole_choice(self, index: int, is_text: bool) -> dict[str, Any]:
        choice = {"index": index, "logprobs": None, **self._choices[index]}
        choice["finish_reason"] = choice.get("finish_reason") or "stop"
        if not is_text:
            message = {"content": None, **choice.get("message", {})}
            message["role"] = message.get("role") or "assistant"
            if index in self._calls:
                message["tool_calls"] = self._calls[index].take_as_sent()
            choice["message"] = message
        return choice


def as_stream(body: bytes, *, with_usage: bool) -> bytes:
    """Return a whole answer as a stream: what it says, its finish, its usage where that was asked for, and `[DONE]`."""
    answer = read_object(body)
    usage = answer.pop("usage", None)
    choices = _choices(answer)
    is_text = any("text" in choice for choice in choices)
    answer["object"] = "text_completion" if is_text else "chat.completion.chunk"
    chunks = [[_said(choice, is_text) for choice in choices], [_finish(choice, is_text) for choice in choices]]
    events = [{**answer, "choices": chunk} for chunk in chunks]
    if with_usage and usage is not None:
        events.append({**answer, "choices": [], "usage": usage})
    return b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in events) + b"data: [DONE]\n\n"


def _said(choice: dict[str, Any], is_text: bool) -> dict[str, Any]:
    if is_text:
        return {**choice, "finish_reason": None}
    message = choice.get("message")
    delta = dict(message) if isinstance(message, dict) else {}
    calls = delta.get("tool_calls")
    if isinstance(calls, list):
        delta["tool_calls"] = [{"index": index, **call} for index, call in enumerate(calls) if isinstance(call, dict)]
    rest = {key: value for key, value in choice.items() if key != "message"}
    return {"index": 0, **rest, "delta": delta, "finish_reason": None}


def _finish(choice: dict[str, Any], is_text: bool) -> dict[str, Any]:
    said: dict[str, Any] = {"text": ""} if is_text else {"delta": {}}
    reason = choice.get("finish_reason") or "stop"
    return {"index": choice.get("index") or 0, **said, "logprobs": None, "finish_reason": reason}


def _choices(answer: dict[str, Any]) -> list[dict[str, Any]]:
    choices = answer.get("choices")
    return [choice for choice in choices if isinstance(choice, dict)] if isinstance(choices, list) else []


def _merge(into: dict[str, Any], said: dict[str, Any]) -> None:
    """Add what a chunk says: strings and lists go on, objects are merged, anything else is said anew."""
    for key, value in said.items():
        before = into.get(key)
        if before is None or (value is not None and not before):
            into[key] = value
        elif isinstance(before, str) and isinstance(value, str):
            into[key] = before if key in _SAID_ONCE else before + value
        elif isinstance(before, list) and isinstance(value, list):
            before.extend(value)
        elif isinstance(before, dict) and isinstance(value, dict):
            _merge(before, value)
        elif value is not None:
            into[key] = value
