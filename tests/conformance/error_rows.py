"""Where errors appear, their statuses and texts, and the order of the checks."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tests.conformance.case import Case, NotOurs, Server, chat, embed, generate, get, post, user
from tests.conformance.client import Answer, Ask, Request
from tests.conformance.recorder import delta, error, stream

WHERE = "3.1 where errors appear"
TEXTS = "3.2 errors"
LONG = "word " * 9000
"""More than the demo's models can read."""
NO_MODEL = "model 'no-such-model' not found"
DIGEST = "sha256:" + "0" * 64

NATIVE = (
    ("POST", "/api/chat"),
    ("POST", "/api/generate"),
    ("POST", "/api/embed"),
    ("POST", "/api/embeddings"),
    ("POST", "/api/show"),
    ("POST", "/api/pull"),
    ("POST", "/api/push"),
    ("POST", "/api/create"),
    ("POST", "/api/copy"),
    ("DELETE", "/api/delete"),
)
LEVELS = '"high", "medium", "low", "max", true, or false'


def _row(name: str, request: Request, status: int, text: str | re.Pattern[str] | None, server: Server = "demo") -> Case:
    return Case(TEXTS, name, request, status=status, error=text, server=server)


def _named(path: str, name: object) -> Request:
    """A request that names a model, and is otherwise whole."""
    rest_of: Mapping[str, dict[str, Any]] = {
        "/api/chat": {"messages": [user("hi")], "stream": False},
        "/api/generate": {"prompt": "hi", "stream": False},
        "/api/embed": {"input": "hi"},
        "/api/embeddings": {"prompt": "hi"},
        "/api/create": {"from": "demo", "stream": False},
    }
    rest = rest_of.get(path, {})
    method = "DELETE" if path == "/api/delete" else "POST"
    return Request(method, path, ({} if name is None else {"model": name}) | rest)


def _empty_bodies() -> Sequence[Case]:
    return [_row(f"empty body, {path}", Request(method, path), 400, "missing request body") for method, path in NATIVE]


def _bad_json() -> Sequence[Case]:
    stray = "invalid character 'x' looking for beginning of value"
    return [
        *(_row(f"bad JSON, {path}", Request(method, path, b"x"), 400, stray) for method, path in NATIVE),
        *(
            _row(f"half a JSON object, {path}", Request(method, path, b'{"model":'), 400, "unexpected EOF")
            for method, path in NATIVE
        ),
    ]


def _missing_models() -> Sequence[Case]:
    texts = {
        "/api/chat": (400, "model is required"),
        "/api/generate": (404, "model '' not found"),
        "/api/embed": (404, "model '' not found"),
        "/api/embeddings": (400, "model is required"),
        "/api/show": (400, "model is required"),
        "/api/push": (400, "model is required"),
        "/api/delete": (400, "model is required"),
        "/api/pull": (400, "invalid model name"),
        "/api/create": (400, "invalid model name"),
    }
    return [
        _row(f"{word} model, {path}", _named(path, name), *texts[path])
        for path in texts
        for word, name in (("missing", None), ("blank", ""))
    ]


def _malformed_names() -> Sequence[Case]:
    paths = ("/api/chat", "/api/generate", "/api/embed", "/api/embeddings", "/api/show", "/api/pull", "/api/create")
    return [
        *(_row(f"malformed name, {path}", _named(path, "no such:"), 400, "invalid model name") for path in paths),
        *(
            _row(f"name {name[:9]!r}, /api/chat", _named("/api/chat", name), 400, "invalid model name")
            for name in ("m:", "a b", "-m", "a/b/c/d", "m@x", "x" * 81)
        ),
        _row("malformed name, /api/delete", _named("/api/delete", "no such:"), 400, 'name "no such:" is invalid'),
        _row("malformed source, /api/copy", _copy("no such:", "x"), 400, 'source "no such:" is invalid'),
        _row("malformed destination, /api/copy", _copy("demo", "a b"), 400, 'destination "a b" is invalid'),
        _row(
            ":local and :cloud",
            _named("/api/chat", "demo:local:cloud"),
            400,
            'use either :local or :cloud, not both: "demo:local:cloud"',
        ),
    ]


def _copy(source: str, destination: str) -> Request:
    return post("/api/copy", {"source": source, "destination": destination})


def _unknown_models() -> Sequence[Case]:
    pull_it = 'model "no-such-model" not found, try pulling it first'
    return [
        _row("unknown model, /api/chat", _named("/api/chat", "no-such-model"), 404, NO_MODEL),
        _row("unknown model, /api/generate", _named("/api/generate", "no-such-model"), 404, NO_MODEL),
        _row("unknown model, /api/delete", _named("/api/delete", "no-such-model"), 404, NO_MODEL, "strict"),
        _row("unknown model, /api/show", _named("/api/show", "foo"), 404, "model 'foo:latest' not found"),
        _row("unknown model with a tag, /api/show", _named("/api/show", "foo:8b"), 404, "model 'foo:8b' not found"),
        _row("unknown model, /api/embed", _named("/api/embed", "no-such-model"), 404, pull_it),
        _row("unknown model, /api/embeddings", _named("/api/embeddings", "no-such-model"), 404, pull_it),
        _row("unknown source, /api/copy", _copy("nope", "x"), 404, 'model "nope" not found', "strict"),
        _row("unknown blob", get(f"/api/blobs/{DIGEST}", "HEAD"), 404, None),
    ]


def _wrong_values() -> Sequence[Case]:
    arguments = [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}]
    into_arguments = (
        "json: cannot unmarshal string into Go struct field"
        " ChatRequest.messages.tool_calls.function.arguments of type api.ToolCallFunctionArguments"
    )
    parts = [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]
    into_content = "json: cannot unmarshal array into Go struct field ChatRequest.messages.content of type string"
    rows = [
        _row("wrong type, content parts", chat(messages=parts), 400, into_content),
        _row("wrong type, arguments as a string", chat(messages=arguments), 400, into_arguments),
        Case(
            TEXTS,
            "bad role",
            chat(model="generic", messages=[{"role": "WIZARD", "content": "hi"}]),
            "recorder",
            sent_holds=lambda body: body["messages"][0]["role"] == "wizard",
        ),
        _row("unknown option", chat(options={"no_such_option": [1], "numa": "x"}), 200, None),
    ]
    for ask, name in ((chat, "/api/chat"), (generate, "/api/generate")):
        rows += [
            _row(f"bad think, {name}", ask(think="x"), 400, f'invalid think value: "x" (must be {LEVELS})'),
            _row(f"empty think, {name}", ask(think=""), 400, f'invalid think value: "" (must be {LEVELS})'),
            _row(f"bad type of think, {name}", ask(think=1), 400, f"think must be a boolean or string ({LEVELS})"),
            _row(f"top_logprobs -1, {name}", ask(top_logprobs=-1), 400, "top_logprobs must be between 0 and 20"),
            _row(f"top_logprobs 21, {name}", ask(top_logprobs=21), 400, "top_logprobs must be between 0 and 20"),
            _row(
                f"bad format, {name}",
                ask(format="xml"),
                500,
                'invalid format: "\\"xml\\""; expected "json" or a valid JSON Schema object',
            ),
            _row(
                f"bad type of format, {name}",
                ask(format=[1]),
                500,
                'invalid format: "[1]"; expected "json" or a valid JSON Schema object',
            ),
        ]
    return rows


def _images() -> Sequence[Case]:
    def both(name: str, image: str, at: int) -> list[Case]:
        text = f"illegal base64 data at input byte {at}"
        asked = chat(model="demo-vision", messages=[user("What?", images=[image])])
        return [
            _row(f"{name}, /api/chat", asked, 400, text),
            _row(f"{name}, /api/generate", generate(model="demo-vision", images=[image]), 400, text),
        ]

    return [
        *both("bad base64", "not base64", 3),
        *both("a data: URI without base64", "data:image/png,x", 4),
        *both("an https: URL as image", "https://example.org/cat.png", 5),
    ]


def _keep_alives() -> Sequence[Case]:
    bad = (
        ("abc", 'time: invalid duration "abc"'),
        ("5", 'time: missing unit in duration "5"'),
        (True, "Unsupported type: 'bool'"),
    )
    asks: Mapping[str, Callable[[object], Request]] = {
        "/api/chat": lambda value: chat(keep_alive=value),
        "/api/generate": lambda value: generate(keep_alive=value),
        "/api/embed": lambda value: embed(keep_alive=value),
        "/api/embeddings": lambda value: post("/api/embeddings", {"model": "demo-embed", "keep_alive": value}),
    }
    return [
        _row(f"bad keep_alive {value!r}, {path}", ask(value), 400, text)
        for path, ask in asks.items()
        for value, text in bad
    ]


def _options() -> Sequence[Case]:
    wrong: tuple[tuple[str, object, str], ...] = (
        ("temperature", "hot", "type float32"),
        ("top_k", "many", "type integer"),
        ("num_ctx", True, "type integer"),
        ("use_mmap", "yes", "type boolean"),
        ("stop", "END", "type array"),
        ("stop", [1], "an array of strings"),
    )
    texts = [(name, value, f'option "{name}" must be of {kind}') for name, value, kind in wrong]
    text = 'option "temperature" must be of type float32'
    return [
        *(_row(f"option {name}: {value!r}", chat(options={name: value}), 500, said) for name, value, said in texts),
        _row("bad option, /api/generate", generate(options={"temperature": []}), 500, text),
        _row("bad option, /api/embed", embed(options={"temperature": []}), 500, text),
        _row(
            "bad option, /api/embeddings",
            post("/api/embeddings", {"model": "demo-embed", "prompt": "hi", "options": {"temperature": []}}),
            500,
            text,
        ),
    ]


def _capabilities() -> Sequence[Case]:
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
    full = "registry.ollama.ai/library/text-only:latest does not support"
    thinking = '"demo" does not support thinking'
    return [
        _row("embedding model, /api/chat", chat(model="demo-embed"), 400, '"demo-embed" does not support chat'),
        _row(
            "embedding model, /api/generate",
            generate(model="demo-embed"),
            400,
            '"demo-embed" does not support generate',
        ),
        _row("no tools", chat(model="text-only", tools=[tool]), 400, f"{full} tools", "recorder"),
        _row("no insert", generate(model="text-only", suffix="x"), 400, f"{full} insert", "recorder"),
        _row("no thinking, /api/chat", chat(think=True), 400, thinking),
        _row("no thinking at a level, /api/chat", chat(think="low"), 400, thinking),
        _row("no thinking, /api/generate", generate(think=True), 400, thinking),
        _row("think false asks for no thinking", chat(think=False), 200, None),
    ]


def _generate_and_embed() -> Sequence[Case]:
    raw = "raw mode does not support template, system, or context"
    return [
        *(
            _row(f"raw with {name}", generate(raw=True, **{name: value}), 400, raw)
            for name, value in (("template", "x"), ("system", "x"), ("context", [1]))
        ),
        _row("bad input type", embed(5), 400, "invalid input type"),
        _row("bad item of input", embed(["a", 5]), 400, "invalid input type"),
        _row("input too long", embed(LONG, truncate=False), 400, "the input length exceeds the context length"),
        *(
            _row(
                f"prompt too long, {name}",
                ask(LONG, truncate=False, shift=False),
                400,
                re.compile(r"the prompt is longer than the context length currently available to the model; .+"),
            )
            for ask, name in ((chat, "/api/chat"), (generate, "/api/generate"))
        ),
    ]


def _blobs_and_create() -> Sequence[Case]:
    mismatch = re.compile(rf'digest mismatch, expected "{DIGEST}", got "sha256:[0-9a-f]{{64}}"')
    form = "neither 'from' or 'files' was specified"
    return [
        _row("bad digest, POST", post("/api/blobs/sha256:xyz", b"data"), 400, "invalid digest format"),
        _row("bad digest, HEAD", get("/api/blobs/nothing", "HEAD"), 400, None),
        _row("digest mismatch", post(f"/api/blobs/{DIGEST}", b"data"), 400, mismatch),
        _row("create without source", post("/api/create", {"model": "x"}), 400, form),
        _row("create with a Modelfile", post("/api/create", {"model": "x", "modelfile": "FROM demo"}), 400, form),
    ]


def _order() -> Sequence[Case]:
    bad = {"temperature": "hot"}
    hot = 'option "temperature" must be of type float32'
    unload: dict[str, Any] = {"keep_alive": 0, "options": bad}
    raw = "raw mode does not support template, system, or context"

    def is_unload(answer: Answer) -> object:
        return answer.json["done_reason"] == "unload"

    return [
        _row("order: body before top_logprobs", chat(think=[], top_logprobs=21), 400, re.compile("think must be .*")),
        _row("order: top_logprobs before name", chat(model="", top_logprobs=21), 400, re.compile("top_logprobs .*")),
        _row("order: name before capability", chat(model="a b", think=True), 400, "invalid model name"),
        _row("order: model before options", chat(model="no-such-model", options=bad), 404, NO_MODEL),
        Case(TEXTS, "order: unload before options", chat(messages=[], **unload), holds=is_unload),
        Case(TEXTS, "order: unload before thinking", chat(messages=[], think=True, keep_alive=0), holds=is_unload),
        _row("order: thinking before chat", chat(model="demo-embed", think=True), 400, re.compile(".* thinking")),
        _row("order: capability before options", chat(think=True, options=bad), 400, re.compile(".* thinking")),
        _row("order: options before load", chat(messages=[], options=bad), 500, hot),
        _row("order: options before load, /api/generate", generate("", options=bad), 500, hot),
        Case(TEXTS, "order: unload before raw", generate("", raw=True, system="x", keep_alive=0), holds=is_unload),
        _row("order: raw before options", generate(raw=True, system="x", options=bad), 400, raw),
        _row("order: input before model", embed(5, model="no-such-model"), 400, "invalid input type"),
    ]


def _where() -> Sequence[Case]:
    def said_then_failed(answer: Answer) -> object:
        return answer.lines[0]["message"]["content"] == "Hel" and not any("done_reason" in x for x in answer.lines)

    def as_json(ask: Ask) -> None:
        answer = ask(chat(model="no-such-model", stream=True))
        assert answer.status == 404
        assert answer.header("Content-Type").startswith("application/json")

    half = stream(delta(content="Hel"), done=False, cut=True)
    failing = stream(delta(content="Hel"), {"error": {"message": "out of memory", "code": 500}}, done=False)
    asked = chat(model="generic", stream=True)
    plain = chat(model="generic")
    busy = error(503, "all slots are busy")
    return [
        Case(WHERE, "before any byte of a stream: a status", play=as_json),
        Case(WHERE, "the backend refuses a stream", asked, "recorder", 429, "slow down", reply=error(429, "slow down")),
        Case(WHERE, "after the first chunk: a cut", asked, "recorder", holds=said_then_failed, reply=half),
        Case(WHERE, "after the first chunk: an error", asked, "recorder", holds=said_then_failed, reply=failing),
        Case(WHERE, "plain: the backend's 4xx passes", plain, "recorder", 422, "too odd", reply=error(422, "too odd")),
        Case(WHERE, "plain: the backend's 5xx passes", plain, "recorder", 503, "all slots are busy", reply=busy),
        Case(WHERE, "plain: the backend breaks off", plain, "recorder", 502, reply=stream(done=False, cut=True)),
    ]


CASES: Sequence[Case] = (
    *_where(),
    *_empty_bodies(),
    *_bad_json(),
    *_wrong_values(),
    *_images(),
    *_keep_alives(),
    *_missing_models(),
    *_malformed_names(),
    *_unknown_models(),
    *_capabilities(),
    *_options(),
    *_generate_and_embed(),
    *_blobs_and_create(),
    *_order(),
)

_CLOUD = "there is no hosted service behind a gateway: its models are the backend's"
NOT_OURS: Sequence[NotOurs] = (
    NotOurs(TEXTS, "image generation model", "backends do not tell which models make images, and refuse by themselves"),
    NotOurs(TEXTS, "queue full", "requests do not queue in the gateway; a backend's own 503 passes with its text"),
    NotOurs(TEXTS, "client cancelled while loading", "nothing is loaded here, and whoever would read the 499 has left"),
    NotOurs(TEXTS, "backend crash", "no model runs here; a backend that fails is 502, or the status it gave"),
    NotOurs(TEXTS, "cloud model while the cloud is off", _CLOUD),
    NotOurs(TEXTS, "cloud model, not signed in", _CLOUD),
    NotOurs(TEXTS, "cloud proxy unreachable", _CLOUD),
)
