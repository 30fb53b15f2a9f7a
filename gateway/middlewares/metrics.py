"""Counts every request, keeps it among the recent ones, and traces it. Left out where nothing of that is wanted."""

import asyncio
from time import monotonic_ns
from typing import TYPE_CHECKING

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from gateway.errors import ClientGoneError
from gateway.exchange import EXCHANGE
from gateway.middlewares.outcome import answer_bytes, body_bytes, outcome_status
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.recent import Recent

if TYPE_CHECKING:
    from gateway.telemetry.spans import Tracing


def metrics_middleware(
    metrics: Metrics | None, recent: Recent | None = None, tracing: "Tracing | None" = None
) -> Middleware:
    """Return the middleware that reports each request's start and end to `metrics`, `recent` and `tracing`."""

    @web.middleware
    async def count(request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer, and report start and end."""
        exchange = request[EXCHANGE]
        if metrics is not None:
            metrics.request_started(exchange.route)
        if recent is not None:
            recent.began(exchange)
        trace = None
        if tracing is not None:
            exchange.wants_facts = True
            exchange.trace = trace = tracing.begin(exchange)
        response: web.StreamResponse | None = None
        status = 500
        try:
            response = await handler(request)
            status = outcome_status(exchange, response)
            return response
        except asyncio.CancelledError:
            status = ClientGoneError.status
            raise
        finally:
            exchange.status = status
            exchange.ended_ns = ended_ns = monotonic_ns()
            # The ring outlives the request: it is to hold nobody's key, and no spans.
            exchange.client_key = exchange.trace = None
            if trace is not None:
                trace.end(status)
            if metrics is not None:
                metrics.request_finished(
                    exchange,
                    status,
                    ended_ns - exchange.started_ns,
                    sent_bytes=answer_bytes(exchange, response),
                    body_bytes=body_bytes(request),
                )

    return count
