"""Whole answers, and streams that end honestly, in the form of either dialect."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from time import monotonic_ns, time_ns
from typing import Protocol

from aiohttp import hdrs, web
from multidict import CIMultiDict

from gateway.answers import WholeAnswer
from gateway.backends.asking import Answering
from gateway.backends.responses import passed_headers
from gateway.codecs.error_body import error_body
from gateway.codecs.events import Event, Failure, Raw
from gateway.codecs.ollama_writer import Clocks, NdjsonWriter
from gateway.errors import ProxyException, UpstreamStatusError
from gateway.exchange import EXCHANGE, Exchange
from gateway.handlers.live import Outlet, asked_delivery, ending

JSON = "application/json; charset=utf-8"
_EVENT_STREAM = "text/event-stream; charset=utf-8"


def json_response(body: bytes, *, status: int = 200, content_type: str = JSON) -> web.Response:
    """Return a whole JSON answer; `content_type` may carry a charset."""
    return WholeAnswer(body, CIMultiDict({hdrs.CONTENT_TYPE: content_type}), status=status)


class StreamForm(Protocol):
    """How one dialect writes a stream."""

    @property
    def headers(self) -> CIMultiDict[str]:
        """The headers known before anybody answered."""
        ...

    def begin(self, answer: Answering, headers: CIMultiDict[str]) -> None:
        """Take what is known once somebody answers; `headers` are still those of the answer to the client."""
        ...

    def write(self, events: list[Event], now_ns: int) -> tuple[bytes, int, ProxyException | None]:
        """Return the bytes of a batch, how many chunks they are, and the failure that ends the answer, if one does."""
        ...

    def heartbeat(self) -> bytes:
        """Return what a client takes for no output."""
        ...

    def fail(self, error: ProxyException, request_id: str) -> bytes:
        """Return the last line of an answer that breaks."""
        ...


class NdjsonForm:
    """Ollama's lines, or the same objects as server-sent events; `worded` puts a refusal into its words."""

    def __init__(
        self,
        writer: NdjsonWriter,
        clocks: Clocks,
        exchange: Exchange,
        worded: Callable[[UpstreamStatusError], ProxyException],
    ) -> None:
        self._writer = writer
        self._worded = worded
        self._clocks = clocks
        self._exchange = exchange
        self.headers: CIMultiDict[str] = CIMultiDict({hdrs.CONTENT_TYPE: writer.content_type})

    def begin(self, answer: Answering, headers: CIMultiDict[str]) -> None:
        """Take the times of the question and of the first output."""
        self._clocks.asked_ns = self._exchange.asked_ns or self._exchange.started_ns
        self._clocks.first_ns = self._exchange.first_output_ns

    def write(self, events: list[Event], now_ns: int) -> tuple[bytes, int, ProxyException | None]:
        """Return a batch as lines."""
        self._clocks.ended_ns = now_ns
        data = self._writer.write(events, time_ns())
        # A quote within a text is escaped: this mark stands once in each line.
        return data, data.count(b',"done":'), self._writer.failure

    def heartbeat(self) -> bytes:
        """Return a whole chunk with empty content: a blank line would end some clients."""
        return self._writer.heartbeat(time_ns())

    def fail(self, error: ProxyException, request_id: str) -> bytes:
        """Return the line that ends a broken stream."""
        said = self._worded(error) if isinstance(error, UpstreamStatusError) else error
        return self._writer.fail(said, request_id)


class RawForm:
    """A backend's events as they are; a failure after the first becomes an error event, and no `[DONE]` follows."""

    def __init__(self) -> None:
        self.headers: CIMultiDict[str] = CIMultiDict(
            {hdrs.CONTENT_TYPE: _EVENT_STREAM, hdrs.CACHE_CONTROL: "no-cache", "X-Accel-Buffering": "no"}
        )

    def begin(self, answer: Answering, headers: CIMultiDict[str]) -> None:
        """Pass the backend's own headers on, as long as there is time."""
        headers.extend(passed_headers(answer.headers))

    def write(self, events: list[Event], now_ns: int) -> tuple[bytes, int, ProxyException | None]:
        """Return the events of a batch."""
        data, failure = split_raw(events)
        return data, data.count(b"\ndata:") + data.startswith(b"data:"), failure

    def heartbeat(self) -> bytes:
        """Return a comment."""
        return b": heartbeat\n\n"

    def fail(self, error: ProxyException, request_id: str) -> bytes:
        """Return the event that ends a broken stream."""
        return b"data: %b\n\n" % error_body("openai", error, request_id)


class _Passage:
    """Takes batches of an answer that has begun as they come: a `Taker`."""

    def __init__(self, form: StreamForm, outlet: Outlet) -> None:
        self._form = form
        self._outlet = outlet

    @property
    def ready(self) -> bool:
        """Whether a batch can be written without waiting."""
        return self._outlet.ready

    def take(self, events: list[Event], now_ns: int) -> int:
        """Write a batch; return when its bytes were made."""
        data, chunks, _ = self._form.write(events, now_ns)
        made_ns = monotonic_ns()
        if data:
            self._outlet.write_at_once(data, chunks, now_ns)
        return made_ns


async def stream_answer(
    request: web.Request, form: StreamForm, attempts: AbstractAsyncContextManager[Answering]
) -> web.StreamResponse:
    """Write what `attempts` answers: one write a batch. Raises ProxyException while nothing was written.

    After that a failure is the last line, also where only heartbeats came before it.
    """
    exchange = request[EXCHANGE]
    exchange.delivery = asked_delivery(request)
    outlet = Outlet(request, form.headers, form.heartbeat)
    try:
        failure = await _pour(request, form, attempts, outlet)
        if failure is None:
            return await outlet.close()
        exchange.error_kind = failure.kind
        return await outlet.close(form.fail(failure, exchange.request_id))
    finally:
        outlet.stop()


async def _pour(
    request: web.Request, form: StreamForm, attempts: AbstractAsyncContextManager[Answering], outlet: Outlet
) -> ProxyException | None:
    """Write all there is; return the failure that ends it once something was written."""
    exchange = request[EXCHANGE]
    try:
        with ending(request) as live:
            async with attempts as answer:
                live.follow(answer)
                form.begin(answer, outlet.headers)
                answer.pass_to(_Passage(form, outlet))
                while (events := await answer.next()) is not None:
                    now_ns = monotonic_ns()
                    data, chunks, failure = form.write(events, now_ns)
                    exchange.translation_ns += monotonic_ns() - now_ns
                    if data:
                        await outlet.write(data, chunks, now_ns)
                    if failure is not None:
                        return failure
    except ProxyException as error:
        if not outlet.begun:
            raise
        return error
    return None


def split_raw(events: list[Event]) -> tuple[bytes, ProxyException | None]:
    """Return the bytes of a batch, and its failure if it ends with one."""
    data = b"".join([event.data for event in events if isinstance(event, Raw)])
    last = events[-1] if events else None
    return data, last.error if isinstance(last, Failure) else None
