"""Counts every request, and keeps it among the recent ones. Left out where neither is wanted."""

import asyncio
from time import monotonic_ns

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from gateway.errors import ClientGoneError
from gateway.exchange import EXCHANGE
from gateway.middlewares.outcome import answer_bytes, body_bytes, outcome_status
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.recent import Recent


def metrics_middleware(metrics: Metrics | None, recent: Recent | None = None) -> Middleware:
    """Return the middleware that reports each request's start and end to `metrics` and `recent`."""

    @web.middleware
    async def count(request: web.Request, handler: Handler) -> web.StreamResponse:
        exchange = request[EXCHANGE]
        if metrics is not None:
            metrics.request_started(exchange.route)
        if recent is not None:
            recent.began(exchange)
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
            # The ring outlives the request: it is to hold nobody's key.
            exchange.client_key = None
            if metrics is not None:
                metrics.request_finished(
                    exchange,
                    status,
                    ended_ns - exchange.started_ns,
                    sent_bytes=answer_bytes(exchange, response),
                    body_bytes=body_bytes(request),
                )

    return count
