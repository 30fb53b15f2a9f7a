"""`/v1`: the shape of errors, the texts of our own, and how streams end; the rest is the backend's own contract."""

from collections.abc import Sequence
from typing import Any

from tests.conformance.case import Case, NotOurs, get, post, user
from tests.conformance.client import Answer, Request
from tests.conformance.recorder import delta, error, stream

SECTION = "12 OpenAI layer"
CHAT, TEXT, EMBED = "/v1/chat/completions", "/v1/completions", "/v1/embeddings"


def _chat(**fields: Any) -> Request:
    return post(CHAT, {"model": "generic", "messages": [user("hi")], **fields})


def _says(kind: str) -> Any:
    return lambda answer: answer.json["error"]["type"] == kind


def _row(name: str, request: Request, server: Any = "recorder", **row: Any) -> Case:
    return Case(SECTION, name, request, server, **row)


def _ends_with_error(answer: Answer) -> object:
    return '"error"' in answer.events[-1] and "[DONE]" not in answer.body.decode()


def _usage_chunks(answer: Answer) -> int:
    return sum('"usage": {' in event or '"usage":{' in event for event in answer.events)


CASES: Sequence[Case] = (
    *(
        _row(f"empty body, {path}", post(path), status=400, error="EOF", holds=_says("invalid_request_error"))
        for path in (CHAT, TEXT, EMBED)
    ),
    _row("bad JSON", post(CHAT, b"x"), status=400, error="invalid character 'x' looking for beginning of value"),
    _row("no messages", _chat(messages=[]), status=400, error="[] is too short - 'messages'"),
    _row("unknown model", _chat(model="no-such-model"), status=404, holds=_says("not_found_error")),
    _row("unknown model, retrieve", get("/v1/models/no-such-model"), status=404, holds=_says("not_found_error")),
    _row("the backend's error", _chat(), status=429, error="slow down", reply=error(429, "slow down")),
    _row("unknown keys", _chat(no_such_key=1)),
    _row("stream ends with [DONE]", _chat(stream=True), holds=lambda answer: answer.events[-1] == "[DONE]"),
    _row(
        "stream fails",
        _chat(stream=True),
        reply=stream(delta(content="Hel"), done=False, cut=True),
        holds=_ends_with_error,
    ),
    _row(
        "usage chunk when asked for",
        _chat(stream=True, stream_options={"include_usage": True}),
        holds=lambda answer: _usage_chunks(answer) == 1,
    ),
    _row("no usage chunk when not asked for", _chat(stream=True), holds=lambda answer: _usage_chunks(answer) == 0),
    _row(
        "base64 embeddings",
        post(EMBED, {"model": "demo-embed", "input": "hi", "encoding_format": "base64"}),
        "demo",
        holds=lambda answer: isinstance(answer.json["data"][0]["embedding"], str),
    ),
    _row(
        "models",
        get("/v1/models"),
        "demo",
        holds=lambda answer: {item["object"] for item in answer.json["data"]} == {"model"},
    ),
    _row("retrieve", get("/v1/models/demo"), "demo", has={"id": "demo", "object": "model"}),
    _row(
        "retrieve, an id with slashes", get("/v1/models/Vendor/Mixed-Case:free"), has={"id": "Vendor/Mixed-Case:free"}
    ),
)

NOT_OURS: Sequence[NotOurs] = (
    NotOurs(
        SECTION, "what fields Ollama maps to its own", "requests pass through: the backend has OpenAI's own contract"
    ),
    NotOurs(SECTION, "data of null without models", "a list is a list, also when it is empty"),
)
