"""A backend that does what a test tells it, byte by byte, and remembers what it saw.

A script is a list of steps; each POST plays the next script, and the last one is played again and again. `GET /models`
is answered from `models`, each of them with `facts`, on a connection of its own.
"""

import asyncio
import json
import socket
import struct
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self, cast

from multidict import CIMultiDict

type Step = Callable[["Call"], Awaitable[None]]

SSE = "text/event-stream"
JSON = "application/json"
LONG_S = 10.0
"""A bound for what must happen soon: no busy machine is that slow."""


@dataclass(eq=False)
class Call:
    """One request as received: `at_s` is `time.monotonic()`, `connection` a number, `closed` set at its end."""

    method: str
    path: str
    headers: CIMultiDict[str]
    body: bytes
    connection: int
    at_s: float
    transport: asyncio.Transport = field(repr=False)
    closed: asyncio.Event = field(repr=False)
    chunked: bool = False

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)

    async def left(self) -> None:
        """Wait until the other side has closed the connection."""
        async with asyncio.timeout(LONG_S):
            await self.closed.wait()


def head(
    status: int = 200,
    content_type: str | None = SSE,
    *,
    length: int | None = None,
    close: bool = False,
    headers: Mapping[str, str] | Sequence[tuple[str, str]] = (),
) -> Step:
    """Send a status line and headers. The body is chunked, or has `length` bytes, or ends with the connection."""
    pairs = list(headers.items()) if isinstance(headers, Mapping) else list(headers)
    if content_type is not None:
        pairs.append(("Content-Type", content_type))
    if length is not None:
        pairs.append(("Content-Length", str(length)))
    elif not close:
        pairs.append(("Transfer-Encoding", "chunked"))
    lines = [f"HTTP/1.1 {status} Whatever", *(f"{name}: {value}" for name, value in pairs), "", ""]

    async def step(call: Call) -> None:
        call.chunked = length is None and not close
        call.transport.write("\r\n".join(lines).encode())

    return step


def send(*pieces: bytes) -> Step:
    """Send a piece of the body for each argument, each in a write of its own."""

    async def step(call: Call) -> None:
        for piece in pieces:
            call.transport.write(b"%x\r\n%b\r\n" % (len(piece), piece) if call.chunked else piece)
            await asyncio.sleep(0)

    return step


def raw(data: bytes) -> Step:
    """Send bytes as they are, whatever the framing says."""

    async def step(call: Call) -> None:
        call.transport.write(data)

    return step


async def end(call: Call) -> None:
    """End a chunked body properly; the connection stays."""
    call.transport.write(b"0\r\n\r\n")


async def close(call: Call) -> None:
    """Close the connection with a FIN, what was written before goes out."""
    call.transport.close()
    await call.closed.wait()


async def reset(call: Call) -> None:
    """Close the connection with a RST."""
    connection = call.transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    call.transport.abort()
    await call.closed.wait()


async def hang(call: Call) -> None:
    """Do nothing until the other side closes the connection."""
    await call.closed.wait()


def wait(event: asyncio.Event) -> Step:
    """Wait for the test."""

    async def step(_call: Call) -> None:
        await event.wait()

    return step


def reached(event: asyncio.Event) -> Step:
    """Tell the test that the script came this far."""

    async def step(_call: Call) -> None:
        event.set()

    return step


def sleep(seconds: float) -> Step:
    """Wait for a time."""

    async def step(_call: Call) -> None:
        await asyncio.sleep(seconds)

    return step


class ScriptedBackend:
    """The server: an ephemeral port of 127.0.0.1. `calls` has every POST, in the order in which they came."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.models: list[str] | None = ["m"]
        self.facts: dict[str, Any] = {}
        self.tasks: set[asyncio.Task[None]] = set()
        self.transports: set[asyncio.Transport] = set()
        self._scripts: deque[Sequence[Step]] = deque([[close]])
        self._arrived = asyncio.Condition()
        self._connections = 0
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self, port: int = 0) -> None:
        """Listen; after `stop` perhaps at the same port again."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", port)

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def url(self) -> str:
        """The base URL, for OPENAI_API_BASE_URL."""
        return f"http://127.0.0.1:{self.port}/v1"

    def play(self, *scripts: Sequence[Step]) -> None:
        """Set the scripts of the next POSTs, one each; the last one stays."""
        self._scripts = deque(scripts)

    async def call(self, number: int = 0) -> Call:
        """Wait for the POST with that number."""
        async with asyncio.timeout(LONG_S), self._arrived:
            await self._arrived.wait_for(lambda: len(self.calls) > number)
        return self.calls[number]

    async def stop(self) -> None:
        """Stop listening and drop all connections."""
        if self._server is None:
            return
        self._server.close()
        for transport in list(self.transports):
            transport.abort()
        for task in list(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await asyncio.sleep(0)
        self._server = None

    def count(self) -> int:
        """Return the number of a new connection."""
        self._connections += 1
        return self._connections

    async def answer(self, call: Call) -> None:
        """Play what is next for `call`."""
        if call.path.endswith("/models"):
            await self.list_models(call)
            return
        if call.method == "GET":  # somebody wants to know what kind of server this is
            await head(404, JSON, length=2)(call)
            await raw(b"{}")(call)
            return
        self.calls.append(call)
        async with self._arrived:
            self._arrived.notify_all()
        script = self._scripts.popleft() if len(self._scripts) > 1 else self._scripts[0]
        for step in script:
            await step(call)

    async def list_models(self, call: Call) -> None:
        """Answer `GET /models`."""
        if self.models is None:
            await head(404, JSON, length=2, headers={"Connection": "close"})(call)
            await raw(b"{}")(call)
        else:
            body = json.dumps(
                {"object": "list", "data": [{"id": name, "object": "model", **self.facts} for name in self.models]}
            ).encode()
            await head(200, JSON, length=len(body), headers={"Connection": "close"})(call)
            await raw(body)(call)
        await close(call)


class _Connection(asyncio.Protocol):
    """Reads requests and plays their scripts, one after the other."""

    def __init__(self, backend: ScriptedBackend) -> None:
        self._backend = backend
        self._number = backend.count()
        self._buffer = b""
        self._closed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A cast: uvloop's transports are none of asyncio's.
        self._transport = cast(asyncio.Transport, transport)
        self._backend.transports.add(self._transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._next()

    def connection_lost(self, _error: Exception | None) -> None:
        self._backend.transports.discard(self._transport)
        self._closed.set()

    def _next(self) -> None:
        if self._task is not None and not self._task.done():
            return
        call = self._read()
        if call is not None:
            self._task = asyncio.get_running_loop().create_task(self._play(call), name="scripted-backend")
            self._backend.tasks.add(self._task)
            self._task.add_done_callback(self._backend.tasks.discard)

    async def _play(self, call: Call) -> None:
        await self._backend.answer(call)
        if self._buffer and not self._closed.is_set():
            asyncio.get_running_loop().call_soon(self._next)

    def _read(self) -> Call | None:
        """Return the request at the beginning of the buffer, once it is there whole."""
        top, blank, rest = self._buffer.partition(b"\r\n\r\n")
        if not blank:
            return None
        first, *lines = top.decode("latin-1").split("\r\n")
        method, path, _ = first.split(" ")
        headers = CIMultiDict((name, value.strip()) for name, _, value in (line.partition(":") for line in lines))
        length = int(headers.get("Content-Length", "0"))
        if len(rest) < length:
            return None
        self._buffer = rest[length:]
        return Call(method, path, headers, rest[:length], self._number, time.monotonic(), self._transport, self._closed)
