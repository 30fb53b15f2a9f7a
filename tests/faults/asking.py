"""The client's view: six ways to ask, and what came of it, however broken it is."""

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import aiohttp

from tests.faults.wire import PRIMARY, SPARE

QUESTION = "What is a gateway worth?"
DELIVERY_HEADER = "X-Gateway-Delivery"


@dataclass(frozen=True, slots=True)
class Way:
    """A route, streaming or not, and the delivery to ask for ("" asks for none)."""

    name: str
    path: str
    streamed: bool
    delivery: str = ""

    @property
    def v1(self) -> bool:
        """Whether it speaks OpenAI's words."""
        return self.path.startswith("/v1")

    @property
    def live(self) -> bool:
        """Whether the client sees words before the answer is known to be whole."""
        return self.delivery == "live"

    def body(self, model: str) -> dict[str, Any]:
        """Return the request."""
        body: dict[str, Any] = {"model": model, "stream": self.streamed}
        if self.path == "/api/generate":
            body["prompt"] = QUESTION
        else:
            body["messages"] = [{"role": "user", "content": QUESTION}]
        if self.v1 and self.streamed:
            body["stream_options"] = {"include_usage": True}
        return body


def _ways() -> tuple[Way, ...]:
    routes = {"v1": "/v1/chat/completions", "chat": "/api/chat", "generate": "/api/generate"}
    whole = [Way(f"{name}-stream", path, True, "whole") for name, path in routes.items()]
    plain = [Way(f"{name}-plain", path, False) for name, path in routes.items()]
    live = [Way(f"{name}-live", path, True, "live") for name, path in routes.items()]
    return (*whole, *plain, *live)


WAYS = _ways()
SIX_WAYS = WAYS[:6]
LIVE_WAYS = WAYS[6:]


class Outcome(StrEnum):
    """What a client got."""

    ANSWER = "answer"
    ERROR = "error"
    BROKEN = "broken"
    """Neither: half an answer as a success, two mixed, words after an error, no end, garbage."""
    HUNG = "hung"


@dataclass
class Seen:
    """One call as its client saw it. `usage`: (prompt, completion) tokens; `error`: the text of all errors."""

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    text: str = ""
    ended: bool = False
    model: str = ""
    remote_model: str = ""
    usage: tuple[int, int] | None = None
    errors: list[str] = field(default_factory=list)
    code: str = ""
    problems: list[str] = field(default_factory=list)
    heartbeats: int = 0
    hung: bool = False
    wall_s: float = 0.0
    began_s: float = 0.0

    @property
    def error(self) -> str:
        """The text of all errors."""
        return " | ".join(self.errors)

    @property
    def outcome(self) -> Outcome:
        """What the client got."""
        if self.hung:
            return Outcome.HUNG
        if self.why_broken():
            return Outcome.BROKEN
        return Outcome.ERROR if self.errors else Outcome.ANSWER

    def why_broken(self) -> str:
        """Return what is wrong with the form of the answer; "" where it is one whole answer or one honest error."""
        if self.problems:
            return self.problems[0]
        texts = (PRIMARY.text, SPARE.text)
        if not self.errors:
            if not self.ended:
                return "no end and no error"
            return "" if self.text in texts else f"a success with another text: {self.text[-60:]!r}"
        if len(self.errors) > 1:
            return "more than one error"
        if self.ended:
            return "an end beside the error"
        if not any(text.startswith(self.text) for text in texts):
            return f"an error after a text that is no beginning: {self.text[-60:]!r}"
        return ""

    def shown(self) -> dict[str, Any]:
        """Return it for a report."""
        return {
            "outcome": self.outcome,
            "why": self.why_broken(),
            "status": self.status,
            "words": len(self.text.split(" ")) if self.text else 0,
            "by": self.voice,
            "model": self.model,
            "remote_model": self.remote_model,
            "usage": self.usage,
            "error": self.error,
            "heartbeats": self.heartbeats,
            "wall_s": round(self.wall_s, 3),
        }

    @property
    def voice(self) -> str:
        """Whose text came: primary or spare; "" for none."""
        if not self.text:
            return ""
        return "primary" if PRIMARY.text.startswith(self.text[:40]) else "spare"


class Asking:
    """Asks one gateway, each time over a connection of its own."""

    def __init__(self, url: str, headers: Mapping[str, str] | None = None) -> None:
        self.url = url.rstrip("/")
        self._headers = dict(headers or {})

    async def ask(self, way: Way, model: str, give_up_s: float) -> Seen:
        """Ask, and read to the end, or for `give_up_s` seconds."""
        seen = Seen(began_s=time.monotonic())
        headers = {**self._headers, **({DELIVERY_HEADER: way.delivery} if way.delivery else {})}
        connector = aiohttp.TCPConnector(force_close=True)
        try:
            async with (
                asyncio.timeout(give_up_s),
                aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=None)) as session,
                session.post(self.url + way.path, json=way.body(model), headers=headers) as response,
            ):
                seen.status, seen.headers = response.status, response.headers
                await _read(response, way, seen)
        except TimeoutError:
            seen.hung = True
        except (aiohttp.ClientError, OSError) as error:
            seen.problems.append(f"the connection broke: {type(error).__name__}")
        seen.wall_s = time.monotonic() - seen.began_s
        return seen


async def _read(response: aiohttp.ClientResponse, way: Way, seen: Seen) -> None:
    if response.status != 200 or not way.streamed:
        read_body(await response.read(), way, seen)
        return
    kind = response.headers.get("Content-Type", "")
    if not kind.startswith("text/event-stream" if way.v1 else "application/x-ndjson"):
        seen.problems.append(f"a stream of type {kind}")
    pieces = bytearray()
    try:
        async for data in response.content.iter_any():
            pieces += data
    finally:
        # What came before a cut is judged as well.
        (read_events if way.v1 else read_lines)(bytes(pieces), seen)


def read_body(data: bytes, way: Way, seen: Seen) -> None:
    """Note what an answer in one piece says."""
    try:
        value = json.loads(data)
    except ValueError:
        seen.problems.append(f"a body that is no JSON: {data[:60]!r}")
        return
    if seen.status != 200 or "error" in value:
        _note_error(value, seen)
        if seen.status == 200:
            seen.problems.append("an error with status 200")
    elif way.v1:
        choice = value["choices"][0]
        seen.text = choice["message"]["content"]
        seen.ended = bool(choice["finish_reason"])
        _note_v1(value, seen)
    else:
        _note_line(value, seen)


def read_lines(data: bytes, seen: Seen) -> None:
    """Note what a stream of JSON lines says."""
    *lines, rest = data.split(b"\n")
    if rest:
        seen.problems.append(f"half a line: {rest[:60]!r}")
    for line in lines:
        if seen.ended or seen.errors:
            seen.problems.append("a line after the last")
        try:
            value = json.loads(line)
        except ValueError:
            seen.problems.append(f"a line that is no JSON: {line[:60]!r}")
            continue
        if "error" in value:
            _note_error(value, seen)
        else:
            _note_line(value, seen)


def _note_line(value: dict[str, Any], seen: Seen) -> None:
    text = value["response"] if "response" in value else value["message"]["content"]
    if not text and not value["done"]:
        seen.heartbeats += 1
    seen.text += text
    seen.model = value["model"]
    if value["done"]:
        seen.ended = True
        seen.remote_model = value.get("remote_model", "")
        if "eval_count" in value:
            seen.usage = value.get("prompt_eval_count", 0), value["eval_count"]


def read_events(data: bytes, seen: Seen) -> None:
    """Note what a stream of events says."""
    *blocks, rest = data.split(b"\n\n")
    if rest:
        seen.problems.append(f"half an event: {rest[:60]!r}")
    finished = False
    for block in blocks:
        if seen.ended or seen.errors:
            seen.problems.append("an event after the last")
        if block.startswith(b":"):
            seen.heartbeats += 1
        elif not block.startswith(b"data: "):
            seen.problems.append(f"no event: {block[:60]!r}")
        elif block == b"data: [DONE]":
            seen.ended = finished
            if not finished:
                seen.problems.append("[DONE] without a finish reason")
        else:
            finished |= _note_event(block.removeprefix(b"data: "), seen)


def _note_event(data: bytes, seen: Seen) -> bool:
    """Note one event; return whether it has a finish reason."""
    try:
        value = json.loads(data)
    except ValueError:
        seen.problems.append(f"an event that is no JSON: {data[:60]!r}")
        return False
    if "error" in value:
        _note_error(value, seen)
        return False
    _note_v1(value, seen)
    seen.text += "".join(choice["delta"].get("content") or "" for choice in value["choices"])
    return any(choice.get("finish_reason") for choice in value["choices"])


def _note_v1(value: dict[str, Any], seen: Seen) -> None:
    if seen.model and value["model"] != seen.model:
        seen.problems.append(f"two models in one answer: {seen.model} and {value['model']}")
    seen.model = value["model"]
    if usage := value.get("usage"):
        seen.usage = usage["prompt_tokens"], usage["completion_tokens"]


def _note_error(value: dict[str, Any], seen: Seen) -> None:
    error = value.get("error")
    if isinstance(error, dict):
        seen.errors.append(str(error.get("message")))
        seen.code = str(error.get("code") or "")
    else:
        seen.errors.append(str(error))
