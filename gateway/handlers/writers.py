"""The only code that writes after prepare: whole answers, and streams that end honestly."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic_ns, time_ns

from aiohttp import web
from multidict import CIMultiDict

from gateway.backends.asking import Answering
from gateway.codecs.error_body import error_body
from gateway.codecs.events import Event, Failure, Raw
from gateway.codecs.ollama_writer import Clocks, NdjsonWriter
from gateway.errors import ProxyException
from gateway.exchange import EXCHANGE, Exchange
from gateway.lifecycle import LIFECYCLE

JSON = "application/json; charset=utf-8"


def json_response(body: bytes, *, status: int = 200, content_type: str = JSON) -> web.Response:
    """Return a whole JSON answer; `content_type` may carry a charset."""
    return web.Response(body=body, status=status, headers={"Content-Type": content_type})


async def stream_events(
    request: web.Request, answer: Answering, writer: NdjsonWriter, clocks: Clocks
) -> web.StreamResponse:
    """Write an Ollama stream: one write a batch; a failure after the first chunk becomes the last line."""
    exchange = request[EXCHANGE]
    response = web.StreamResponse(headers={"Content-Type": writer.content_type})
    await response.prepare(request)
    clocks.first_ns = exchange.first_output_ns
    with _live(request, answer):
        while (events := await answer.next()) is not None:
            now_ns = clocks.ended_ns = monotonic_ns()
            data = writer.write(events, time_ns())
            if data:
                await _write(response, exchange, data, len(events), now_ns)
    if writer.failure is not None:
        exchange.error_kind = writer.failure.kind
        await response.write(writer.fail(writer.failure, exchange.request_id))
    await response.write_eof()
    return response


async def stream_raw(request: web.Request, answer: Answering, headers: CIMultiDict[str]) -> web.StreamResponse:
    """Pass a backend's events on; a failure after the first becomes an error event, and no `[DONE]` follows."""
    exchange = request[EXCHANGE]
    response = web.StreamResponse(headers=headers)
    await response.prepare(request)
    with _live(request, answer):
        while (events := await answer.next()) is not None:
            data, failure = split_raw(events)
            if data:
                await _write(response, exchange, data, data.count(b"data:"), monotonic_ns())
            if failure is not None:
                exchange.error_kind = failure.kind
                await response.write(b"data: %b\n\n" % error_body("openai", failure, exchange.request_id))
    await response.write_eof()
    return response


def split_raw(events: list[Event]) -> tuple[bytes, ProxyException | None]:
    """Return the bytes of a batch, and its failure if it ends with one."""
    data = b"".join([event.data for event in events if isinstance(event, Raw)])
    last = events[-1] if events else None
    return data, last.error if isinstance(last, Failure) else None


@contextmanager
def _live(request: web.Request, answer: Answering) -> Iterator[None]:
    """Have the stream told to end, with an honest last line, when the process stops."""
    live = request.app[LIFECYCLE].live
    live.add(answer)
    try:
        yield
    finally:
        live.discard(answer)


async def _write(response: web.StreamResponse, exchange: Exchange, data: bytes, chunks: int, now_ns: int) -> None:
    if exchange.first_chunk_ns is None:
        exchange.first_chunk_ns = now_ns
    exchange.chunks += chunks
    exchange.sent_bytes += len(data)
    await response.write(data)
