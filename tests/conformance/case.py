"""What a row of the contract is here: a request, and what must come back or go out to the backend."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.conformance.client import Answer, Ask, Request
from tests.conformance.recorder import Reply

Server = Literal["demo", "strict", "recorder", "virtual"]
"""Gateways to ask: two in front of the demo backend (one strict), two of the recorder (one of virtual models)."""


@dataclass(frozen=True, slots=True)
class Case:
    """One row. What is left at its default is not looked at, but for the status, which is 200.

    `error`: the text of the error, whole, or a pattern it matches whole. `has`: parts of the JSON answer (of the last
    line of a stream). `holds`: what else must be true of the answer. `reply`: what the recorder answers (it is asked
    when `server` is "recorder" or "virtual"). `sent`, `unsent`: keys of the body the backend got, and keys it must not
    have had; `sent_holds`: what else must be true of it. `play`: a row of several requests, instead of `request`.
    """

    section: str
    id: str
    request: Request | None = None
    server: Server = "demo"
    status: int = 200
    error: str | re.Pattern[str] | None = None
    has: Mapping[str, Any] = field(default_factory=dict)
    holds: Callable[[Answer], object] | None = None
    reply: Reply | None = None
    sent: Mapping[str, Any] = field(default_factory=dict)
    unsent: Sequence[str] = ()
    sent_holds: Callable[[Mapping[str, Any]], object] | None = None
    play: Callable[[Ask], None] | None = None


@dataclass(frozen=True, slots=True)
class NotOurs:
    """A row that is true only of a server that runs models itself, and why."""

    section: str
    id: str
    reason: str


def post(path: str, body: object = None, **headers: str) -> Request:
    """A POST; underscores in the names of headers stand for dashes."""
    return Request("POST", path, body, {name.replace("_", "-"): value for name, value in headers.items()})


def get(path: str, method: str = "GET", **headers: str) -> Request:
    """A request without a body."""
    return Request(method, path, None, {name.replace("_", "-"): value for name, value in headers.items()})


def user(text: str, **fields: Any) -> dict[str, Any]:
    """A message of the user."""
    return {"role": "user", "content": text, **fields}


def chat(text: str = "hi", /, **fields: Any) -> Request:
    """A plain chat request for the model `demo`; `fields` replace and add."""
    return post("/api/chat", {"model": "demo", "messages": [user(text)], "stream": False, **fields})


def generate(text: str = "hi", /, **fields: Any) -> Request:
    """A plain generate request for the model `demo`."""
    return post("/api/generate", {"model": "demo", "prompt": text, "stream": False, **fields})


def embed(given: object = "hi", /, **fields: Any) -> Request:
    """An embed request for the model `demo-embed`."""
    return post("/api/embed", {"model": "demo-embed", "input": given, **fields})
