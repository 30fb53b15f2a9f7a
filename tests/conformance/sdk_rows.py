"""What the published SDKs send, as bytes they send, and what their types want of the answers."""

from collections.abc import Mapping, Sequence
from typing import Any

from tests.conformance.case import Case, NotOurs, chat, embed, generate, get, post, user
from tests.conformance.chat_rows import TOOL
from tests.conformance.client import Answer, Ask, Request
from tests.conformance.recorder import VECTOR, call, delta, error, message, stream

SECTION = "16 SDKs"
SENT, WANTED, ERRORS, CLIENTS = "16.1 sent:", "16.2 wanted:", "16.3 errors:", "16.4 clients:"
_JSON = {"Accept": "application/json", "User-Agent": "ollama-python/0.3.3 (x86_64 linux) Python/3.12.0"}
_OLD_CHAT: dict[str, Any] = {
    "model": "demo",
    "messages": [user("hi")],
    "tools": [],
    "format": "",
    "options": {},
    "keep_alive": None,
}
_OLD_GENERATE = {
    "model": "demo",
    "prompt": "hi",
    "suffix": "",
    "system": "",
    "template": "",
    "context": [],
    "raw": False,
    "images": [],
    "format": "",
    "options": {},
    "keep_alive": None,
}
_HISTORY = [
    user("Weather?"),
    {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"function": {"name": "weather", "arguments": {"city": "Rome"}}}],
    },
    {"role": "tool", "tool_name": "weather", "content": "warm"},
]
_NULLS = {"temperature": None, "top_p": None, "seed": None, "stop": None, "num_ctx": None, "mirostat": None}


def _row(name: str, request: Request, **row: Any) -> Case:
    return Case(SECTION, name, request, **row)


def _sent_by(name: str, path: str, body: Mapping[str, Any], method: str = "POST", **row: Any) -> Case:
    return _row(f"{SENT} {name}", Request(method, path, body, _JSON), **row)


def _sent() -> Sequence[Case]:
    streams: dict[str, Any] = {"holds": lambda answer: answer.streamed and answer.last["done"]}
    return [
        _row(
            f"{SENT} Accept json on a stream",
            Request("POST", "/api/chat", {**_OLD_CHAT, "stream": True}, _JSON),
            **streams,
        ),
        _row(
            f"{SENT} an API key nobody asked for",
            post("/api/chat", {**_OLD_CHAT, "stream": False}, Authorization="Bearer x"),
        ),
        _sent_by("chat of python 0.3", "/api/chat", {**_OLD_CHAT, "stream": False}),
        _sent_by(
            "chat of python 0.4",
            "/api/chat",
            {"model": "demo", "messages": [user("hi")], "tools": [], "stream": False, "keep_alive": 0.0},
        ),
        _sent_by("chat of js", "/api/chat", {"model": "demo", "messages": [user("hi")], "stream": False}),
        _sent_by(
            "generate of python 0.3", "/api/generate", {**_OLD_GENERATE, "stream": False}, has={"done_reason": "stop"}
        ),
        _sent_by("generate, streamed", "/api/generate", {**_OLD_GENERATE, "stream": True}, **streams),
        _sent_by("options with nulls", "/api/chat", {**_OLD_CHAT, "options": _NULLS, "stream": False}),
        *(
            _row(
                f"{SENT} think {value!r}",
                chat(model="demo-thinking", think=value),
                holds=lambda a: a.json["message"]["content"],
            )
            for value in (True, False, "low", "medium", "high", "max")
        ),
    ]


def _sent_elsewhere() -> Sequence[Case]:
    return [
        *(
            _sent_by(
                f"{path} by {key}", path, {key: "demo", "insecure": False, "stream": False}, has={"status": "success"}
            )
            for path in ("/api/pull", "/api/push")
            for key in ("name", "model")
        ),
        *(_sent_by(f"delete by {key}", "/api/delete", {key: "demo"}, "DELETE") for key in ("name", "model")),
        *(_sent_by(f"show by {key}", "/api/show", {key: "demo"}) for key in ("name", "model")),
        _sent_by(
            "create of python 0.3",
            "/api/create",
            {"name": "x", "modelfile": "FROM demo", "quantize": None, "stream": False},
            status=400,
            error="neither 'from' or 'files' was specified",
        ),
        _sent_by("create of python 0.5", "/api/create", {"model": "x", "from": "demo", "stream": False}, status=501),
        Case(SECTION, f"{SENT} blobs, HEAD and then POST", play=_blobs),
        _sent_by(
            "embed of python 0.3",
            "/api/embed",
            {"model": "demo-embed", "input": "hi", "truncate": True, "options": {}, "keep_alive": None},
        ),
        _sent_by(
            "embeddings", "/api/embeddings", {"model": "demo-embed", "prompt": "hi", "options": {}, "keep_alive": None}
        ),
        _sent_by(
            "tool_name without an id",
            "/api/chat",
            {"model": "demo", "messages": _HISTORY, "tools": [TOOL], "stream": False},
        ),
        _sent_by(
            "images of width and height",
            "/api/generate",
            {**_OLD_GENERATE, "width": 8, "height": 8, "steps": 1, "stream": False},
        ),
        _row(
            f"{SENT} /v1/systemone",
            post("/v1/systemone", {}),
            status=404,
            holds=lambda a: a.body == b"404 page not found",
        ),
    ]


def _blobs(ask: Ask) -> None:
    path = "/api/blobs/sha256:4e07408562bedb8b60ce05c1decfe3ad16b72230967de01f640b7e4729b49fce"
    assert ask(get(path, "HEAD")).status == 404
    assert ask(post(path, b"3")).status in (200, 201)


def _wanted() -> Sequence[Case]:
    tool_calls = message(None, "tool_calls", tool_calls=[call("weather", '{"city":"Rome"}')])

    def each(answer: Answer, *keys: str) -> object:
        return all(key in line for line in answer.lines for key in keys)

    def dicts(answer: Answer) -> object:
        return all(isinstance(item["function"]["arguments"], dict) for item in answer.json["message"]["tool_calls"])

    return [
        _row(
            f"{WANTED} message and role in every chunk",
            chat(stream=True),
            holds=lambda a: all(line["message"]["role"] == "assistant" for line in a.lines),
        ),
        _row(
            f"{WANTED} content in every chunk",
            chat(stream=True),
            holds=lambda a: all(isinstance(line["message"]["content"], str) for line in a.lines),
        ),
        Case(
            SECTION,
            f"{WANTED} arguments are an object",
            chat(model="generic", tools=[TOOL]),
            "recorder",
            reply=tool_calls,
            holds=dicts,
        ),
        Case(
            SECTION,
            f"{WANTED} arguments of null",
            chat(model="generic", tools=[TOOL]),
            "recorder",
            reply=message(
                None,
                "tool_calls",
                tool_calls=[
                    {"index": 0, "id": "x", "type": "function", "function": {"name": "weather", "arguments": None}}
                ],
            ),
            holds=dicts,
        ),
        _row(
            f"{WANTED} response in every chunk",
            generate(stream=True),
            holds=lambda a: each(a, "response", "done", "model"),
        ),
    ]


def _wanted_elsewhere() -> Sequence[Case]:
    return [
        _row(f"{WANTED} embeddings", embed(), holds=lambda a: a.json["embeddings"]),
        Case(
            SECTION,
            f"{WANTED} embedding",
            post("/api/embeddings", {"model": "generic", "prompt": "x"}),
            "recorder",
            has={"embedding": list(VECTOR)},
        ),
        _row(
            f"{WANTED} models of tags are a list", get("/api/tags"), holds=lambda a: isinstance(a.json["models"], list)
        ),
        _row(f"{WANTED} models of ps are a list", get("/api/ps"), holds=lambda a: isinstance(a.json["models"], list)),
        _row(
            f"{WANTED} model_info",
            post("/api/show", {"model": "demo"}),
            holds=lambda a: isinstance(a.json["model_info"], dict),
        ),
        _row(
            f"{WANTED} logprobs are numbers",
            chat(logprobs=True, top_logprobs=2),
            holds=lambda a: all(
                isinstance(entry["logprob"], float | int) and entry["token"] for entry in a.json["logprobs"]
            ),
        ),
        _row(
            f"{WANTED} durations are integers",
            chat(),
            holds=lambda a: all(
                isinstance(a.json[key], int) for key in a.json if key.endswith(("_duration", "_count"))
            ),
        ),
    ]


def _errors() -> Sequence[Case]:
    broken = stream(delta(content="Hel"), {"error": {"message": "it broke", "type": "x"}}, done=False)
    streamed = chat(model="generic", stream=True)

    def ends(answer: Answer) -> object:
        return isinstance(answer.last["error"], str) and answer.body.endswith(b"\n")

    return [
        _row(
            f"{ERRORS} a status and a string, as JSON",
            chat(model="nope"),
            status=404,
            holds=lambda a: (
                isinstance(a.json["error"], str) and a.header("Content-Type").startswith("application/json")
            ),
        ),
        Case(
            SECTION,
            f"{ERRORS} never OpenAI's object",
            chat(model="generic"),
            "recorder",
            400,
            "too odd",
            reply=error(400, "too odd"),
        ),
        Case(SECTION, f"{ERRORS} an error line is a string", streamed, "recorder", reply=broken, holds=ends),
        _row(f"{ERRORS} no blank line in a stream", chat(stream=True), holds=lambda a: b"\n\n" not in a.body),
        _row(f"{ERRORS} no data: in a stream", chat(stream=True), holds=lambda a: b"data:" not in a.body),
        _row(
            f"{ERRORS} a stream ends with done",
            chat(stream=True),
            holds=lambda a: a.last["done"] and sum(line["done"] for line in a.lines) == 1,
        ),
        _row(f"{ERRORS} a pull ends with success", post("/api/pull", {"model": "demo"}), has={"status": "success"}),
        _row(f"{ERRORS} a whole answer has a body", chat(), holds=lambda a: a.body),
        _row(f"{ERRORS} delete is exactly 200", Request("DELETE", "/api/delete", {"model": "demo"}), status=200),
    ]


def _clients() -> Sequence[Case]:
    go = {"Accept": "application/x-ndjson", "User-Agent": "ollama/0.13.4 (amd64 linux) Go/go1.24"}
    body = {"model": "demo", "messages": [user("hi")]}
    return [
        _row(f"{CLIENTS} Go's Accept", Request("POST", "/api/chat", body, go), holds=lambda a: a.streamed),
        _row(f"{CLIENTS} Go's heartbeat", Request("HEAD", "/", None, go)),
        _row(
            f"{CLIENTS} lines below 8 MB",
            chat("word " * 2000, stream=True),
            holds=lambda a: max(map(len, a.body.split(b"\n"))) < 8_000_000,
        ),
        _row(
            f"{CLIENTS} js lists by GET",
            Request("GET", "/api/tags", None, {"User-Agent": "ollama-js/0.6.4", "Accept": "application/json"}),
        ),
    ]


CASES: Sequence[Case] = (*_sent(), *_sent_elsewhere(), *_wanted(), *_wanted_elsewhere(), *_errors(), *_clients())

NOT_OURS: Sequence[NotOurs] = (
    NotOurs(SECTION, f"{SENT} a path prefix in the host", "what serves below a prefix is a reverse proxy in front"),
    NotOurs(SECTION, f"{CLIENTS} 401 with signin_url", "there is no account to sign in to behind a gateway"),
    NotOurs(
        SECTION, "16.5 changes by release", "they are the SDKs' own; four releases run against the gateway in tests/e2e"
    ),
)
