"""Spans of requests, by OpenTelemetry: never content, never keys. `tracing` loads this only where they are wanted."""

import asyncio
import logging
import threading
from collections.abc import Mapping
from contextlib import suppress
from time import monotonic, monotonic_ns, time_ns
from typing import TYPE_CHECKING

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

from gateway.telemetry.logging import get_logger

if TYPE_CHECKING:
    from gateway.exchange import Exchange

SERVICE_NAME = "ollama-openai-proxy"
CLOSING_S = 3.0
"""How long the last spans may take on their way out when the process stops."""
QUIET_S = 60.0
"""How seldom the log says that spans cannot be exported: a collector that is down would fill it."""
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_OPERATIONS = {"/chat/completions": "chat", "/completions": "text_completion", "/embeddings": "embeddings"}
_PARAMETERS = {
    "temperature": "gen_ai.request.temperature",
    "top_p": "gen_ai.request.top_p",
    "top_k": "gen_ai.request.top_k",
    "max_tokens": "gen_ai.request.max_tokens",
    "max_completion_tokens": "gen_ai.request.max_tokens",
    "num_predict": "gen_ai.request.max_tokens",
    "frequency_penalty": "gen_ai.request.frequency_penalty",
    "presence_penalty": "gen_ai.request.presence_penalty",
    "seed": "gen_ai.request.seed",
}
_LONGEST_NAME = 200
_CANCELLED = "cancelled"
_context = TraceContextTextMapPropagator()
_log = get_logger("tracing")


class Tracing:
    """Makes the traces of one application, and sends them from a thread of its own."""

    def __init__(self, environment: Mapping[str, str], version: str) -> None:
        own: dict[str, AttributeValue] = {"service.version": version}
        if not environment.get("OTEL_SERVICE_NAME") and "service.name=" not in environment.get(
            "OTEL_RESOURCE_ATTRIBUTES", ""
        ):
            own["service.name"] = SERVICE_NAME
        _quieten()
        self._provider = TracerProvider(resource=Resource.create(own), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("gateway", version)

    def begin(self, exchange: "Exchange") -> "RequestTrace":
        """Begin the trace of a request, or go on with its client's."""
        return RequestTrace(self._tracer, exchange)

    async def aclose(self) -> None:
        """Send what is left; a collector that does not answer is waited for shortly."""
        loop = asyncio.get_running_loop()
        over = asyncio.Event()

        def close() -> None:
            """Close both."""
            self._provider.shutdown()
            with suppress(RuntimeError):  # the loop may be closed by now
                loop.call_soon_threadsafe(over.set)

        threading.Thread(target=close, name="tracing-close", daemon=True).start()
        try:
            async with asyncio.timeout(CLOSING_S):
                await over.wait()
        except TimeoutError:
            _log.warning("traces lost", detail="the collector did not take the last ones in time")


class RequestTrace:
    """The spans of one request: itself, its turn in the queue, each try, and the stream of the one that answered."""

    __slots__ = ("_attempt", "_exchange", "_offset_ns", "_request", "_tracer")

    def __init__(self, tracer: Tracer, exchange: "Exchange") -> None:
        self._tracer = tracer
        self._exchange = exchange
        self._offset_ns = time_ns() - monotonic_ns()
        self._attempt: Span | None = None
        method = exchange.method if exchange.method in _METHODS else "_OTHER"
        self._request = tracer.start_span(
            f"{method} {exchange.route}",
            _context.extract(exchange.trace_headers, Context()),
            SpanKind.SERVER,
            {"http.request.method": method, "http.route": exchange.route, "gateway.request_id": exchange.request_id},
            start_time=self._at(exchange.started_ns),
        )
        exchange.trace_id = f"{self._request.get_span_context().trace_id:032x}"

    def attempt(self, *, backend: str, model: str, host: str | None, port: int | None, path: str) -> dict[str, str]:
        """Begin the span of one try; return the headers that carry it to the backend."""
        operation = _OPERATIONS.get(path, path.strip("/"))
        attributes: dict[str, AttributeValue] = {
            "gen_ai.operation.name": operation,
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": model[:_LONGEST_NAME],
            "gateway.backend": backend,
            "gateway.attempt": self._exchange.attempts + 1,
            "http.request.method": "POST",
            "server.address": host or "",
            "server.port": port or 0,
            **self._parameters(),
        }
        within = set_span_in_context(self._request, Context())
        name = f"{operation} {model[:_LONGEST_NAME]}"
        self._attempt = span = self._tracer.start_span(name, within, SpanKind.CLIENT, attributes)
        headers: dict[str, str] = {}
        _context.inject(headers, set_span_in_context(span, Context()))
        return headers

    def failed(self, kind: str, status: int | None = None) -> None:
        """End the span of a try that brought no answer."""
        span, self._attempt = self._attempt, None
        if span is not None:
            if status is not None:
                span.set_attribute("http.response.status_code", status)
            _fail(span, kind)
            span.end()

    def answered(self, kind: str | None) -> None:
        """End the span of the try that did, and tell of the stream within it."""
        span, self._attempt = self._attempt, None
        if span is None:
            return
        exchange, now_ns = self._exchange, time_ns()
        span.set_attribute("http.response.status_code", 200)
        for name, count in (("input", exchange.prompt_tokens), ("output", exchange.completion_tokens)):
            if count is not None:
                span.set_attribute(f"gen_ai.usage.{name}_tokens", count)
        if exchange.finish_reason:
            span.set_attribute("gen_ai.response.finish_reasons", (exchange.finish_reason[:_LONGEST_NAME],))
        if kind is not None:
            _fail(span, kind)
        if exchange.stream and exchange.first_output_ns is not None:
            self._tell_stream(span, self._at(exchange.first_output_ns), now_ns, kind)
        span.end(now_ns)

    def end(self, status: int) -> None:
        """End the trace with the status that is reported of the request."""
        exchange, span = self._exchange, self._request
        self.failed(_CANCELLED)  # a try that nobody ended: its request was torn down around it
        if exchange.queued_ns is not None and exchange.queue_began_ns is not None:
            began_ns = self._at(exchange.queue_began_ns)
            within = set_span_in_context(span, Context())
            self._tracer.start_span("queue", within, start_time=began_ns).end(began_ns + exchange.queued_ns)
        span.set_attribute("http.response.status_code", status)
        span.set_attribute("gateway.attempts", exchange.attempts)
        if exchange.model is not None:
            span.set_attribute("gen_ai.request.model", exchange.model[:_LONGEST_NAME])
        if exchange.cache is not None:
            span.set_attribute("gateway.cache", exchange.cache)
        if exchange.error_kind is not None:
            span.set_attribute("error.type", exchange.error_kind)
        if status >= 500 or (status < 400 and exchange.error_kind is not None):
            span.set_status(Status(StatusCode.ERROR))
        span.end()

    def _tell_stream(self, attempt: Span, began_ns: int, ended_ns: int, kind: str | None) -> None:
        exchange = self._exchange
        told = {"gateway.stream.chunks": exchange.chunks, "gateway.stream.bytes": exchange.sent_bytes}
        within = set_span_in_context(attempt, Context())
        span = self._tracer.start_span("stream", within, attributes=told, start_time=began_ns)
        if kind is not None:
            _fail(span, kind)
        span.end(ended_ns)

    def _parameters(self) -> dict[str, AttributeValue]:
        """Return the numbers that were asked for; texts are content."""
        asked = (self._exchange.facts or {}).get("parameters")
        known = asked if isinstance(asked, dict) else {}
        return {_PARAMETERS[name]: value for name, value in known.items() if name in _PARAMETERS}

    def _at(self, at_ns: int) -> int:
        """Return a time of the exchange in nanoseconds since 1970."""
        return at_ns + self._offset_ns


class _Seldom(logging.Handler):
    """Says at most once a minute what OpenTelemetry complains of."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._last_s = float("-inf")

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record's first line, unless another one was written lately."""
        now_s = monotonic()
        if now_s - self._last_s >= QUIET_S:
            self._last_s = now_s
            _log.warning("tracing trouble", detail=record.getMessage().partition("\n")[0][:300])


def _quieten() -> None:
    logger = logging.getLogger("opentelemetry")
    logger.propagate = False
    if not any(isinstance(handler, _Seldom) for handler in logger.handlers):
        logger.addHandler(_Seldom())


def _fail(span: Span, kind: str) -> None:
    span.set_attribute("error.type", kind)
    span.set_status(Status(StatusCode.ERROR))
