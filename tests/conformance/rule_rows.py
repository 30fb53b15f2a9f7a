"""Rules common to all routes, the routes themselves, and the names of models."""

import json
import re
from collections.abc import Sequence

from tests.conformance.case import Case, NotOurs, chat, embed, generate, get, post, user
from tests.conformance.client import Answer, Ask, Request
from tests.conformance.recorder import message

RULES = "1 common rules"
ROUTES = "2 routes"
NAMES = "4 model names"

_CHAT = json.dumps({"model": "demo", "messages": [user("hi")], "stream": False}).encode()
_UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z")
_TEXT = "text/plain"

_ROUTED = (
    ("GET", "/"),
    ("HEAD", "/"),
    ("GET", "/api/version"),
    ("HEAD", "/api/version"),
    ("GET", "/api/status"),
    ("GET", "/api/tags"),
    ("HEAD", "/api/tags"),
    ("POST", "/api/show"),
    ("GET", "/api/ps"),
    ("POST", "/api/chat"),
    ("POST", "/api/generate"),
    ("POST", "/api/embed"),
    ("POST", "/api/embeddings"),
    ("POST", "/api/pull"),
    ("POST", "/api/push"),
    ("POST", "/api/create"),
    ("POST", "/api/copy"),
    ("DELETE", "/api/delete"),
    ("POST", "/api/blobs/sha256:" + "1" * 64),
    ("HEAD", "/api/blobs/sha256:" + "1" * 64),
    ("POST", "/api/me"),
    ("POST", "/api/signout"),
    ("DELETE", "/api/user/keys/AAAA"),
    ("POST", "/api/experimental/web_search"),
    ("POST", "/api/experimental/web_fetch"),
    ("GET", "/api/experimental/model-recommendations"),
    ("POST", "/v1/chat/completions"),
    ("POST", "/v1/completions"),
    ("POST", "/v1/embeddings"),
    ("GET", "/v1/models"),
    ("GET", "/v1/models/demo"),
)
_NOT_ROUTED = (
    ("POST", "/v1/messages/count_tokens"),
    ("POST", "/v1/images/generations"),
    ("POST", "/v1/systemone"),
    ("POST", "/api/web_search"),
    ("GET", "/api/nothing"),
    ("POST", "/api/chat/api/show"),
)
_WRONG_METHODS = (
    ("GET", "/api/chat"),
    ("HEAD", "/api/ps"),
    ("HEAD", "/api/status"),
    ("PUT", "/api/tags"),
    ("POST", "/api/delete"),
    ("DELETE", "/api/show"),
    ("GET", "/v1/chat/completions"),
)


def _not_found(answer: Answer) -> object:
    return answer.body == b"404 page not found" and answer.header("Content-Type").startswith(_TEXT)


def _wrong_method(answer: Answer) -> object:
    wanted = b"" if answer.body == b"" else b"405 method not allowed"
    return answer.body == wanted and answer.header("Content-Type").startswith(_TEXT)


def _reaches_a_handler(method: str, path: str) -> Case:
    def play(ask: Ask) -> None:
        answer = ask(Request(method, path, b"{}" if method in ("POST", "DELETE") else None))
        # A handler's own 404 is JSON, or has no body; only a path that nobody serves is answered in text.
        assert answer.status != 405
        assert answer.body != b"404 page not found"
        assert answer.status != 404 or not answer.header("Content-Type").startswith(_TEXT)

    return Case(ROUTES, f"{method} {path.replace('1' * 64, '…')}", play=play)


def _streams_by_default(name: str, request: Request, *, streams: bool = True) -> Case:
    return Case(RULES, f"stream default, {name}", request, holds=lambda answer: answer.streamed is streams)


def _redirect(method: str, path: str, status: int) -> Case:
    def holds(answer: Answer) -> object:
        return answer.header("Location").endswith(path.rstrip("/"))

    return Case(RULES, f"trailing slash, {method} {path}", Request(method, path), status=status, holds=holds)


def _times(answer: Answer) -> object:
    return all(_UTC.fullmatch(line["created_at"]) for line in answer.lines)


def _framing(answer: Answer) -> object:
    chunked = answer.header("Transfer-Encoding") == "chunked"
    return chunked and answer.header("Content-Type") == "application/x-ndjson" and len(answer.lines) > 2


def _content_types(ask: Ask) -> None:
    for kind in ("application/x-www-form-urlencoded", "text/plain", "application/octet-stream+json", ""):
        answer = ask(Request("POST", "/api/chat", _CHAT, {"Content-Type": kind}))
        assert answer.status == 200, kind


def _binary_types(ask: Ask) -> None:
    for kind in ("image/png", "audio/wav", "video/mp4"):
        assert ask(Request("POST", "/api/chat", _CHAT, {"Content-Type": kind})).status == 415, kind


def _charset(answer: Answer) -> object:
    return "café" in answer.json["message"]["content"]


def _bodies() -> Sequence[Case]:
    latin = json.dumps({"model": "demo", "messages": [user("café?")], "stream": False}, ensure_ascii=False)
    latin_request = Request(
        "POST", "/api/chat", latin.encode("latin-1"), {"Content-Type": "text/plain; charset=latin1"}
    )
    folded = {"MODEL": "demo", "Messages": [{"ROLE": "user", "Content": "hi"}], "Stream": False}
    return [
        Case(RULES, "JSON whatever the Content-Type", play=_content_types),
        Case(RULES, "binary Content-Types are refused", play=_binary_types),
        Case(RULES, "charset of the Content-Type", latin_request, holds=_charset),
        Case(RULES, "unknown keys", chat(no_such_key={"deep": [1]}, width=5)),
        Case(RULES, "keys in any case", post("/api/chat", folded), has={"model": "demo"}),
        Case(RULES, "bytes after the first value", post("/api/chat", _CHAT + b"} trailing {")),
        Case(RULES, "a body of null is {}", post("/api/chat", b"null"), status=400, error="model is required"),
        Case(
            RULES,
            "null is unset",
            chat(format=None, options=None, keep_alive=None, tools=None, think=None, logprobs=None, truncate=None),
        ),
        Case(RULES, "empty values are unset", chat(format="", options={}, tools=[])),
        Case(RULES, "an Authorization header is ignored", post("/api/chat", _CHAT, Authorization="Bearer anything")),
    ]


CASES: Sequence[Case] = (
    *_bodies(),
    Case(
        RULES,
        "a single answer's framing",
        chat(),
        holds=lambda a: a.header("Content-Type") == "application/json; charset=utf-8" and a.body.endswith(b"}"),
    ),
    Case(RULES, "a stream's framing", chat(stream=True), holds=_framing),
    Case(RULES, "a stream's times", chat(stream=True), holds=_times),
    _streams_by_default("/api/chat", post("/api/chat", {"model": "demo", "messages": [user("hi")]})),
    _streams_by_default("/api/chat null", chat(stream=None)),
    _streams_by_default("/api/generate", post("/api/generate", {"model": "demo", "prompt": "hi"})),
    _streams_by_default("/api/pull", post("/api/pull", {"model": "demo"})),
    _streams_by_default("/api/push", post("/api/push", {"model": "demo"})),
    _streams_by_default("/api/embed", embed(), streams=False),
    Case(
        RULES,
        "stream default, /v1",
        post("/v1/chat/completions", {"model": "demo", "messages": [user("hi")]}),
        has={"object": "chat.completion"},
    ),
    Case(
        RULES,
        "progress with stream false",
        post("/api/pull", {"model": "demo", "stream": False}),
        has={"status": "success"},
        holds=lambda answer: answer.header("Content-Type") == "application/json",
    ),
    Case(
        RULES,
        "durations are nanoseconds",
        chat(),
        holds=lambda a: a.json["total_duration"] >= a.json["eval_duration"] and a.json["total_duration"] > 10_000,
    ),
    Case(RULES, "the model's name comes back, /api/chat", chat(model="DEMO:latest"), has={"model": "DEMO:latest"}),
    Case(RULES, "the model's name comes back, /api/generate", generate(model="Demo"), has={"model": "Demo"}),
    Case(RULES, "the model's name comes back, /api/embed", embed(model="demo-EMBED"), has={"model": "demo-EMBED"}),
    *(
        Case(RULES, f"HEAD {path}", get(path, "HEAD"), holds=lambda answer: answer.body == b"")
        for path in ("/", "/api/version", "/api/tags")
    ),
    *(
        Case(RULES, f"unknown path, {method} {path}", Request(method, path), status=404, holds=_not_found)
        for method, path in _NOT_ROUTED
    ),
    *(
        Case(RULES, f"wrong method, {method} {path}", Request(method, path), status=405, holds=_wrong_method)
        for method, path in _WRONG_METHODS
    ),
    _redirect("GET", "/api/tags/", 301),
    _redirect("POST", "/api/chat/", 307),
    _redirect("DELETE", "/api/delete/", 307),
    Case(RULES, "doubled slashes", post("//api//chat", _CHAT)),
    *(_reaches_a_handler(method, path) for method, path in _ROUTED),
    Case(NAMES, "without a tag", chat(model="demo")),
    Case(NAMES, "with :latest", chat(model="demo:latest")),
    Case(NAMES, "in any case", chat(model="dEmO:LATEST")),
    Case(
        NAMES,
        "vendor/model:tag",
        chat(model="vendor/mixed-case:free"),
        "recorder",
        sent={"model": "Vendor/Mixed-Case:free"},
    ),
    Case(
        NAMES,
        "a backend's id that is no name of Ollama's",
        chat(model="@cf/vendor/odd name"),
        "recorder",
        has={"model": "@cf/vendor/odd name"},
        sent={"model": "@cf/vendor/odd name"},
    ),
    Case(
        NAMES,
        "remote_model when another model answers",
        chat(model="generic"),
        "recorder",
        reply=message(model="another"),
        has={"model": "generic", "remote_model": "another"},
    ),
    Case(
        NAMES,
        "a mapped name comes back",
        chat(model="mapped"),
        "virtual",
        has={"model": "mapped"},
        sent={"model": "generic"},
    ),
    Case(
        NAMES,
        "no remote_model when it is the same",
        chat(model="generic"),
        "virtual",
        holds=lambda answer: "remote_model" not in answer.json,
    ),
)

NOT_OURS: Sequence[NotOurs] = (
    NotOurs(ROUTES, "POST /v1/responses", "the backend's own API, which is another change than this contract"),
    NotOurs(ROUTES, "POST /v1/messages", "the backend's own API, which is another change than this contract"),
    NotOurs(
        ROUTES, "POST /v1/audio/transcriptions", "the backend's own API, which is another change than this contract"
    ),
    NotOurs(RULES, "no size limit on bodies", "a gateway that others reach is bounded, by REQUEST_MAX_SIZE"),
    NotOurs(NAMES, ":local and :cloud", "they choose between a local and a hosted model; here both are the backend's"),
)
