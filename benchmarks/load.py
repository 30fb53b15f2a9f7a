"""A raw load generator: connections in a closed loop, measured by chunk; every answer is judged.

It runs in the process of the runner, pinned to the load's core, and keeps out of the way: no client library, no JSON.
"""

import asyncio
import gc
import re
from array import array
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic_ns, perf_counter
from typing import cast

from benchmarks.asks import MARK, Ask
from benchmarks.wire import BrokenResponseError, Response

_STAMP = re.compile(rb'" w(\d{12,})"')
STALLED_S = 60.0


def _seconds() -> "array[float]":
    return array("d")


@dataclass(slots=True)
class Measured:
    """What one burst showed. Times in seconds: of answers, first chunks, gaps, chunks on their way."""

    answers: int = 0
    chunks: int = 0
    elapsed_s: float = 0.0
    errors: Counter[str] = field(default_factory=Counter)
    latencies_s: "array[float]" = field(default_factory=_seconds)
    first_s: "array[float]" = field(default_factory=_seconds)
    gaps_s: "array[float]" = field(default_factory=_seconds)
    transit_s: "array[float]" = field(default_factory=_seconds)


class Budget:
    """How much is asked in all: a number of requests, or as many as fit into a time."""

    def __init__(self, requests: int | None, seconds: float | None = None) -> None:
        self._left = requests
        self._seconds = seconds
        self._until: float | None = None

    def take(self) -> bool:
        """Return whether one more may be asked. The time begins with the first: connections are open by then."""
        if self._seconds is not None:
            if self._until is None:
                self._until = perf_counter() + self._seconds
            elif perf_counter() >= self._until:
                return False
        if self._left is None:
            return True
        self._left -= 1
        return self._left >= 0


class Client(asyncio.Protocol):
    """One connection: asks, reads, judges, asks again, until the budget is spent."""

    def __init__(self, ask: Ask, request: bytes, budget: Budget, measured: Measured) -> None:
        self._ask = ask
        self._request = request
        self._budget = budget
        self._measured = measured
        self._response = Response()
        self._tail = b""
        self._asked = self._last = 0.0
        self._seen = False
        self._waits = False
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport; `start` asks."""
        self.transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Count an answer that was cut."""
        if self._waits:
            self._measured.errors["the connection was closed"] += 1
        self._end()

    def start(self) -> None:
        """Ask, if there is something left to ask."""
        if self.transport.is_closing() or not self._budget.take():
            self._end()
            return
        self._response = Response()
        self._seen = False
        self._tail = b""
        self._waits = True
        self._asked = self._last = perf_counter()
        self.transport.write(self._request)

    def again(self, budget: Budget) -> None:
        """Ask out of another budget, once the last one is spent; `done` is a new future."""
        self._budget = budget
        self.done = asyncio.get_running_loop().create_future()
        self.start()

    def data_received(self, data: bytes) -> None:
        """Measure what came; judge an answer that is whole."""
        if not self._waits:
            return
        try:
            pieces = self._response.feed(data)
        except BrokenResponseError as error:
            self._fail(str(error))
            return
        if pieces:
            self._measure(pieces[0] if len(pieces) == 1 else b"".join(pieces))
        if self._response.whole:
            self._judge()

    def _measure(self, data: bytes) -> None:
        """Note when chunks came; what comes in one read has no gap within it."""
        now = perf_counter()
        seen = self._tail + data if self._tail else data
        self._tail = seen[1 - len(MARK) :]
        chunks = seen.count(MARK)
        if not chunks:
            return
        measured = self._measured
        if self._seen:
            measured.gaps_s.append(now - self._last)
        else:
            self._seen = True
            measured.first_s.append(now - self._asked)
        measured.gaps_s.extend([0.0] * (chunks - 1))
        self._last = now
        if self._ask.pace_ms:
            came_ns = monotonic_ns()
            measured.transit_s.extend((came_ns - int(stamp)) / 1e9 for stamp in _STAMP.findall(seen))

    def _judge(self) -> None:
        response, measured = self._response, self._measured
        self._waits = False
        body = b"".join(response.body)
        wrong = self._ask.judge(body) if response.status == 200 else f"{response.status}: {body[:120]!r}"
        if wrong:
            measured.errors[wrong] += 1
        else:
            measured.answers += 1
            measured.chunks += self._ask.chunks
            measured.latencies_s.append(perf_counter() - self._asked)
        self.start()

    def _fail(self, why: str) -> None:
        self._waits = False
        self._measured.errors[why] += 1
        self.transport.close()

    def _end(self) -> None:
        if not self.done.done():
            self.done.set_result(None)


async def connect(host: str, port: int, ask: Ask, budget: Budget, measured: Measured, count: int) -> list[Client]:
    """Open `count` connections. Raises OSError."""
    loop = asyncio.get_running_loop()
    request = ask.request(f"{host}:{port}")
    clients: list[Client] = []
    for _ in range(count):
        _, client = await loop.create_connection(lambda: Client(ask, request, budget, measured), host, port)
        clients.append(client)
    return clients


async def fire(
    host: str,
    port: int,
    ask: Ask,
    connections: int,
    *,
    requests: int | None = None,
    seconds: float | None = None,
    spread_s: float = 0.0,
) -> Measured:
    """Ask over `connections` until the budget is spent. `spread_s`: over which time the connections begin."""
    measured = Measured()
    budget = Budget(requests, seconds)
    opened = await connect(host, port, ask, budget, measured, connections)
    try:
        with _without_gc():
            began = perf_counter()
            await _begin(opened, spread_s)
            await _all_done(opened, measured)
            measured.elapsed_s = perf_counter() - began
    finally:
        for client in opened:
            client.transport.abort()
        await asyncio.sleep(0)
    return measured


async def _begin(clients: list[Client], spread_s: float) -> None:
    loop = asyncio.get_running_loop()
    now = loop.time()
    for number, client in enumerate(clients):
        if spread_s:
            loop.call_at(now + spread_s * number / len(clients), client.start)
        else:
            client.start()


async def _all_done(clients: list[Client], measured: Measured) -> None:
    """Wait for all; connections on which nothing moves for STALLED_S count as errors."""
    waiting: set[asyncio.Future[None]] = {client.done for client in clients}
    while waiting:
        before = len(measured.gaps_s) + len(measured.latencies_s) + measured.errors.total()
        _, waiting = await asyncio.wait(waiting, timeout=STALLED_S)
        if waiting and len(measured.gaps_s) + len(measured.latencies_s) + measured.errors.total() == before:
            measured.errors["no answer"] += len(waiting)
            return


@contextmanager
def _without_gc() -> Iterator[None]:
    """A collection in the load would be counted as the target's latency."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
