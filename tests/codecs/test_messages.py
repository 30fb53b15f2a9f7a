"""Ollama's messages become OpenAI's; every tool result finds its call."""

import json
from typing import Any

import pytest

from gateway.codecs.messages import encode_messages
from gateway.errors import RequestError
from gateway.schemas.ollama import Message

PNG = "iVBORw0KGgo="


def encode(*messages: dict[str, Any]) -> list[dict[str, Any]]:
    return encode_messages([Message.model_validate(message) for message in messages])


def calls(*functions: dict[str, Any]) -> dict[str, Any]:
    return {"role": "assistant", "tool_calls": [{"function": {"arguments": {}, **function}} for function in functions]}


def test_plain_messages_keep_role_and_text() -> None:
    assert encode({"role": "system", "content": "be brief"}, {"role": "User", "content": "hi"}) == [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "hi"},
    ]


def test_a_message_without_a_role_is_the_users() -> None:
    assert encode({"content": "hi"}) == [{"role": "user", "content": "hi"}]


def test_a_result_with_an_id_that_no_call_has_answers_the_oldest_call() -> None:
    asked, result = encode(calls({"name": "f"}), {"role": "tool", "tool_call_id": "made-up", "content": "1"})
    assert result["tool_call_id"] == asked["tool_calls"][0]["id"]


def test_images_become_parts_after_the_text() -> None:
    content = encode({"role": "user", "content": "what?", "images": [PNG]})[0]["content"]
    assert content == [
        {"type": "text", "text": "what?"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
    ]
    assert [part["type"] for part in encode({"role": "user", "images": [PNG]})[0]["content"]] == ["image_url"]


def test_a_broken_image_is_the_clients_fault() -> None:
    with pytest.raises(RequestError, match="illegal base64 data at input byte 0"):
        encode({"role": "user", "images": ["!"]})


def test_arguments_go_out_as_text() -> None:
    call = encode(calls({"name": "f", "arguments": {"city": "Zürich"}}))[0]["tool_calls"][0]
    assert call["type"] == "function"
    assert call["function"]["name"] == "f"
    assert json.loads(call["function"]["arguments"]) == {"city": "Zürich"}


def test_results_without_id_or_name_answer_the_calls_in_order() -> None:
    asked, first, second = encode(
        calls({"name": "f"}, {"name": "g"}), {"role": "tool", "content": "1"}, {"role": "tool", "content": "2"}
    )
    assert [first["tool_call_id"], second["tool_call_id"]] == [call["id"] for call in asked["tool_calls"]]


def test_results_with_a_name_answer_the_call_of_that_name() -> None:
    asked, first, second = encode(
        calls({"name": "f"}, {"name": "g"}),
        {"role": "tool", "tool_name": "g", "content": "2"},
        {"role": "tool", "tool_name": "f", "content": "1"},
    )
    assert [second["tool_call_id"], first["tool_call_id"]] == [call["id"] for call in asked["tool_calls"]]


def test_results_with_an_id_answer_that_call() -> None:
    assistant = {"role": "assistant", "tool_calls": [{"id": name, "function": {"name": "f"}} for name in ("a", "b")]}
    _, first, second = encode(
        assistant, {"role": "tool", "tool_call_id": "b", "content": ""}, {"role": "tool", "content": ""}
    )
    assert (first["tool_call_id"], second["tool_call_id"]) == ("b", "a")


def test_two_calls_of_one_name_are_answered_in_order() -> None:
    asked, first, second = encode(
        calls({"name": "f"}, {"name": "f"}),
        {"role": "tool", "tool_name": "f", "content": "1"},
        {"role": "tool", "tool_name": "f", "content": "2"},
    )
    ids = [call["id"] for call in asked["tool_calls"]]
    assert [first["tool_call_id"], second["tool_call_id"]] == ids
    assert len(set(ids)) == 2


def test_invented_ids_are_the_same_in_every_round() -> None:
    history = [calls({"name": "f"}), {"role": "tool", "content": "1"}]
    longer = [*history, {"role": "assistant", "content": "so"}, calls({"name": "f"}), {"role": "tool", "content": "2"}]
    assert encode(*longer)[:2] == encode(*history)
    ids = [message["tool_call_id"] for message in encode(*longer) if "tool_call_id" in message]
    assert len(set(ids)) == 2


def test_a_result_that_answers_no_call_still_has_an_id() -> None:
    assert encode({"role": "tool", "content": "1"})[0]["tool_call_id"].startswith("call_")
    assert encode({"role": "tool", "tool_call_id": "x", "content": "1"})[0]["tool_call_id"] == "x"
