"""Which schema an answer must fit: by its route, its status, and whether it is a stream."""

import json
from collections.abc import Mapping
from typing import NamedTuple

from pydantic import BaseModel, ValidationError

from tests.conformance import shapes
from tests.conformance.client import Answer, Request

_JSON = "application/json; charset=utf-8"
_PROGRESS = ("/api/pull", "/api/push", "/api/create")


class Route(NamedTuple):
    """The schemas of one route: of a whole answer, of a line before the last one, and of the last one."""

    whole: type[BaseModel] | None
    line: type[BaseModel] | None = None
    last: type[BaseModel] | None = None


ROUTES: Mapping[str, Route] = {
    "/api/chat": Route(shapes.ChatAnswer, shapes.ChatChunk, shapes.ChatEnd),
    "/api/generate": Route(shapes.GenerateAnswer, shapes.GenerateChunk, shapes.GenerateEnd),
    "/api/embed": Route(shapes.Embedded),
    "/api/embeddings": Route(shapes.OldEmbedded),
    "/api/tags": Route(shapes.Tags),
    "/api/ps": Route(shapes.Ps),
    "/api/show": Route(shapes.Shown),
    "/api/pull": Route(shapes.Progress, shapes.Progress, shapes.Progress),
    "/api/push": Route(shapes.Progress, shapes.Progress, shapes.Progress),
    "/api/create": Route(shapes.Progress, shapes.Progress, shapes.Progress),
    "/api/version": Route(shapes.ServerVersion),
    "/api/status": Route(shapes.Status),
    "/api/experimental/model-recommendations": Route(shapes.Recommendations),
    "/api/experimental/web_search": Route(shapes.Search),
    "/v1/chat/completions": Route(shapes.OpenAIObject),
    "/v1/completions": Route(shapes.OpenAIObject),
    "/v1/embeddings": Route(shapes.OpenAIList),
    "/v1/models": Route(shapes.OpenAIList),
    "/v1/models/{model}": Route(shapes.OpenAIObject),
}
"""A path that is not here may answer with errors and empty bodies only."""


def check(request: Request, answer: Answer) -> None:
    """Fail where an answer breaks the schema of its route; a body that is not JSON must not say that it is."""
    path = request.path.partition("?")[0].replace("//", "/")
    if path.startswith("/v1/models/"):
        path = "/v1/models/{model}"
    kind = answer.header("Content-Type")
    if request.method == "HEAD" or not answer.body:
        assert not (request.method == "HEAD" and answer.body)
    elif kind.startswith("application/x-ndjson"):
        _check_lines(path, answer)
    elif kind.startswith("application/json"):
        _check_object(path, answer)
    elif kind.startswith("text/event-stream"):
        _check_events(path, answer)
    else:
        assert kind.startswith("text/plain"), kind
        assert answer.status in (404, 405) or path == "/", answer.body[:200]


def _check_lines(path: str, answer: Answer) -> None:
    assert answer.status == 200
    assert answer.header("Content-Type") == "application/x-ndjson"
    assert answer.body.isascii(), "some clients split lines at characters beyond ASCII"
    route = ROUTES[path]
    assert route.line is not None, f"{path} never streams"
    assert route.last is not None
    *before, last = answer.lines
    for line in before:
        _fit(route.line, line)
    if "error" in last:
        _fit(shapes.Error, last)
    else:
        _fit(route.last, last)
        assert path not in _PROGRESS or last == {"status": "success"}, last


def _check_object(path: str, answer: Answer) -> None:
    if answer.status >= 400:
        _fit(shapes.OpenAIError if path.startswith("/v1/") else shapes.Error, answer.json)
    elif answer.json is None:
        assert path == "/api/signout"
    else:
        whole = ROUTES[path].whole
        assert whole is not None
        _fit(whole, answer.json)
        wanted = "application/json" if path in _PROGRESS else _JSON
        assert path.startswith("/v1/") or answer.header("Content-Type") == wanted
        assert not answer.body.endswith(b"\n")


def _check_events(path: str, answer: Answer) -> None:
    assert path.startswith("/v1/"), f"{path} has no server-sent events"
    *before, last = answer.events
    for event in before:
        _fit(shapes.OpenAIObject, json.loads(event))
    if last != "[DONE]":
        _fit(shapes.OpenAIError, json.loads(last))


def _fit(schema: type[BaseModel], value: object) -> None:
    try:
        schema.model_validate(value)
    except ValidationError as error:
        raise AssertionError(f"{json.dumps(value)[:600]}\nis no {schema.__name__}: {error}") from None
