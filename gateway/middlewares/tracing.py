"""Traces every request. Left out where nothing is traced."""

import asyncio

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from gateway.errors import ClientGoneError
from gateway.exchange import EXCHANGE
from gateway.middlewares.outcome import outcome_status
from gateway.telemetry.spans import Tracing


def tracing_middleware(tracing: Tracing) -> Middleware:
    """Return the middleware that begins each request's trace and ends it."""

    @web.middleware
    async def trace(request: web.Request, handler: Handler) -> web.StreamResponse:
        exchange = request[EXCHANGE]
        exchange.wants_facts = True
        exchange.trace = found = tracing.begin(exchange)
        status = 500
        try:
            response = await handler(request)
            status = outcome_status(exchange, response)
            return response
        except asyncio.CancelledError:
            status = ClientGoneError.status
            raise
        finally:
            exchange.trace = None
            found.end(status)

    return trace
