"""Ollama's messages as OpenAI's: images into parts, tool calls with ids, and every tool result paired with its call."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from gateway.codecs.images import image_part
from gateway.codecs.tool_calls import invented_id
from gateway.schemas.ollama import Message, ToolCall


class _Open:
    """A tool call that has no result yet."""

    __slots__ = ("id", "name")

    def __init__(self, call_id: str, name: str) -> None:
        self.id = call_id
        self.name = name


def encode_messages(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Return OpenAI's messages. Raises RequestError for an image that is not base64.

    Clients of Ollama mostly send tool calls and results without ids: ids are invented from a call's place in the
    conversation, so that they are the same in every round; a result goes to the call with its `tool_call_id`, else to
    the oldest open one of its `tool_name`, else to the oldest open one.
    """
    pairing = _Pairing()
    return [_encode(message, pairing) for message in messages]


def user_content(text: str, images: Sequence[str] | None) -> str | list[dict[str, Any]]:
    """Return the content of a user's message: plain text, or parts when there are images."""
    if not images:
        return text
    parts: list[dict[str, Any]] = [{"type": "text", "text": text}] if text else []
    return parts + [image_part(image) for image in images]


class _Pairing:
    """Gives calls their ids and finds the call that a result answers."""

    def __init__(self) -> None:
        self._open: list[_Open] = []
        self._count = 0

    def call_id(self, call: ToolCall) -> str:
        call_id = call.id or invented_id(self._count, call.function.name)
        self._count += 1
        self._open.append(_Open(call_id, call.function.name))
        return call_id

    def result_id(self, message: Message) -> str:
        found = self._find(message)
        if found is not None:
            self._open.remove(found)
            return found.id
        return message.tool_call_id or invented_id(self._count, message.tool_name)

    def _find(self, message: Message) -> _Open | None:
        if message.tool_call_id:
            for call in self._open:
                if call.id == message.tool_call_id:
                    return call
        if message.tool_name:
            for call in self._open:
                if call.name == message.tool_name:
                    return call
        # An id that no call has is one the client made up for itself: its order is all there is to go by.
        return self._open[0] if self._open else None


def _encode(message: Message, pairing: _Pairing) -> dict[str, Any]:
    role = message.role or "user"  # Ollama's templates take a message without a role; no backend does
    encoded: dict[str, Any] = {"role": role, "content": user_content(message.content, message.images)}
    if role == "tool":
        encoded["tool_call_id"] = pairing.result_id(message)
    elif message.tool_calls:
        encoded["tool_calls"] = [_encode_call(call, pairing) for call in message.tool_calls]
    return encoded


def _encode_call(call: ToolCall, pairing: _Pairing) -> dict[str, Any]:
    arguments = json.dumps(call.function.arguments, ensure_ascii=False, separators=(",", ":"))
    return {
        "id": pairing.call_id(call),
        "type": "function",
        "function": {"name": call.function.name, "arguments": arguments},
    }


def beginning(messages: Sequence[Mapping[str, Any]]) -> str:
    """Return the messages up to the first of a user as one text: what all turns of a conversation share."""
    first: list[str] = []
    for message in messages:
        first.append(repr(message.get("content")))
        if message.get("role") == "user":
            break
    return "\n".join(first)
