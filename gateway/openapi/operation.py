"""Operation: what the document says of one route beyond what the route table knows. Plain data."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel

JSON = "application/json"
LINES = "application/x-ndjson"
EVENTS = "text/event-stream"
TEXT = "text/plain"

type Model = type[BaseModel]
type Examples = Mapping[str, Any]
"""Examples by what they show. Those of JSON are values, those of anything else texts."""


class Content(NamedTuple):
    """A body in one form. `model`: of the JSON; in a stream, `items` are those of what is on its lines or events."""

    media: str
    examples: Examples
    model: Model | None = None
    items: tuple[Model, ...] = ()
    schema: Mapping[str, Any] = {"type": "string"}
    """Of what is not JSON."""


class Answer(NamedTuple):
    """An answer that is no error."""

    meaning: str
    contents: tuple[Content, ...] = ()
    status: int = 200
    explained: bool = False
    """Whether it says in headers which backend answered."""
    headers: tuple[str, ...] = ()
    """Names among `shared.HEADERS`."""


class Body(NamedTuple):
    """The body of a request."""

    contents: tuple[Content, ...]
    meaning: str
    required: bool = True


class Parameter(NamedTuple):
    """A part of the path, of the query, or a header of the request."""

    name: str
    where: str
    meaning: str
    schema: Mapping[str, Any]
    example: Any


class Operation(NamedTuple):
    """One route. `errors`: names among `refusals.REFUSALS`, beside those that any route has."""

    id: str
    tag: str
    summary: str
    meaning: str
    answers: tuple[Answer, ...]
    errors: tuple[str, ...] = ()
    body: Body | None = None
    parameters: tuple[Parameter, ...] = ()
    deprecated: bool = False


type Operations = Mapping[tuple[str, str], Operation]
"""By method and path."""


def json_content(model: Model, **examples: Any) -> Content:
    """Return JSON; the names of the examples are words with `_` between them."""
    return Content(JSON, {name.replace("_", " "): value for name, value in examples.items()}, model)


def answered(meaning: str, model: Model, **examples: Any) -> tuple[Answer, ...]:
    """Return the one answer of a route: JSON, with 200."""
    return (Answer(meaning, (json_content(model, **examples),)),)


def asked(model: Model, **examples: Any) -> Body:
    """Return a body of JSON."""
    return Body((json_content(model, **examples),), "JSON, whatever the Content-Type says.")


def in_path(name: str, meaning: str, example: str) -> tuple[Parameter, ...]:
    """Return the one part of a path that is not fixed."""
    return (Parameter(name, "path", meaning, {"type": "string"}, example),)
