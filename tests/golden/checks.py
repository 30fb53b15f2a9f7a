"""What must hold of every request that reaches a backend, whichever client it came from."""

from typing import Any


def check_results_are_paired(messages: list[dict[str, Any]]) -> None:
    """Every call has an id of its own, and every result that of a call before it, each once."""
    waiting: list[str] = []
    seen: set[str] = set()
    for message in messages:
        for call in message.get("tool_calls", []):
            assert call["type"] == "function"
            assert isinstance(call["function"]["arguments"], str)
            assert call["id"]
            assert call["id"] not in seen
            seen.add(call["id"])
            waiting.append(call["id"])
        if message["role"] == "tool":
            assert message["tool_call_id"] in waiting
            waiting.remove(message["tool_call_id"])
    assert seen, "no call reached the backend"
    assert not waiting, f"calls without a result: {waiting}"


def check_nothing_is_empty(body: dict[str, Any]) -> None:
    """No field says null, or that there is nothing; a message may have no words."""
    for key, value in body.items():
        assert value not in (None, "", [], {}), f"{key} is {value!r}"
    for message in body["messages"]:
        for key, value in message.items():
            assert key == "content" or value not in (None, "", [], {}), f"a message's {key} is {value!r}"
