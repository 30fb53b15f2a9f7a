"""A backend that keeps what it was sent, and answers what a case tells it."""

import json
import struct
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.support.threaded import ThreadedBackend

TEXT = "Hello there."
VECTOR = (3.0, 4.0, 0.0, 0.0)
MODELS: Sequence[Mapping[str, Any]] = (
    {"id": "generic", "object": "model", "created": 1_700_000_000, "owned_by": "tests"},
    {"id": "vllm", "object": "model", "created": 1_700_000_001, "owned_by": "vllm", "max_model_len": 4096},
    {"id": "llamacpp", "object": "model", "created": 1_700_000_002, "owned_by": "llamacpp"},
    {"id": "Vendor/Mixed-Case:free", "object": "model", "created": 1_700_000_003, "owned_by": "tests"},
    {
        "id": "text-only",
        "object": "model",
        "created": 1_700_000_005,
        "owned_by": "tests",
        "capabilities": ["completion"],
    },
    {"id": "@cf/vendor/odd name", "object": "model", "created": 1_700_000_004, "owned_by": "tests"},
)
"""The owner says what kind of backend a model runs on."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What to answer: a JSON `body`, else `events` as a stream. `done`: `[DONE]` ends it; `cut`: it breaks off."""

    body: object = None
    events: Sequence[Mapping[str, Any]] = ()
    status: int = 200
    done: bool = True
    cut: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)


def delta(finish: str | None = None, logprobs: object = None, **fields: Any) -> dict[str, Any]:
    """A chunk of a chat answer."""
    choice = {"index": 0, "delta": fields, "finish_reason": finish, "logprobs": logprobs}
    return {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "x", "choices": [choice]}


def usage(prompt: int, completion: int, **more: Any) -> dict[str, Any]:
    """The chunk that counts."""
    counts = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    return {
        "id": "c",
        "object": "chat.completion.chunk",
        "created": 0,
        "model": "x",
        "choices": [],
        "usage": counts,
        **more,
    }


def stream(*events: Mapping[str, Any], done: bool = True, cut: bool = False) -> Reply:
    """A stream."""
    return Reply(events=events, done=done, cut=cut)


def message(
    text: str | None = TEXT, finish: str = "stop", *, logprobs: object = None, model: str = "x", **fields: Any
) -> Reply:
    """A plain chat answer."""
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": text, **fields},
        "finish_reason": finish,
        "logprobs": logprobs,
    }
    counts = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    return Reply(
        {"id": "c", "object": "chat.completion", "created": 0, "model": model, "choices": [choice], "usage": counts}
    )


def error(status: int, text: str) -> Reply:
    """An error in OpenAI's shape."""
    return Reply({"error": {"message": text, "type": "some_error", "param": None, "code": None}}, status=status)


def call(name: str, arguments: str, *, index: int = 0, call_id: str = "call_backend") -> dict[str, Any]:
    """A tool call as OpenAI writes it."""
    return {"index": index, "id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


class Recorder(ThreadedBackend):
    """The server: `bodies` has what was sent since `clear`, `paths` where to; it answers `reply`, or TEXT."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.bodies: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.reply: Reply | None = None

    @property
    def url(self) -> str:
        """The base URL for OPENAI_API_BASE_URL."""
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def clear(self, reply: Reply | None = None) -> None:
        """Forget what was sent; answer `reply` from now on."""
        self.bodies.clear()
        self.paths.clear()
        self.reply = reply


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Recorder

    def do_GET(self) -> None:
        """The list of models; nothing else is here."""
        if self.path == "/v1/models":
            self._send_json(Reply({"object": "list", "data": list(MODELS)}))
        else:
            self._send_json(Reply({"error": {"message": "not found"}}, status=404))

    def do_POST(self) -> None:
        """What the case wants, else TEXT, or a vector for each input."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.bodies.append(body)
        self.server.paths.append(self.path)
        # Answers say which model gave them; the cases' own say "x" where that is the one asked for.
        reply = _named(self.server.reply or _usual(self.path, body), body["model"])
        if reply.body is not None:
            self._send_json(reply)
        else:
            self._send_events(reply)

    def _send_json(self, reply: Reply) -> None:
        data = json.dumps(reply.body).encode()
        self.send_response(reply.status)
        # What follows a list of models takes a new connection: these connections are not kept.
        for name, value in {"Content-Type": "application/json", "Connection": "close", **reply.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _send_events(self, reply: Reply) -> None:
        self.send_response(reply.status)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.send_header("Connection", "close")
        self.end_headers()
        pieces = [f"data: {json.dumps(event)}\n\n".encode() for event in reply.events]
        if reply.done:
            pieces.append(b"data: [DONE]\n\n")
        if not reply.cut:
            pieces.append(b"")
        for piece in pieces:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


def _named(reply: Reply, model: str) -> Reply:
    def named(value: Any) -> Any:
        return value | {"model": model} if isinstance(value, dict) and value.get("model") == "x" else value

    return replace(reply, body=named(reply.body), events=[named(event) for event in reply.events])


def _usual(path: str, body: Mapping[str, Any]) -> Reply:
    if path.endswith("/embeddings"):
        return _vectors(body)
    if path.endswith("/chat/completions"):
        if body.get("stream"):
            return stream(delta(role="assistant", content=""), delta(content=TEXT), delta("stop"), usage(7, 3))
        return message()
    choice = {"index": 0, "text": TEXT, "finish_reason": "stop", "logprobs": None}
    text = {"id": "c", "object": "text_completion", "created": 0, "model": "x", "choices": [choice]}
    if body.get("stream"):
        return stream(text, usage(7, 3))
    return Reply(text | {"usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}})


def _vectors(body: Mapping[str, Any]) -> Reply:
    inputs = body["input"] if isinstance(body["input"], list) else [body["input"]]
    vector: object = list(VECTOR)
    if body.get("encoding_format") == "base64":
        vector = b64encode(struct.pack(f"<{len(VECTOR)}f", *VECTOR)).decode()
    data = [{"object": "embedding", "index": index, "embedding": vector} for index in range(len(inputs))]
    counts = {"prompt_tokens": len(inputs), "total_tokens": len(inputs)}
    return Reply({"object": "list", "data": data, "model": "x", "usage": counts})
