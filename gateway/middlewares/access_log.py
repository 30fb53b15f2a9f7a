"""One JSON line per request, at its end. Its route is the label of the table, never the path or query a client sent."""

import asyncio
import logging
from time import monotonic_ns

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from structlog.typing import FilteringBoundLogger

from gateway.errors import ClientGoneError
from gateway.exchange import EXCHANGE, Exchange
from gateway.middlewares.outcome import answer_bytes, outcome_status
from gateway.telemetry.logging import bound_logger

_NAME_LENGTH = 200
_METHOD_LENGTH = 20


def access_log_middleware(log: FilteringBoundLogger | None = None) -> Middleware:
    """Return the middleware. The logger is bound here, once: configure logging before."""
    logger = log if log is not None else bound_logger("access")
    if not logger.is_enabled_for(logging.INFO):
        return _silent

    @web.middleware
    async def access_log(request: web.Request, handler: Handler) -> web.StreamResponse:
        exchange = request[EXCHANGE]
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
            logger.info("request", **access_record(exchange, status, answer_bytes(exchange, response), monotonic_ns()))

    return access_log


@web.middleware
async def _silent(request: web.Request, handler: Handler) -> web.StreamResponse:
    return await handler(request)


def access_record(exchange: Exchange, status: int, sent_bytes: int, now_ns: int) -> dict[str, object]:
    """Return what the line says; what did not happen is left out. Times in milliseconds."""
    record: dict[str, object] = {
        "request_id": exchange.request_id,
        "method": exchange.method[:_METHOD_LENGTH],
        "route": exchange.route,
        "status": status,
        "duration_ms": round((now_ns - exchange.started_ns) / 1e6, 3),
        "stream": exchange.stream,
        "bytes": sent_bytes,
        "attempts": exchange.attempts,
    }
    if exchange.model is not None:
        record["model"] = exchange.model[:_NAME_LENGTH]
    if exchange.backend is not None:
        record["backend"] = exchange.backend
    if exchange.cache is not None:
        record["cache"] = exchange.cache
    if exchange.first_chunk_ns is not None:
        record["ttfc_ms"] = round((exchange.first_chunk_ns - exchange.started_ns) / 1e6, 3)
    if exchange.prompt_tokens is not None:
        record["prompt_tokens"] = exchange.prompt_tokens
    if exchange.completion_tokens is not None:
        record["completion_tokens"] = exchange.completion_tokens
    if exchange.error_kind is not None:
        record["error"] = exchange.error_kind
    return record
