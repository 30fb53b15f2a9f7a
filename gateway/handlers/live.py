"""A stream on its way to a client: prepared with its first byte, with signs of life, bounded by a deadline."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_writer import StreamWriter
from multidict import CIMultiDict

from gateway.backend_settings import DELIVERIES
from gateway.errors import OverloadedError, RequestError
from gateway.exchange import EXCHANGE, Exchange
from gateway.lifecycle import LIFECYCLE, STOPPING, LiveStream
from gateway.telemetry.metrics import METRICS

SLOW_CLIENT = "slow_client"
"""The kind of a request whose client did not read."""


class StreamClocks(NamedTuple):
    """Seconds: after which silence a sign of life is written (0: never), and how long one write may take."""

    heartbeat_s: float = 15.0
    write_timeout_s: float = 60.0


STREAM_CLOCKS: web.AppKey[StreamClocks] = web.AppKey("stream_clocks", StreamClocks)
"""Where an application keeps them."""


SLOW_WRITE_S = 0.001
"""A write that takes longer waited for its client."""
DELIVERY_HEADER = "X-Gateway-Delivery"


def asked_delivery(request: web.Request) -> str | None:
    """Return what X-Gateway-Delivery asks for, None where it is not there. Raises RequestError for an unknown word."""
    asked = request.headers.get(DELIVERY_HEADER)
    if asked is None:
        return None
    word = asked.strip().lower()
    if word not in DELIVERIES:
        raise RequestError(f"{DELIVERY_HEADER} must be one of {', '.join(DELIVERIES)}", param=DELIVERY_HEADER)
    return word


class _WithFirstByte(web.StreamResponse):
    """An answer whose head goes out with its first byte, in one packet: it is only prepared when there is one."""

    _send_headers_immediately = False


class Outlet:
    """The one writer of a streamed answer. `beat` returns a heartbeat; `headers` are those of the answer.

    The response is prepared with the first byte, so that what fails before has a status of its own. A heartbeat is a
    byte, but no output: attempts may go on after it. One timer serves both clocks by looking at stored times.
    """

    def __init__(self, request: web.Request, headers: CIMultiDict[str], beat: Callable[[], bytes]) -> None:
        self.headers = headers
        self._request = request
        self._exchange = request[EXCHANGE]
        self._beat = beat
        self._clocks = request.app[STREAM_CLOCKS]
        metrics = request.app.get(METRICS)
        self._gaps = metrics.streams.gaps if metrics is not None else None
        self._output_ns = 0
        self._loop = asyncio.get_running_loop()
        self._response: web.StreamResponse | None = None
        self._writer: AbstractStreamWriter | None = None
        self._transport: asyncio.Transport | None = None
        self._written_s = self._loop.time()
        self._writing_since_s: float | None = None
        self._beating: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._arm(self._written_s)

    @property
    def begun(self) -> bool:
        """Whether the status line is on its way: a failure is a last line from now on."""
        return self._response is not None or self._beating is not None

    async def write(self, data: bytes, chunks: int, now_ns: int) -> None:
        """Write output; `chunks` is how many elements of the stream `data` has."""
        self._count(chunks, now_ns)
        await self._write(data)

    @property
    def ready(self) -> bool:
        """Whether output can be written without waiting: begun, and its client reads."""
        transport = self._transport
        if transport is None or self._beating is not None or transport.is_closing():
            return False
        protocol = self._request.protocol
        return not protocol.writing_paused

    def write_at_once(self, data: bytes, chunks: int, now_ns: int) -> None:
        """Write output as `write` does, where it is `ready`."""
        self._count(chunks, now_ns)
        self._exchange.sent_bytes += len(data)
        self._written_s = self._loop.time()
        if self._transport is not None:
            # What aiohttp's writer makes of it (RFC 9112, section 7.1), without its questions.
            self._transport.write(b"%x\r\n%b\r\n" % (len(data), data))

    def _count(self, chunks: int, now_ns: int) -> None:
        exchange = self._exchange
        if exchange.first_chunk_ns is None:
            exchange.first_chunk_ns = now_ns
            exchange.waited_first_ns = exchange.waited_ns
        elif self._gaps is not None:
            self._gaps.observe(now_ns - self._output_ns)
        self._output_ns = now_ns
        exchange.chunks += chunks

    async def close(self, last: bytes = b"") -> web.StreamResponse:
        """Write the last bytes, if any, and end the answer."""
        if last or self._response is None:
            await self._write(last)
        self.stop()
        response = self._response
        if response is None:
            raise RuntimeError("an answer was ended that was never prepared")
        await response.write_eof()
        return response

    def stop(self) -> None:
        """Drop the timer."""
        self._note_written()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def _write(self, data: bytes) -> None:
        if self._beating is not None:
            await self._end_of_beat()
        self._writing_since_s = self._loop.time()
        if self._writer is not None and data:
            self._exchange.sent_bytes += len(data)
            await self._writer.write(data)
        else:
            await self._send(data)
        self._note_written()

    def _note_written(self) -> None:
        """Note the end of a write; the time that a client took to read is not ours."""
        since_s, now_s = self._writing_since_s, self._loop.time()
        if since_s is not None and now_s - since_s > SLOW_WRITE_S:
            self._exchange.waited_ns += int((now_s - since_s) * 1e9)
        self._writing_since_s = None
        self._written_s = now_s

    async def _send(self, data: bytes) -> None:
        if self._writer is None:
            response = _WithFirstByte(headers=self.headers)
            self._writer = await response.prepare(self._request)
            self._response = response
        if data and self._writer is not None:
            self._exchange.sent_bytes += len(data)
            await self._writer.write(data)
            if isinstance(self._writer, StreamWriter) and self._writer.chunked:
                self._transport = self._request.transport

    async def _end_of_beat(self) -> None:
        beating, self._beating = self._beating, None
        if beating is not None:
            await beating

    def _arm(self, now_s: float) -> None:
        heartbeat_s, write_timeout_s = self._clocks
        if self._writing_since_s is not None:
            due_s = self._writing_since_s + write_timeout_s
        else:
            due_s = self._written_s + (heartbeat_s or write_timeout_s)
        # Not later than a write that begins now may last.
        self._timer = self._loop.call_at(min(max(due_s, now_s), now_s + write_timeout_s), self._look)

    def _look(self) -> None:
        now_s = self._loop.time()
        heartbeat_s, write_timeout_s = self._clocks
        if self._writing_since_s is not None:
            if now_s - self._writing_since_s >= write_timeout_s:
                self._give_up()
                return
        elif heartbeat_s and now_s - self._written_s >= heartbeat_s:
            self._exchange.heartbeats += 1
            self._written_s = now_s
            self._beating = self._loop.create_task(self._send_beat(), name="heartbeat")
        self._arm(now_s)

    async def _send_beat(self) -> None:
        self._writing_since_s = self._loop.time()
        # A client that left is noticed by the handler, which aiohttp cancels.
        with suppress(ConnectionError):
            await self._send(self._beat())
        self._writing_since_s = None

    def _give_up(self) -> None:
        """Drop a client that does not read: its handler is cancelled, and the backend's connection closed."""
        self._exchange.error_kind = SLOW_CLIENT
        if (transport := self._request.transport) is not None:
            transport.abort()


class Ending:
    """Tells a stream that the process stops; see `ending`."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._task = asyncio.current_task()
        self._follower: LiveStream | None = None
        self.told = False

    def follow(self, answer: LiveStream) -> None:
        """Pass the word on to `answer` from now on: it has begun, and knows how to end."""
        self._follower = answer

    def end(self) -> None:
        """Have the answer end with an honest last line; where only heartbeats were sent, give the attempts up."""
        if self._follower is not None:
            self._follower.end()
        elif self._task is not None and self._exchange.prepared:
            self.told = True
            self._task.cancel()


@contextmanager
def ending(request: web.Request) -> Iterator[Ending]:
    """Have a stream end well when the process stops: raises OverloadedError where only heartbeats were sent so far.

    What was not prepared is the business of the stopping middleware: it still has a status of its own.
    """
    live = request.app[LIFECYCLE].live
    found = Ending(request[EXCHANGE])
    live.add(found)
    try:
        yield found
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if not found.told or task is None or task.uncancel() > 0:
            raise
        raise OverloadedError(STOPPING) from None
    finally:
        live.discard(found)
