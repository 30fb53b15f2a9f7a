"""The routes of OpenAI's API and what the document says of them."""

import json
from typing import Any

from gateway.openapi import refusals
from gateway.openapi.ollama_operations import DELIVERY
from gateway.openapi.openai_answers import (
    ChatCompletion,
    ChatCompletionChunk,
    EmbeddingAnswer,
    OpenAIError,
    OpenAIModel,
    OpenAIModelList,
    TextCompletion,
)
from gateway.openapi.operation import (
    EVENTS,
    JSON,
    Answer,
    Content,
    Examples,
    Model,
    Operation,
    Operations,
    answered,
    asked,
    in_path,
    json_content,
)
from gateway.schemas import openai

TAG = "OpenAI"
_PASSED = (
    "The body is checked and passed on as it is, whatever else it holds; the answer is the backend's. "
    "Only the model's name may be replaced in a request."
)
_STREAMS = (
    "With `stream`, it comes as server-sent events, ended by `[DONE]`; one that breaks off ends with an error instead."
)
_HI = {"role": "user", "content": "hi"}
_HEAD = {"id": "chatcmpl-fc4b8db39a074204a65943261b98d162", "created": 1795932815, "model": "demo"}
_USAGE = {"prompt_tokens": 1, "completion_tokens": 19, "total_tokens": 20}
_TEXT_HEAD = {"id": "cmpl-88a00c17563c499f94bfdc577d4e3b29", "object": "text_completion", **_HEAD}
_BROKEN = {
    "error": {
        "message": "the backend fell silent in its answer for 60 s",
        "type": "api_error",
        "param": None,
        "code": None,
        "request_id": refusals.REQUEST_ID,
    }
}
_MODEL = {"id": "demo", "object": "model", "created": 1767225600, "owned_by": "demo"}


def _events(*data: Any) -> str:
    return "".join(f"data: {one if one == '[DONE]' else json.dumps(one, separators=(',', ':'))}\n\n" for one in data)


def _chunk(delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return {**_HEAD, "object": "chat.completion.chunk", "choices": [choice]}


def _text(text: str, finish_reason: str | None = None) -> dict[str, Any]:
    return {
        **_TEXT_HEAD,
        "object": "text_completion",
        "choices": [{"index": 0, "text": text, "finish_reason": finish_reason}],
    }


def _completion(message: dict[str, Any], finish_reason: str) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish_reason}
    return {**_HEAD, "object": "chat.completion", "choices": [choice], "usage": _USAGE}


_CALL = {
    "id": "call_0efe679f20114ccba34f6d0e",
    "type": "function",
    "function": {"name": "get_weather", "arguments": '{"city": "Rome"}'},
}
_WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def _streamed(whole: Model, part: Model, answers: Examples, events: Examples) -> tuple[Answer, ...]:
    contents = (Content(JSON, answers, whole), Content(EVENTS, events, items=(part, OpenAIError)))
    return (Answer("The answer, whole or as events.", contents, explained=True),)


OPERATIONS: Operations = {
    ("POST", "/v1/chat/completions"): Operation(
        "create_chat_completion",
        TAG,
        "Answer a conversation",
        f"{_PASSED} {_STREAMS}",
        _streamed(
            ChatCompletion,
            ChatCompletionChunk,
            {
                "text": _completion({"content": "Hello! I am demo, a small demo model."}, "stop"),
                "call of a tool": _completion({"content": None, "tool_calls": [_CALL]}, "tool_calls"),
            },
            {
                "text": _events(
                    _chunk({"role": "assistant", "content": ""}),
                    _chunk({"content": "Hello!"}),
                    _chunk({}, "stop"),
                    "[DONE]",
                ),
                "broken off": _events(_chunk({"content": "Hello!"}), _BROKEN),
            },
        ),
        (*refusals.INFERENCE, "missing"),
        asked(
            openai.ChatCompletionRequest,
            in_one_piece={"model": "demo", "messages": [_HI]},
            stream={"model": "demo", "messages": [_HI], "stream": True, "stream_options": {"include_usage": True}},
            tools={
                "model": "demo",
                "messages": [{"role": "user", "content": "What is the weather in Rome?"}],
                "tools": [_WEATHER],
            },
            parts={"model": "demo-vision", "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]},
        ),
        (DELIVERY,),
    ),
    ("POST", "/v1/completions"): Operation(
        "create_completion",
        TAG,
        "Go on with a text",
        f"{_PASSED} {_STREAMS}",
        _streamed(
            TextCompletion,
            TextCompletion,
            {"text": {**_text(" and that is where the demo model goes on.", "stop"), "usage": _USAGE}},
            {
                "text": _events(_text(" and"), _text(" that", "length"), "[DONE]"),
                "broken off": _events(_text(" and"), _BROKEN),
            },
        ),
        (*refusals.INFERENCE, "missing"),
        asked(
            openai.CompletionRequest,
            in_one_piece={"model": "demo", "prompt": "Once upon a time", "max_tokens": 20},
            stream={"model": "demo", "prompt": "Once upon a time", "stream": True},
        ),
        (DELIVERY,),
    ),
    ("POST", "/v1/embeddings"): Operation(
        "create_embeddings",
        TAG,
        "Make vectors of texts",
        _PASSED,
        (
            Answer(
                "A vector a text.",
                (
                    json_content(
                        EmbeddingAnswer,
                        one_text={
                            "object": "list",
                            "data": [{"object": "embedding", "index": 0, "embedding": [-1.0, 0.0, 0.0, 0.0]}],
                            "model": "demo-embed",
                            "usage": {"prompt_tokens": 1, "total_tokens": 1},
                        },
                    ),
                ),
                explained=True,
            ),
        ),
        (*refusals.INFERENCE, "missing"),
        asked(openai.EmbeddingRequest, one_text={"model": "demo-embed", "input": "hi", "dimensions": 4}),
    ),
    ("GET", "/v1/models"): Operation(
        "list_openai_models",
        TAG,
        "List the models",
        "The backends' own entries, and virtual models.",
        answered("The models.", OpenAIModelList, one_model={"object": "list", "data": [_MODEL]}),
        refusals.LISTING,
    ),
    ("GET", "/v1/models/{model}"): Operation(
        "retrieve_openai_model",
        TAG,
        "Show one model",
        "Of a model that is listed, or named in MODEL_MAPPING_FILE.",
        answered("The model.", OpenAIModel, demo=_MODEL),
        ("unknown_model", *refusals.LISTING),
        parameters=in_path("model", "Its name, slashes and all.", "demo"),
    ),
}
