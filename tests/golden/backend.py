"""A backend whose answer is chosen by the model that is named, byte by byte; it keeps what it was asked."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.support.threaded import ThreadedBackend

JSON = "application/json"
ASKED = "the model asked for"
"""Stands in answers for the name that the request gives."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the backend says: the `pieces` of a stream, each in a write of its own, or all of it as one body, `whole`.

    `cut`: the connection ends before the body does. A `status` other than 200 answers both with `whole`.
    """

    pieces: tuple[bytes, ...]
    whole: bytes
    cut: bool = False
    status: int = 200


class GoldenBackend(ThreadedBackend):
    """Serves `/v1/models`, and for every other path the answer of the model that the request names."""

    def __init__(self, answers: Mapping[str, Answer], models: list[dict[str, Any]]) -> None:
        """Binds a port of 127.0.0.1."""
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = answers
        self.models = models
        self.asked: list[tuple[str, dict[str, Any]]] = []
        """The path and the body of every POST."""
        self.lists = 0
        """How often the list of models was read."""

    @property
    def url(self) -> str:
        """The base URL for OPENAI_API_BASE_URL."""
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def asked_of(self, model: str) -> list[dict[str, Any]]:
        """Return the bodies of all requests to a model, in their order."""
        return [body for _, body in self.asked if body["model"] == model]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: GoldenBackend

    def do_GET(self) -> None:
        """The list of models; other paths are not there."""
        if self.path != "/v1/models":
            self._body(404, b'{"error":{"message":"not here"}}')
            return
        self.server.lists += 1
        self._body(200, json.dumps({"object": "list", "data": self.server.models}).encode())

    def do_POST(self) -> None:
        """The answer of the model asked for."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, body))
        answer = self.server.answers[body["model"]]
        if answer.status == 200 and body.get("stream"):
            self._stream(answer, body["model"])
        else:
            self._body(answer.status, _named(answer.whole, body["model"]))

    def _stream(self, answer: Answer, model: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for piece in (_named(piece, model) for piece in answer.pieces):
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        if answer.cut:
            self.close_connection = True
        else:
            self.wfile.write(b"0\r\n\r\n")

    def _body(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", JSON)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


def _named(data: bytes, model: str) -> bytes:
    return data.replace(ASKED.encode(), model.encode())
