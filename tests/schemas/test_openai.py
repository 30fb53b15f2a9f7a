"""The request types of `/v1/*`: lenient, but not about what routing needs."""

from typing import Any

import pytest
from pydantic import ValidationError

from gateway.schemas.openai import ChatCompletionRequest, CompletionRequest, EmbeddingRequest, OpenAIRequest

CHAT = {"messages": [{"role": "user", "content": "hi"}]}


@pytest.mark.parametrize(
    ("schema", "body"),
    [
        pytest.param(ChatCompletionRequest, CHAT, id="chat"),
        pytest.param(
            ChatCompletionRequest, {"messages": [{"role": "user", "content": [{"type": "text"}]}]}, id="parts"
        ),
        pytest.param(ChatCompletionRequest, {"messages": [{"role": "assistant", "content": None}]}, id="no content"),
        pytest.param(ChatCompletionRequest, {"messages": [{"role": "tool", "x": 1}], "y": 2}, id="unknown keys"),
        pytest.param(
            ChatCompletionRequest, CHAT | {"temperature": 1, "n": 2, "stream": None}, id="a whole temperature"
        ),
        pytest.param(ChatCompletionRequest, CHAT | {"tools": [{"type": "custom"}]}, id="any kind of tool"),
        pytest.param(CompletionRequest, {"prompt": "a"}, id="a prompt"),
        pytest.param(CompletionRequest, {"prompt": [1, 2]}, id="tokens"),
        pytest.param(EmbeddingRequest, {"input": ["a", "b"]}, id="inputs"),
        pytest.param(EmbeddingRequest, {"input": ""}, id="an empty input"),
    ],
)
def test_what_a_backend_may_understand_is_accepted(schema: type[OpenAIRequest], body: dict[str, Any]) -> None:
    assert schema.model_validate(body).model is None


@pytest.mark.parametrize(
    ("schema", "body"),
    [
        pytest.param(ChatCompletionRequest, {}, id="no messages"),
        pytest.param(ChatCompletionRequest, {"messages": []}, id="empty messages"),
        pytest.param(ChatCompletionRequest, {"messages": ["hi"]}, id="a message that is no object"),
        pytest.param(ChatCompletionRequest, {"messages": [{"content": "hi"}]}, id="a message without a role"),
        pytest.param(ChatCompletionRequest, {"messages": [{"role": "user", "content": 1}]}, id="a number as content"),
        pytest.param(ChatCompletionRequest, CHAT | {"stream": "true"}, id="a string as bool"),
        pytest.param(ChatCompletionRequest, CHAT | {"temperature": "1"}, id="a string as number"),
        pytest.param(ChatCompletionRequest, CHAT | {"tools": ["f"]}, id="a tool that is no object"),
        pytest.param(CompletionRequest, {}, id="no prompt"),
        pytest.param(EmbeddingRequest, {"input": None}, id="no input"),
        pytest.param(EmbeddingRequest, {"input": "a", "model": 1}, id="a number as model"),
    ],
)
def test_a_wrong_type_that_matters_is_refused(schema: type[OpenAIRequest], body: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        schema.model_validate(body)


def test_a_request_without_a_model_has_an_empty_name() -> None:
    assert ChatCompletionRequest.model_validate(CHAT).model_name == ""
    assert ChatCompletionRequest.model_validate(CHAT | {"model": "m"}).model_name == "m"
