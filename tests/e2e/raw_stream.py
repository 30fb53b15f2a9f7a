"""A client that is nothing but a socket: what it reads is what the network brought, when it brought it."""

import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

from tests.e2e.token_backend import TOKENS, TokenBackend, token

QUESTION = [{"role": "user", "content": "Count, please."}]
STREAMS: dict[str, dict[str, Any]] = {
    "/api/chat": {"model": "held", "messages": QUESTION},
    "/api/generate": {"model": "held", "prompt": "Count, please."},
    "/v1/chat/completions": {"model": "held", "messages": QUESTION, "stream": True},
}
"""The streaming routes, each with a request."""
GIVE_UP_S = 30.0


@dataclass(frozen=True, slots=True)
class RawStream:
    """The answer to one request, as it comes."""

    connection: socket.socket

    def read(self) -> str:
        """What comes next, in one read. Raises EOFError at the end, TimeoutError when nothing comes."""
        data = self.connection.recv(65_536)
        if not data:
            raise EOFError("the answer has ended")
        return data.decode()

    def read_until(self, text: str) -> str:
        """All reads up to the one that completes `text`."""
        seen = ""
        while text not in seen:
            seen += self.read()
        return seen

    def leave(self) -> None:
        """Close the connection."""
        self.connection.close()


@contextmanager
def asking(url: str, path: str, body: dict[str, Any]) -> Iterator[RawStream]:
    """Sends a POST request to a server, whatever its certificate; the connection is closed with the context."""
    address = urlsplit(url)
    data = json.dumps(body).encode()
    headers = f"Host: {address.netloc}\r\nContent-Type: application/json\r\nContent-Length: {len(data)}"
    with _connected(address) as connection:
        connection.sendall(f"POST {path} HTTP/1.1\r\n{headers}\r\n\r\n".encode() + data)
        yield RawStream(connection)


def _connected(address: SplitResult) -> socket.socket:
    connection = socket.create_connection((address.hostname, address.port), timeout=GIVE_UP_S)
    if address.scheme == "http":
        return connection
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(connection)


def read_step_by_step(stream: RawStream, backend: TokenBackend) -> None:
    """Read all tokens of a backend that sends nothing without permission: each has come before the next one is sent."""
    for number in range(TOKENS):
        backend.allow()
        # The backend waits: were the token held back until another one comes, this would never return.
        seen = stream.read_until(token(number))
        assert len(backend.sent_s) == number + 1
        assert seen.count("token-") == 1, seen
    backend.allow()


def leave_after_a_token(stream: RawStream, backend: TokenBackend) -> None:
    """Leave in the middle: the backend, which knew of nothing until then, is left as well."""
    backend.left.clear()
    backend.allow()
    stream.read_until(token(0))
    assert not backend.left.is_set()
    stream.leave()
    assert backend.left.wait(GIVE_UP_S)
