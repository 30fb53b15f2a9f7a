"""Putting tool calls together from their pieces; Ollama shows a call only whole, with its arguments as an object."""

import json
from hashlib import sha256
from typing import Any

from gateway.codecs.events import ToolCall
from gateway.codecs.tolerance import read_object
from gateway.errors import TranslationError
from gateway.schemas.chunks import ToolCallDelta


class _Call:
    __slots__ = ("arguments", "id", "key", "name")

    def __init__(self, key: int | None, call_id: str) -> None:
        self.key = key
        self.id = call_id
        self.name = ""
        self.arguments: list[str] = []


class ToolCallAssembler:
    """Collects deltas and gives whole calls in the order they began.

    Deltas belong together by `index`; a second id under one index starts a new call (some servers number every call
    0), and a delta without an index belongs to the call with its id, else to the last one.
    """

    __slots__ = ("_calls",)

    def __init__(self) -> None:
        self._calls: list[_Call] = []

    def __len__(self) -> int:
        return len(self._calls)

    def add(self, delta: ToolCallDelta) -> None:
        """Take one piece of one call."""
        call = self._find(delta)
        if call is None:
            call = _Call(delta.index, delta.id or "")
            self._calls.append(call)
        function = delta.function
        if delta.id and not call.id:
            call.id = delta.id
        if function is None:
            return
        if function.name and function.name != call.name:
            call.name += function.name
        if isinstance(function.arguments, dict):
            call.arguments = [json.dumps(function.arguments)]
        elif function.arguments:
            call.arguments.append(function.arguments)

    def _find(self, delta: ToolCallDelta) -> _Call | None:
        for call in reversed(self._calls):
            same_index = delta.index is not None and call.key == delta.index
            if delta.id and call.id and delta.id != call.id:
                if same_index:
                    return None
                continue
            if same_index or (delta.index is None and (not delta.id or call.id == delta.id)):
                return call
        return None

    def take(self, *, truncated: bool) -> list[ToolCall]:
        """Return the whole calls and forget them. Raises TranslationError when one's arguments are not an object.

        `truncated`: the answer ended by its length, so a last call with broken arguments is left out, not an error.
        """
        calls: list[ToolCall] = []
        for index, call in enumerate(self._calls):
            try:
                arguments = json.dumps(_arguments(call), separators=(",", ":"))
            except TranslationError:
                if truncated:
                    break
                raise
            calls.append(ToolCall(call.id or invented_id(index, call.name), call.name, arguments, index))
        self._calls = []
        return calls

    def take_as_sent(self) -> list[dict[str, Any]]:
        """Return the whole calls as OpenAI writes them and forget them; arguments stay the text that came."""
        calls, self._calls = self._calls, []
        return [
            {
                "id": call.id or invented_id(index, call.name),
                "type": "function",
                "function": {"name": call.name, "arguments": "".join(call.arguments)},
            }
            for index, call in enumerate(calls)
        ]


def invented_id(position: int, name: str) -> str:
    """Return a call id of Ollama's form that is the same each time for the same call of a conversation."""
    return "call_" + sha256(f"{position}\0{name}".encode("utf-8", "replace")).hexdigest()[:8]


def _arguments(call: _Call) -> dict[str, Any]:
    text = "".join(call.arguments).strip()
    if not text or text == "null":
        return {}
    try:
        if text.startswith('"'):  # encoded twice
            text = json.loads(text)
        return read_object(text.encode("utf-8", "surrogatepass"))
    except (TranslationError, ValueError):
        raise TranslationError(
            f"the backend called the tool {call.name!r} with arguments that are not an object"
        ) from None
