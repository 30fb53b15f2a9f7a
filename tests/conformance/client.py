"""A client that sends exactly what a case says, and holds every answer to the schema of its route."""

import http.client
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

GIVE_UP_S = 60.0


@dataclass(frozen=True, slots=True)
class Request:
    """A request. `body`: None for none, bytes as they are, anything else as JSON. A header set to "" is left out.

    `head`: the lines before the body, as they are, for what a client's library refuses to send.
    """

    method: str
    path: str
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict)
    head: str = ""

    @property
    def data(self) -> bytes:
        """The body as bytes."""
        if self.body is None:
            return b""
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer; `cut` tells that it ended without its end."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes
    cut: bool = False

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)

    @property
    def lines(self) -> list[Any]:
        """The lines of a stream, decoded: each ended, none blank."""
        assert self.body.endswith(b"\n"), self.body[-200:]
        return [json.loads(line) for line in self.body[:-1].split(b"\n")]

    @property
    def streamed(self) -> bool:
        """Whether it is a stream of lines."""
        return self.header("Content-Type").startswith("application/x-ndjson")

    @property
    def last(self) -> Any:
        """The last line of a stream, or the one object."""
        return self.lines[-1] if self.streamed else self.json

    @property
    def events(self) -> list[str]:
        """The data of server-sent events."""
        return [block.removeprefix("data: ") for block in self.body.decode().split("\n\n") if block]

    def header(self, name: str) -> str:
        """A header, "" where it is missing."""
        return self.headers.get(name) or ""

    def joined(self, *path: str) -> str:
        """The texts at `path` of all lines, put together."""
        found = ""
        for line in self.lines if self.streamed else [self.json]:
            value: Any = line
            for key in path:
                value = value.get(key, "") if isinstance(value, dict) else ""
            found += value
        return found


type Ask = Callable[[Request], Answer]


def send(url: str, request: Request) -> Answer:
    """Send a request and read the whole answer; the connection is not kept. Redirects are not followed."""
    if request.head:
        return _send_head(url, request)
    host = urlsplit(url).netloc
    connection = http.client.HTTPConnection(host, timeout=GIVE_UP_S)
    try:
        connection.putrequest(request.method, request.path, skip_host=True, skip_accept_encoding=True)
        data = request.data
        headers = {"Host": host, "Content-Type": "application/json", **request.headers}
        if data or request.method not in ("GET", "HEAD", "OPTIONS"):
            headers.setdefault("Content-Length", str(len(data)))
        for name, value in headers.items():
            if value:
                connection.putheader(name, value)
        connection.endheaders(data or None)
        return _read(connection.getresponse())
    finally:
        connection.close()


def _send_head(url: str, request: Request) -> Answer:
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=GIVE_UP_S)
    connection.connect()
    try:
        connection.sock.sendall(request.head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + request.data)
        response = http.client.HTTPResponse(connection.sock, method=request.method)
        response.begin()
        return _read(response)
    finally:
        connection.close()


def _read(response: http.client.HTTPResponse) -> Answer:
    with response:
        try:
            return Answer(response.status, response.headers, response.read())
        except http.client.IncompleteRead as cut:
            return Answer(response.status, response.headers, cut.partial, cut=True)
