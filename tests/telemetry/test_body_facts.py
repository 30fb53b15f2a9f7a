import json
from typing import Any

import pytest

from gateway.telemetry.body_facts import body_facts


def facts(body: Any) -> dict[str, Any]:
    return body_facts(json.dumps(body).encode())


def test_names_numbers_and_counts_are_told() -> None:
    told = facts(
        {
            "model": "llama3",
            "stream": True,
            "options": {"temperature": 0.5, "num_predict": 10, "stop": ["secret-stop"]},
            "messages": [{"role": "user", "content": "12345", "images": ["aGk="]}, {"role": "user", "content": "678"}],
            "tools": [{}],
        }
    )
    assert told["parameters"] == {"num_predict": 10, "stream": True, "temperature": 0.5}
    assert told["fields"] == ["messages", "model", "num_predict", "options", "stop", "stream", "temperature", "tools"]
    assert (told["messages"], told["tools"], told["images"], told["characters"]) == (2, 1, 1, 8)


def test_parts_of_a_message_are_counted() -> None:
    parts = [{"type": "text", "text": "1234"}, {"type": "image_url", "image_url": {"url": "data:secret"}}]
    told = facts({"messages": [{"role": "user", "content": parts}]})
    assert (told["images"], told["characters"]) == (1, 4)


def test_nothing_that_a_client_wrote_is_told() -> None:
    secret = "secret-word"
    told = facts(
        {
            secret: 1, "model": secret, "prompt": secret, "system": secret, "temperature": secret, "user": secret,
            "options": {secret: 2, "seed": [secret], "top_k": {secret: 1}}, "metadata": {secret: secret},
            "messages": [{secret: secret, "content": secret}, secret], "tools": [{"name": secret}],
            "input": [secret, 5],
        }
    )  # fmt: skip
    assert secret not in json.dumps(told)
    assert "other" in told["fields"]


@pytest.mark.parametrize("body", [b"", b"no json", b"[1]", b"\xff", b"null", b'{"options": 3, "messages": 4}'])
def test_a_body_of_another_kind_tells_nothing_wrong(body: bytes) -> None:
    assert body_facts(body).get("messages", 0) == 0
