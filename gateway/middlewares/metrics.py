"""Counts every request, keeps it among the recent ones, and traces it. Left out where nothing of that is wanted."""

from time import monotonic_ns
from typing import TYPE_CHECKING

from gateway.exchange import Exchange
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.recent import Recent

if TYPE_CHECKING:
    from gateway.telemetry.spans import Tracing


class Counting:
    """An observer, which reports each request's start and end to those of the three that there are."""

    def __init__(self, metrics: Metrics | None, recent: Recent | None = None, tracing: "Tracing | None" = None) -> None:
        self._metrics = metrics
        self._recent = recent
        self._tracing = tracing

    def began(self, exchange: Exchange) -> None:
        """Report a start."""
        if self._metrics is not None:
            self._metrics.request_started(exchange.route)
        if self._recent is not None:
            self._recent.began(exchange)
        if self._tracing is not None:
            exchange.wants_facts = True
            exchange.trace = self._tracing.begin(exchange)

    def ended(self, exchange: Exchange, status: int, sent_bytes: int, request_bytes: int) -> None:
        """Report an end."""
        trace = exchange.trace
        # The ring outlives the request: it is to hold nobody's key, and no spans.
        exchange.client_key = exchange.trace = None
        if trace is not None:
            trace.end(status)
        if self._metrics is not None:
            duration_ns = (exchange.ended_ns or monotonic_ns()) - exchange.started_ns
            self._metrics.request_finished(
                exchange, status, duration_ns, sent_bytes=sent_bytes, body_bytes=request_bytes
            )
