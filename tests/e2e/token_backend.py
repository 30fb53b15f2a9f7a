"""A backend of the tests' own: it streams numbered tokens, each when it is allowed to, and notes when it sent them."""

import json
import select
import threading
import time
from http.server import BaseHTTPRequestHandler

from tests.support.threaded import POLL_S, ThreadedBackend

TOKENS = 5


def token(number: int) -> str:
    """The text of a token."""
    return f"token-{number}."


class TokenBackend(ThreadedBackend):
    """Serves `/v1/models` and streamed `/v1/chat/completions`. Each step of a stream takes a permit, its end too."""

    def __init__(self, *, tokens: int = TOKENS, free: int = 0, pace_s: float | None = None) -> None:
        """Binds a port of 127.0.0.1. The first `free` tokens of each stream need no permit.

        With `pace_s` none does: there is a pause before each step instead.
        """
        super().__init__(("127.0.0.1", 0), _Handler)
        self.tokens = tokens
        self.free = free
        self.pace_s = pace_s
        self.sent_s: list[float] = []
        """When each token of the last stream was written (`time.perf_counter`)."""
        self.left = threading.Event()
        """Set when the client went away while a step was waiting."""
        self.asked = threading.Event()
        """Set when a request for a stream has come."""
        self.peers: set[tuple[str, int]] = set()
        """The clients' ends of the connections on which such requests came."""
        self._permits = threading.Semaphore(0)

    @property
    def port(self) -> int:
        """The port of 127.0.0.1 that it listens on."""
        return int(self.server_address[1])

    @property
    def url(self) -> str:
        """The base URL for OPENAI_API_BASE_URL."""
        return f"http://127.0.0.1:{self.port}/v1"

    def allow(self, steps: int = 1) -> None:
        """Let the stream take its next steps."""
        self._permits.release(steps)

    def may_go_on(self, handler: BaseHTTPRequestHandler, number: int) -> bool:
        """Wait until a step is allowed; False when the client has gone."""
        if number < self.free:
            return True
        if self.pace_s is not None:
            time.sleep(self.pace_s)
            return True
        while not self._permits.acquire(timeout=POLL_S):
            # Nothing more is to come from the client: what can be read is its end.
            if select.select([handler.connection], [], [], 0)[0]:
                self.left.set()
                return False
        return True


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: TokenBackend

    def do_GET(self) -> None:
        """The list of models."""
        models = {"object": "list", "data": [{"id": "held", "object": "model", "created": 0, "owned_by": "tests"}]}
        self._start("application/json", "Connection: close")
        self._write(json.dumps(models))
        self._write("")
        self.close_connection = True

    def do_POST(self) -> None:
        """A streamed chat answer."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.peers.add(self.client_address)
        self.server.asked.set()
        self._start("text/event-stream")
        self.server.sent_s.clear()
        for number in range(self.server.tokens):
            if not self.server.may_go_on(self, number):
                self.close_connection = True
                return
            # Noted first: it must not be later than the client's first sight of it.
            self.server.sent_s.append(time.perf_counter())
            self._event({"content": token(number)})
        if self.server.may_go_on(self, self.server.tokens):
            self._event({}, finish_reason="stop")
            self._write("data: [DONE]\n\n")
            self._write("")

    def _start(self, content_type: str, *headers: str) -> None:
        lines = ["HTTP/1.1 200 OK", f"Content-Type: {content_type}", "Transfer-Encoding: chunked", *headers, "", ""]
        self.wfile.write("\r\n".join(lines).encode())

    def _event(self, delta: dict[str, str], finish_reason: str | None = None) -> None:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        chunk = {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "held", "choices": [choice]}
        self._write(f"data: {json.dumps(chunk)}\n\n")

    def _write(self, text: str) -> None:
        """One chunk; the empty one is the last."""
        self.wfile.write(f"{len(text):x}\r\n{text}\r\n".encode())

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""
