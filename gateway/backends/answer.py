"""Answer: one backend's answer being read: bytes to events, under the clocks."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from time import monotonic_ns

import aiohttp

from gateway.backends.asking import Taker
from gateway.backends.responses import Response
from gateway.backends.sessions import hand_over, has_arrived, read_arrived
from gateway.backends.watchdog import Watchdog
from gateway.codecs.contract import BackendReader, Encoded, Target
from gateway.codecs.events import End, Event, Failure, Finish, Raw, Usage
from gateway.errors import (
    OverloadedError,
    ProxyException,
    TranslationError,
    UpstreamConnectionError,
    UpstreamTimeoutError,
)
from gateway.exchange import Exchange
from gateway.lifecycle import STOPPING
from gateway.telemetry.waiting import waiting

USAGE_WAIT_S = 2.0
"""How long to wait for usage after a finish reason when the backend does not say [DONE]."""
GUARDED_TOKENS = 16
"""How many pieces of output `guarded` delivery holds back, unless configured: most answers that break do so early."""
MAX_HELD_BYTES = 64 * 1024 * 1024
"""How much of a stream is held back: one that never ends must not fill the memory unseen."""
STALLED = 0.5
"""A connection that is closed after this share of a clock was silent before it broke."""
REUSE_WAIT_S = 0.5
"""How long to wait, after [DONE], for the end of the body that lets the connection be used again."""
CANCELLED = "cancelled"
"""How an attempt ended whose client left, or that the end of the process cut short."""


_LAST = Finish, Failure
"""After one of them nothing follows. A tuple: a union would be made anew each time."""


class Answer:
    """The events of one answer to `encoded`, a batch a read. Nothing of it was shown before `begin` returned."""

    def __init__(
        self,
        exchange: Exchange,
        target: Target,
        response: Response,
        reader: BackendReader,
        *,
        encoded: Encoded,
        idle_s: float,
        guarded_tokens: int = GUARDED_TOKENS,
        total_s: float | None,
        clean: Callable[[ProxyException], None],
    ) -> None:
        self.target = target
        self.headers = response.headers
        self.reader = reader
        self.encoded = encoded
        self._exchange = exchange
        self._response = response
        self._idle_s = idle_s
        self._guarded_tokens = guarded_tokens
        self._total_s = total_s
        self._watchdog = Watchdog(self._stop)
        self._first: list[Event] | None = None
        self._most_bytes: int | None = None
        self._clean = clean
        self._seen = 0
        self._seen_finished = False
        self.failure: ProxyException | None = None
        """What broke the answer; None while nothing did."""
        self._taker: Taker | None = None
        self._waiting = False
        self._read_already: list[Event] | None = None
        self._raised: Exception | None = None
        self._over = False
        self._complete = False
        self._stopped: ProxyException | None = None

    async def begin(self, wait_s: float, passed_s: float, delivery: str = "live") -> None:
        """Read what must be there before anything is shown; the first output comes within `wait_s` less `passed_s`.

        `live`: the first output; `guarded`: so many tokens; `whole`: all. Raises the failure if one comes before.
        """
        self._watchdog.expect("total" if self._total_s is not None else "first_token", wait_s, passed_s=passed_s)
        if self._total_s is None:  # a body in one piece is bounded by its reader
            self._most_bytes = self._exchange.received_bytes + MAX_HELD_BYTES
        events: list[Event] = []
        shown = False
        while True:
            batch = await self._read()
            if batch is None:
                break
            if not batch:
                continue
            events += batch
            if isinstance(batch[-1], Failure) and (delivery != "live" or not (shown or _shows(batch[:-1]))):
                raise batch[-1].error
            if not shown and _shows(batch):
                shown = True
                self._exchange.first_output_ns = monotonic_ns()
            if self._may_show(batch[-1], delivery, shown):
                break
            self._pause()
            self._go_on()
        self._first = events
        self._most_bytes = None
        self._pause()

    def _may_show(self, last: Event, delivery: str, shown: bool) -> bool:
        if isinstance(last, _LAST):
            return True
        if delivery == "guarded":
            return self.reader.progress >= self._guarded_tokens
        return shown and delivery != "whole"

    def pass_to(self, taker: Taker) -> None:
        """Let `taker` have what arrives while `next` waits, at once: for a live token nobody has to be woken."""
        self._taker = taker
        hand_over(self._response.content, self._take)

    async def next(self) -> list[Event] | None:
        """Return the next batch of events, None after the last. A Failure is an event here, never raised."""
        if self._first is not None:
            first, self._first = self._first, None
            return first
        self._go_on()
        batch = await self._read()
        self._pause()
        return batch

    def end(self) -> None:
        """Stop reading because the process stops: the next batch is a failure that says so."""
        self._stop(OverloadedError(STOPPING))

    @property
    def complete(self) -> bool:
        """Whether the answer was read to its proper end."""
        return self._complete

    @property
    def outcome(self) -> str:
        """How it ended, as a label: ok, cancelled, or what broke it."""
        if self._complete:
            return "ok"
        if self.failure is None or isinstance(self.failure, OverloadedError):
            return CANCELLED
        return f"broken_{self.failure.kind}"

    async def close(self) -> None:
        """Give the connection back when the answer was read to its end, else close it: the backend stops working."""
        content = self._response.content
        try:
            if self._complete and not content.at_eof():
                with suppress(TimeoutError, aiohttp.ClientError, ConnectionError):
                    async with asyncio.timeout(REUSE_WAIT_S):
                        while await waiting(self._exchange, content.readany()):
                            pass
        finally:
            self.drop()

    def drop(self) -> None:
        """Let go at once: the connection is closed unless its body was read to the end."""
        self._watchdog.close()
        if self._complete and self._response.content.at_eof():
            self._response.release()
        else:
            self._response.close()

    async def _read(self) -> list[Event] | None:
        """Read until there are events; return None when there are no more."""
        content = self._response.content
        reader = self.reader
        while not self._over:
            since_ns = monotonic_ns()
            self._waiting = True
            if not has_arrived(content):
                self._watchdog.watch()
            try:
                data = await read_arrived(content)
            except (aiohttp.ClientError, ConnectionError, ProxyException) as error:
                return self._broken(reader.finish(self._end_of(error), monotonic_ns()))
            finally:
                self._waiting = False
                now_ns = monotonic_ns()
                self._exchange.waited_ns += now_ns - since_ns
            if self._raised is not None:
                raise self._raised
            if self._read_already is not None:
                return self._ended(self._read_already)
            if not data:
                return self._broken(reader.finish(End.CLEAN, monotonic_ns()))
            self._exchange.received_bytes += len(data)
            events = reader.feed(data, now_ns)
            self._exchange.translation_ns += monotonic_ns() - now_ns
            if reader.ended:
                return self._ended(events)
            if self._most_bytes is not None and self._exchange.received_bytes > self._most_bytes:
                return self._ended([Failure(TranslationError("the backend sent more than can be held back"))])
            if events:
                return events
            if self._has_told():
                self._go_on()
        return None

    def _take(self, data: bytes) -> bool:
        """Read what arrives while `next` waits, and pass it on; return False where that is left to `next`.

        So is what ends the answer. It wakes `next`, which finds it read already. A mistake of ours is raised there too:
        raised here it would reach the event loop, which closes the connection, and the backend would be blamed.
        """
        taker = self._taker
        if not self._waiting or taker is None or self._stopped is not None or not taker.ready:
            return False
        exchange = self._exchange
        now_ns = done_ns = monotonic_ns()
        exchange.received_bytes += len(data)
        try:
            events = self.reader.feed(data, now_ns)
            if self.reader.ended:
                self._read_already = events
            elif events:
                done_ns = taker.take(events, now_ns)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is not lost: `next` raises it in the task of the request
            self._raised = error
        exchange.translation_ns += done_ns - now_ns
        exchange.waited_ns -= done_ns - now_ns
        if self._read_already is not None or self._raised is not None:
            return False
        if self._has_told():
            self._go_on()
        return True

    def _go_on(self) -> None:
        """Start the clock anew after output, else go on with it: comments and empty deltas are silence too.

        After a finish reason a short clock runs, for usage and [DONE]; a plain answer keeps its total.
        """
        if self._total_s is not None:
            return
        reader = self.reader
        if not self._has_told():
            self._watchdog.resume()
        else:
            self._seen, self._seen_finished = reader.progress, reader.finished
            self._watchdog.expect("idle", USAGE_WAIT_S if reader.finished else self._idle_s)

    def _has_told(self) -> bool:
        return self.reader.progress != self._seen or self.reader.finished is not self._seen_finished

    def _pause(self) -> None:
        if self._total_s is None:
            self._watchdog.pause()

    def _end_of(self, error: Exception) -> End:
        """Tell how the body ended; when we stopped reading after the finish reason, nothing is missing but usage."""
        return End.CANCELLED if error is self._stopped else End.CUT

    def _broken(self, events: list[Event]) -> list[Event]:
        """Tell a cut that came out of a long silence from a sudden one: who is silent is not asked again."""
        match events[-1:]:
            case [Failure(error=UpstreamConnectionError(phase="cut") as error)] if self._watchdog.spent > STALLED:
                error.phase = "stalled"
        return self._ended(events)

    def _ended(self, events: list[Event]) -> list[Event]:
        self._over = True
        if self._stopped is not None and not self.reader.finished:
            events = [Failure(self._stopped)]
        for event in events[-2:]:  # nothing follows these, and Usage comes right before Finish
            if isinstance(event, Usage):
                self._exchange.prompt_tokens = event.prompt_tokens
                self._exchange.completion_tokens = event.completion_tokens
                self._exchange.reasoning_tokens = event.reasoning_tokens
            elif isinstance(event, Finish):
                self._complete = self._stopped is None
                self._exchange.finish_reason = event.reason
            elif isinstance(event, Failure):
                self.failure = event.error
                self._clean(event.error)
        return events

    def _stop(self, error: ProxyException) -> None:
        """Wake the read that waits, or fail the next one: the connection itself is closed by `close`."""
        self._stopped = error
        self._response.content.set_exception(error)


def _shows(events: list[Event]) -> bool:
    """Tell whether a batch holds output, or the end of an answer without any."""
    for event in events:
        if isinstance(event, Raw):
            if event.content:
                return True
        elif not isinstance(event, Usage):
            return True
    return False


def connection_error(error: Exception, backend: str) -> ProxyException:
    """Return our error for one of aiohttp's, raised before any byte of an answer was received."""
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return UpstreamTimeoutError(f"the backend {backend!r} could not be connected to in time", clock="connect")
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return UpstreamConnectionError(f"the name of the backend {backend!r} cannot be resolved", phase="connect")
    if isinstance(
        error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError | aiohttp.ServerFingerprintMismatch
    ):
        return UpstreamConnectionError(f"the TLS certificate of the backend {backend!r} was refused", phase="tls")
    if isinstance(error, aiohttp.ClientConnectorError):
        return UpstreamConnectionError(f"the backend {backend!r} cannot be reached", phase="connect")
    if isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError | ConnectionError):
        return UpstreamConnectionError(
            f"the backend {backend!r} closed the connection without an answer", phase="reset"
        )
    return UpstreamConnectionError(f"the backend {backend!r} answered in broken HTTP", phase="protocol")
