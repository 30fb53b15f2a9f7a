"""The six ways to ask for an answer: three routes, each streaming and not."""

import json
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.gateway import Reply


@dataclass(frozen=True)
class Way:
    """A route and a body for it; `v1` tells whose words it speaks."""

    name: str
    path: str
    body: dict[str, Any]
    v1: bool
    streamed: bool

    def text(self, reply: Reply) -> str:
        """Return the text of a complete answer; the answer must end as it should."""
        assert reply.status == 200, reply.body
        assert not reply.cut
        if not self.v1:
            chunks = reply.lines if self.streamed else [reply.json]
            assert [chunk["done"] for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
            return "".join(
                chunk["response"] if "response" in chunk else chunk["message"]["content"] for chunk in chunks
            )
        if not self.streamed:
            return str(reply.json["choices"][0]["message"]["content"])
        *events, last = reply.events
        assert last == "[DONE]"
        choices = [choice for event in events for choice in json.loads(event)["choices"]]
        assert [choice["finish_reason"] for choice in choices if choice.get("finish_reason")] != []
        return "".join(choice["delta"].get("content") or "" for choice in choices)

    def error(self, reply: Reply) -> dict[str, Any]:
        """Return the error of an answer that has an error's status: `message` and, on /v1, the rest of the object."""
        assert reply.status >= 400, reply.body
        assert reply.headers["Content-Type"] == "application/json; charset=utf-8"
        return self._error(reply.json)

    def last_error(self, reply: Reply) -> dict[str, Any]:
        """Return the error that ends a stream which began well: the only one, the last line, and no end beside it."""
        assert reply.status == 200
        assert not reply.cut
        values = [json.loads(event) for event in reply.events] if self.v1 else reply.lines
        assert ["error" in value for value in values] == [False] * (len(values) - 1) + [True]
        assert not any(value.get("done") for value in values)
        return self._error(values[-1])

    def _error(self, value: dict[str, Any]) -> dict[str, Any]:
        if self.v1:
            error = value["error"]
            assert set(error) == {"message", "type", "param", "code", "request_id"}
            return dict(error)
        assert isinstance(value["error"], str)
        return {**value, "message": value["error"]}


def _ways() -> tuple[Way, ...]:
    messages = [{"role": "user", "content": "hello"}]
    ways: list[Way] = []
    for streamed in (True, False):
        kind = "stream" if streamed else "whole"
        ways += [
            Way(f"chat-{kind}", "/api/chat", {"model": "m", "messages": messages, "stream": streamed}, False, streamed),
            Way(
                f"generate-{kind}",
                "/api/generate",
                {"model": "m", "prompt": "hello", "stream": streamed},
                False,
                streamed,
            ),
            Way(
                f"v1-{kind}",
                "/v1/chat/completions",
                {"model": "m", "messages": messages, "stream": streamed},
                True,
                streamed,
            ),
        ]
    return tuple(ways)


WAYS = _ways()
CHAT, GENERATE, V1, CHAT_WHOLE, GENERATE_WHOLE, V1_WHOLE = WAYS

each_way = pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
each_stream = pytest.mark.parametrize("way", WAYS[:3], ids=lambda way: way.name)
each_whole = pytest.mark.parametrize("way", WAYS[3:], ids=lambda way: way.name)
each_dialect = pytest.mark.parametrize("way", [CHAT, V1], ids=lambda way: way.name)
