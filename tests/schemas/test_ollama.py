"""The request types of `/api/*`: names, defaults, strictness."""

from typing import Any

import pytest
from pydantic import ValidationError

from gateway.schemas.ollama import (
    ChatRequest,
    CopyRequest,
    CreateRequest,
    DeleteRequest,
    EmbeddingsRequest,
    EmbedRequest,
    GenerateRequest,
    OllamaRequest,
    OllamaSchema,
    PullRequest,
    PushRequest,
    ShowRequest,
)

REQUESTS = [
    ChatRequest,
    GenerateRequest,
    EmbedRequest,
    EmbeddingsRequest,
    ShowRequest,
    PullRequest,
    PushRequest,
    DeleteRequest,
    CopyRequest,
    CreateRequest,
]


@pytest.mark.parametrize("schema", REQUESTS)
def test_an_empty_object_is_a_request_with_nothing_set(schema: type[OllamaSchema]) -> None:
    assert schema.model_validate({}).model_fields_set == set()


@pytest.mark.parametrize("schema", REQUESTS)
def test_null_means_unset_for_every_field(schema: type[OllamaSchema]) -> None:
    nulls = {field.alias or name: None for name, field in schema.model_fields.items()}
    assert schema.model_validate(nulls) == schema.model_validate({})


@pytest.mark.parametrize("schema", [ShowRequest, PullRequest, PushRequest, DeleteRequest, CreateRequest])
@pytest.mark.parametrize(
    ("body", "name"),
    [
        pytest.param({"model": "m"}, "m", id="model"),
        pytest.param({"name": "n"}, "n", id="name, the older key"),
        pytest.param({"model": "m", "name": "n"}, "m", id="model wins"),
        pytest.param({"model": "", "name": "n"}, "n", id="an empty model is none"),
        pytest.param({}, "", id="neither"),
    ],
)
def test_model_and_name_both_name_the_model(schema: type[OllamaRequest], body: dict[str, Any], name: str) -> None:
    assert schema.model_validate(body).model_name == name


@pytest.mark.parametrize("schema", [ChatRequest, GenerateRequest, EmbedRequest, EmbeddingsRequest])
def test_inference_knows_only_model(schema: type[OllamaRequest]) -> None:
    assert schema.model_validate({"model": "m", "name": "n"}).model_name == "m"
    assert schema.model_validate({"name": "n"}).model_name == ""


@pytest.mark.parametrize(
    ("schema", "body"),
    [
        pytest.param(ChatRequest, {"stream": "true"}, id="a string is no bool"),
        pytest.param(ChatRequest, {"stream": 1}, id="a number is no bool"),
        pytest.param(ChatRequest, {"model": 1}, id="a number is no string"),
        pytest.param(ChatRequest, {"top_logprobs": "1"}, id="a string is no int"),
        pytest.param(ChatRequest, {"top_logprobs": 1.0}, id="a fraction is no int"),
        pytest.param(ChatRequest, {"top_logprobs": True}, id="a bool is no int"),
        pytest.param(ChatRequest, {"top_logprobs": 2**63}, id="an int has 64 bits"),
        pytest.param(ChatRequest, {"messages": {}}, id="an object is no list"),
        pytest.param(ChatRequest, {"messages": [{"content": []}]}, id="parts are no content"),
        pytest.param(ChatRequest, {"options": []}, id="a list is no object"),
        pytest.param(GenerateRequest, {"context": ["1"]}, id="a context holds ints"),
        pytest.param(GenerateRequest, {"images": [1]}, id="an image is a string"),
        pytest.param(CreateRequest, {"files": {"a": 1}}, id="a file's digest is a string"),
    ],
)
def test_types_are_as_strict_as_gos(schema: type[OllamaSchema], body: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        schema.model_validate(body)


def test_tool_arguments_must_be_an_object() -> None:
    calls = [{"function": {"name": "f", "arguments": '{"a": 1}'}}]
    with pytest.raises(ValidationError):
        ChatRequest.model_validate({"messages": [{"role": "assistant", "tool_calls": calls}]})


def test_roles_are_lower_cased_and_not_judged() -> None:
    request = ChatRequest.model_validate({"messages": [{"role": "USER"}, {"role": "Critic"}, {}]})
    assert [message.role for message in request.messages] == ["user", "critic", ""]


def test_nulls_in_lists_are_left_out_or_empty() -> None:
    request = ChatRequest.model_validate({"messages": [None, {"role": "user", "images": [None, "AAAA"]}]})
    assert request.messages[0].role == ""
    assert request.messages[1].images == ["AAAA"]


def test_a_tool_keeps_every_key_of_its_schema() -> None:
    tool = {
        "type": "function",
        "strict": True,
        "function": {
            "name": "f",
            "x-note": "kept",
            "parameters": {"type": "object", "properties": {"n": {"minimum": 1}}, "additionalProperties": False},
        },
    }
    request = ChatRequest.model_validate({"tools": [tool]})
    assert request.tools[0].model_dump(exclude_unset=True) == tool


def test_unknown_keys_of_a_request_are_ignored() -> None:
    assert ChatRequest.model_validate({"model": "m", "width": 3}) == ChatRequest.model_validate({"model": "m"})


def test_keys_that_python_cannot_spell_have_their_wire_name() -> None:
    assert CreateRequest.model_validate({"from": "base"}).from_ == "base"
    assert ChatRequest.model_validate({"_debug_render_only": True}).debug_render_only is True


@pytest.mark.parametrize("schema", [ChatRequest, GenerateRequest, PullRequest, PushRequest, CreateRequest])
def test_stream_is_unset_unless_given(schema: type[Any]) -> None:
    assert schema.model_validate({}).stream is None
    assert schema.model_validate({"stream": False}).stream is False


@pytest.mark.parametrize(
    ("schema", "body", "given"),
    [
        pytest.param(EmbedRequest, {"input": ["a"], "prompt": "b"}, ["a"], id="embed prefers input"),
        pytest.param(EmbedRequest, {"prompt": "b"}, "b", id="embed takes a prompt"),
        pytest.param(EmbeddingsRequest, {"input": ["a"], "prompt": "b"}, "b", id="embeddings prefers prompt"),
        pytest.param(EmbeddingsRequest, {"input": ["a"]}, ["a"], id="embeddings takes an input"),
        pytest.param(EmbedRequest, {}, None, id="nothing"),
    ],
)
def test_both_embedding_routes_take_prompt_and_input(
    schema: type[EmbedRequest | EmbeddingsRequest], body: dict[str, Any], given: Any
) -> None:
    assert schema.model_validate(body).given_input == given


def test_a_password_is_in_no_repr() -> None:
    request = PullRequest.model_validate({"model": "m", "username": "someone", "password": "hunter2"})
    assert "hunter2" not in repr(request)


def test_defaults_are_not_shared_between_requests() -> None:
    first = ChatRequest.model_validate({})
    first.messages.append(ChatRequest.model_validate({"messages": [{}]}).messages[0])
    assert ChatRequest.model_validate({}).messages == []
