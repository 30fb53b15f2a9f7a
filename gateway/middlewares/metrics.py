"""Counts every request. Left out of the application when ENABLE_METRICS is false."""

import asyncio
from time import monotonic_ns

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from gateway.errors import ClientGoneError
from gateway.exchange import EXCHANGE
from gateway.middlewares.outcome import outcome_status
from gateway.telemetry.metrics import Metrics


def metrics_middleware(metrics: Metrics) -> Middleware:
    """Return the middleware that reports each request's start and end to `metrics`."""

    @web.middleware
    async def count(request: web.Request, handler: Handler) -> web.StreamResponse:
        exchange = request[EXCHANGE]
        metrics.request_started(exchange.route)
        status = 500
        try:
            response = await handler(request)
            status = outcome_status(exchange, response)
            return response
        except asyncio.CancelledError:
            status = ClientGoneError.status
            raise
        finally:
            metrics.request_finished(exchange, status, monotonic_ns() - exchange.started_ns)

    return count
