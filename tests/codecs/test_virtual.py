"""What a virtual model adds to requests on both APIs, and what of it a request overrides."""

import json
from typing import Any

import pytest

from gateway.backends.profiles import GENERIC, LLAMACPP, OPENAI
from gateway.codecs.contract import Defaults, Profile, Target
from gateway.codecs.embed_questions import EmbedQuestion
from gateway.codecs.ollama_questions import ChatQuestion, GenerateQuestion
from gateway.codecs.openai_questions import OpenAIRequest, PassThroughQuestion
from gateway.codecs.requests import read_openai_request
from gateway.codecs.virtual import read_virtual_model
from gateway.schemas.ollama import ChatRequest, EmbedRequest, GenerateRequest
from gateway.schemas.openai import ChatCompletionRequest, CompletionRequest, EmbeddingRequest

ENTRY: dict[str, Any] = {
    "model": "real",
    "system": "Be brief.",
    "options": {"temperature": 0.2, "num_predict": 50, "stop": "END", "top_k": 5},
    "messages": [{"role": "user", "content": "example"}, {"role": "assistant", "content": "answer"}],
}
SYSTEM = {"role": "system", "content": "Be brief."}
OWN = {"role": "system", "content": "my own"}
HI = {"role": "user", "content": "hi"}
EXAMPLES = ENTRY["messages"]


def target(profile: Profile = GENERIC, **entry: Any) -> Target:
    virtual = read_virtual_model("virtual", {**ENTRY, **entry})
    return Target("main", virtual.model, profile, virtual.defaults)


def chat(asked: dict[str, Any], to: Target) -> dict[str, Any]:
    question = ChatQuestion(ChatRequest.model_validate({"model": "virtual", "messages": [HI], **asked}))
    question.settle()
    first, second = (question.encode(to).body for _ in range(2))
    assert first == second
    body: dict[str, Any] = json.loads(first)
    return body


def generate(asked: dict[str, Any], to: Target) -> dict[str, Any]:
    question = GenerateQuestion(GenerateRequest.model_validate({"model": "virtual", "prompt": "hi", **asked}))
    question.settle()
    body: dict[str, Any] = json.loads(question.encode(to).body)
    return body


def v1(asked: dict[str, Any] | bytes, to: Target, path: str = "/chat/completions") -> dict[str, Any]:
    schemas: dict[str, type[OpenAIRequest]] = {
        "/chat/completions": ChatCompletionRequest,
        "/completions": CompletionRequest,
        "/embeddings": EmbeddingRequest,
    }
    body = asked if isinstance(asked, bytes) else json.dumps({"model": "virtual", **asked}).encode()
    schema = schemas[path]
    sent: dict[str, Any] = json.loads(
        PassThroughQuestion(path, body, read_openai_request(schema, body)).encode(to).body
    )
    return sent


@pytest.mark.parametrize(
    ("messages", "sent"),
    [
        ([HI], [SYSTEM, *EXAMPLES, HI]),
        ([OWN, HI], [OWN, *EXAMPLES, HI]),
        ([HI, OWN], [SYSTEM, *EXAMPLES, HI, OWN]),
    ],
)
def test_messages_come_before_the_conversation_and_a_leading_system_message_overrides_the_text(
    messages: list[Any], sent: list[Any]
) -> None:
    assert chat({"messages": messages}, target())["messages"] == sent
    assert v1({"messages": messages}, target())["messages"] == sent


def test_a_developers_message_counts_as_a_system_message_on_v1() -> None:
    developer = {"role": "developer", "content": "my own"}
    assert v1({"messages": [developer, HI]}, target())["messages"] == [developer, *EXAMPLES, HI]


def test_generate_puts_the_requests_system_in_place_of_the_models() -> None:
    assert generate({}, target())["messages"] == [SYSTEM, *EXAMPLES, HI]
    assert generate({"system": "my own"}, target())["messages"] == [OWN, *EXAMPLES, HI]


def test_raw_and_suffix_take_options_and_no_messages() -> None:
    for asked in ({"raw": True}, {"suffix": "x"}):
        body = generate(asked, target())
        assert "messages" not in body
        assert (body["prompt"], body["temperature"]) == ("hi", 0.2)


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        ({}, {"temperature": 0.2, "max_tokens": 50, "stop": ["END"]}),
        ({"temperature": 0}, {"temperature": 0.0, "max_tokens": 50, "stop": ["END"]}),
        ({"num_predict": -1, "stop": []}, {"temperature": 0.2}),
        ({"num_predict": None, "seed": 3}, {"temperature": 0.2, "max_tokens": 50, "stop": ["END"], "seed": 3}),
    ],
)
def test_options_of_the_request_override_the_models(asked: dict[str, Any], sent: dict[str, Any]) -> None:
    for body in (chat({"options": asked}, target()), generate({"options": asked}, target())):
        known = {"temperature", "max_tokens", "stop", "seed"}
        assert {key: value for key, value in body.items() if key in known} == sent


def test_options_go_out_as_the_profile_takes_them() -> None:
    assert "top_k" not in chat({}, target())
    assert chat({}, target(LLAMACPP))["top_k"] == 5
    assert v1({"messages": [HI]}, target(LLAMACPP))["top_k"] == 5
    assert chat({}, target(OPENAI))["max_completion_tokens"] == 50


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        ({}, {"temperature": 0.2, "max_tokens": 50, "stop": ["END"]}),
        ({"temperature": 0}, {"temperature": 0, "max_tokens": 50, "stop": ["END"]}),
        ({"temperature": None}, {"temperature": 0.2, "max_tokens": 50, "stop": ["END"]}),
        ({"max_tokens": 7, "stop": "x"}, {"temperature": 0.2, "max_tokens": 7, "stop": "x"}),
        ({"max_completion_tokens": 7}, {"temperature": 0.2, "max_completion_tokens": 7, "stop": ["END"]}),
    ],
)
def test_v1_gets_the_parameters_that_are_absent(asked: dict[str, Any], sent: dict[str, Any]) -> None:
    body = v1({"messages": [HI], **asked}, target())
    assert {key: value for key, value in body.items() if key not in ("model", "messages")} == sent
    assert body["model"] == "real"
    prompt = v1({"prompt": "hi", **asked}, target(), "/completions")
    assert {key: value for key, value in prompt.items() if key not in ("model", "prompt")} == sent


def test_what_a_backend_was_learnt_to_refuse_is_not_added() -> None:
    body = json.dumps({"model": "virtual", "messages": [HI]}).encode()
    question = PassThroughQuestion("/chat/completions", body, read_openai_request(ChatCompletionRequest, body))
    assert "temperature" not in json.loads(question.encode(target(), frozenset({"temperature"})).body)


def test_embeddings_are_asked_as_they_are() -> None:
    question = EmbedQuestion(EmbedRequest.model_validate({"model": "virtual", "input": "hi"}))
    assert json.loads(question.encode(target()).body) == {"model": "real", "input": ["hi"], "encoding_format": "float"}
    assert v1({"input": "hi"}, target(), "/embeddings") == {"model": "real", "input": "hi"}


def test_v1_keeps_every_other_byte_of_a_message() -> None:
    body = (
        b'{"model":"virtual","messages":[{"role":"user","content":"a\\u00e9","x":1.0},{"role" : "user","content":"b"}]}'
    )
    question = PassThroughQuestion("/chat/completions", body, read_openai_request(ChatCompletionRequest, body))
    sent = question.encode(target()).body
    assert b'{"role":"user","content":"a\\u00e9","x":1.0},{"role" : "user","content":"b"}]' in sent


def test_v1_takes_bodies_that_only_the_slow_path_reads() -> None:
    body = b'\xef\xbb\xbf{"model":"virtual","messages":[{"role":"system","content":"\xff"}]}'
    assert v1(body, target())["messages"] == [{"role": "system", "content": "\ufffd"}, *EXAMPLES]


def test_an_entry_that_adds_nothing_changes_no_byte() -> None:
    assert read_virtual_model("a", {"model": "b", "system": "", "options": {}}).defaults is None
    assert read_virtual_model("a", "b").defaults is None


def test_a_model_without_a_system_text_adds_only_its_messages() -> None:
    assert chat({}, target(system=""))["messages"] == [*EXAMPLES, HI]
    assert Defaults() == Defaults(system="", messages=(), options={})
