"""What the models say, and what an answer looks like."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gateway.demo import tokens

type Json = dict[str, Any]
type Ask = Callable[..., Awaitable[Json]]
type Chunks = Callable[..., Awaitable[list[Json]]]


def said(answer: Json) -> str:
    """The answer's text."""
    content = answer["choices"][0]["message"]["content"]
    assert isinstance(content, str)
    return content


@pytest.mark.parametrize("greeting", ["hi", "Hello!", "Good morning", "hey there"])
async def test_a_greeting_is_greeted(chat: Ask, greeting: str) -> None:
    assert said(await chat(greeting)).startswith("Hello! I am demo,")


async def test_a_sum_is_worked_out(chat: Ask) -> None:
    assert said(await chat("What is 2+2?")).startswith("2+2 = 4.")


async def test_a_question_is_repeated(chat: Ask) -> None:
    assert '"Why is the sky blue?"' in said(await chat("Why is the sky blue?"))


async def test_messages_and_words_are_counted(chat: Ask) -> None:
    conversation = [
        {"role": "user", "content": "one two"},
        {"role": "assistant", "content": None},
        {"role": "user", "content": [{"type": "text", "text": "three"}, {"type": "text", "text": "four"}]},
    ]
    assert "3 messages with 4 words." in said(await chat(conversation))


@pytest.mark.parametrize("role", ["system", "developer"])
async def test_the_system_prompt_is_mentioned(chat: Ask, role: str) -> None:
    answer = await chat([{"role": role, "content": "Be kind."}, {"role": "user", "content": "hi"}])
    assert 'My system prompt is "Be kind.".' in said(answer)
    assert "system prompt" not in said(await chat("hi"))


async def test_the_same_request_gets_the_same_answer(chat: Ask) -> None:
    first, second = await chat("Tell me a story"), await chat("Tell me a story")
    assert said(first) == said(second)
    assert first["id"] != second["id"]


async def test_usage_adds_up(chat: Ask) -> None:
    answer = await chat([{"role": "system", "content": "Be very kind."}, {"role": "user", "content": "hi there"}])
    usage = answer["usage"]
    assert usage["prompt_tokens"] == 5
    assert usage["completion_tokens"] == len(tokens.split(said(answer)))
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert answer["object"] == "chat.completion"


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
async def test_a_limit_cuts_the_answer(chat: Ask, name: str) -> None:
    answer = await chat("hi", **{name: 3})
    assert said(answer) == "Hello! I am"
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["usage"]["completion_tokens"] == 3


async def test_a_limit_that_is_just_enough_cuts_nothing(chat: Ask) -> None:
    whole = await chat("hi")
    exact = await chat("hi", max_tokens=whole["usage"]["completion_tokens"])
    assert (said(exact), exact["choices"][0]["finish_reason"]) == (said(whole), "stop")


@pytest.mark.parametrize("stop", [" demo", ["never said", " demo", ","], ["", " demo"]])
async def test_the_answer_ends_before_the_first_stop_string(chat: Ask, stop: str | list[str]) -> None:
    answer = await chat("hi", stop=stop)
    assert said(answer) == "Hello! I am"
    assert answer["choices"][0]["finish_reason"] == "stop"


async def test_log_probabilities_cover_every_token_and_rank_alternatives(chat: Ask) -> None:
    answer = await chat("hi", logprobs=True, top_logprobs=4)
    entries = answer["choices"][0]["logprobs"]["content"]
    assert "".join(entry["token"] for entry in entries) == said(answer)
    for entry in entries:
        ranked = [other["logprob"] for other in entry["top_logprobs"]]
        assert len(ranked) == len({other["token"] for other in entry["top_logprobs"]}) == 4
        assert ranked == sorted(ranked, reverse=True)
        assert entry["logprob"] == ranked[0] < 0
        assert bytes(entry["bytes"]).decode() == entry["token"]
    assert entries == (await chat("hi", logprobs=True, top_logprobs=4))["choices"][0]["logprobs"]["content"]


async def test_log_probabilities_are_absent_unless_asked_for(chat: Ask) -> None:
    assert (await chat("hi"))["choices"][0]["logprobs"] is None
    plain = await chat("hi", logprobs=True)
    assert plain["choices"][0]["logprobs"]["content"][0]["top_logprobs"] == []


async def test_the_thinking_model_thinks_before_it_answers(chat: Ask, chunks: Chunks) -> None:
    answer = await chat("hi", model="demo-thinking")
    message = answer["choices"][0]["message"]
    assert message["reasoning_content"].startswith('The user says "hi".')
    assert message["content"].startswith("Hello! I am demo-thinking")
    reasoning = answer["usage"]["completion_tokens_details"]["reasoning_tokens"]
    assert reasoning == len(tokens.split(message["reasoning_content"])) > 0
    assert answer["usage"]["completion_tokens"] == reasoning + len(tokens.split(message["content"]))

    messages = [{"role": "user", "content": "hi"}]
    deltas = [
        c["choices"][0]["delta"] for c in await chunks("/v1/chat/completions", model="demo-thinking", messages=messages)
    ]
    kinds = [next(iter(delta)) for delta in deltas[1:-1]]
    assert kinds == sorted(kinds, reverse=True)
    assert "".join(delta.get("reasoning_content", "") for delta in deltas) == message["reasoning_content"]


@pytest.mark.parametrize("off", [{"reasoning_effort": "none"}, {"chat_template_kwargs": {"enable_thinking": False}}])
async def test_thinking_can_be_switched_off(chat: Ask, off: Json) -> None:
    answer = await chat("hi", model="demo-thinking", **off)
    assert "reasoning_content" not in answer["choices"][0]["message"]
    assert answer["usage"]["completion_tokens_details"]["reasoning_tokens"] == 0


async def test_less_effort_means_fewer_thoughts(chat: Ask) -> None:
    sizes = []
    for effort in ("low", "medium", "high"):
        answer = await chat("hi", model="demo-thinking", reasoning_effort=effort)
        sizes.append(answer["usage"]["completion_tokens_details"]["reasoning_tokens"])
    assert sizes[0] < sizes[1] < sizes[2]


async def test_only_the_thinking_model_thinks(chat: Ask) -> None:
    answer = await chat("hi", reasoning_effort="high")
    assert "reasoning_content" not in answer["choices"][0]["message"]


async def test_a_limit_can_end_an_answer_within_its_thoughts(chat: Ask) -> None:
    answer = await chat("hi", model="demo-thinking", max_tokens=2)
    assert answer["choices"][0]["message"] == {"role": "assistant", "content": "", "reasoning_content": "The user"}
    assert answer["choices"][0]["finish_reason"] == "length"


async def test_json_mode_answers_with_an_object_about_the_request(chat: Ask) -> None:
    answer = await chat("Is this JSON?", response_format={"type": "json_object"})
    value = json.loads(said(answer))
    assert value["messages"] == 1
    assert value["words"] == 3
    assert "Is this JSON?" in value["answer"]


async def test_a_schema_is_answered_with_an_instance_filled_from_the_text(chat: Ask) -> None:
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "age": {"type": "integer"}, "city": {"type": "string"}},
        "required": ["name", "age", "city"],
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "person", "schema": schema}}
    answer = await chat("Alice is 22 years old and lives in Berlin.", response_format=wanted)
    assert json.loads(said(answer)) == {"name": "Alice", "age": 22, "city": "Berlin"}


async def test_an_impossible_schema_is_400(chat: Ask) -> None:
    endless = {
        "$ref": "#/$defs/a",
        "$defs": {"a": {"type": "object", "properties": {"b": {"$ref": "#/$defs/a"}}, "required": ["b"]}},
    }
    for schema in (endless, {"$ref": "#"}, {"$ref": "#/$defs/none"}, {"$ref": "http://x/y"}, {"minLength": 10**9}):
        wanted = {"type": "json_schema", "json_schema": {"schema": schema}}
        answer = await chat("hi", response_format=wanted)
        assert (answer["status"], answer["error"]["code"]) == (400, "invalid_schema")
        assert answer["error"]["param"] == "response_format.json_schema.schema"
