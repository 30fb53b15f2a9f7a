"""The line: the one coroutine that every request passes. Who looks at it, and who notes it, are plain functions.

A coroutine for each of them would be entered and left by every request, and passed through by every wait of it.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from time import monotonic_ns
from typing import Protocol

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from gateway.answers import WholeAnswer
from gateway.errors import ClientGoneError
from gateway.exchange import ROUTES, Exchange, RouteInfo
from gateway.lifecycle import Lifecycle
from gateway.middlewares.errors import answer_to
from gateway.middlewares.headers import head_lines
from gateway.middlewares.outcome import answer_bytes, outcome_status
from gateway.middlewares.request_id import new_exchange
from gateway.middlewares.stopping import Unshown, stopped

type Guard = Callable[[web.Request, Exchange], web.Response | None]
"""Looks at a request before its handler: returns an answer, or None and lets it go on. Raises ProxyException."""


class Observer(Protocol):
    """Notes requests."""

    def began(self, exchange: Exchange) -> None:
        """Note that a request is there."""

    def ended(self, exchange: Exchange, status: int, sent_bytes: int, request_bytes: int) -> None:
        """Note how it ended, at `exchange.ended_ns`, with the sizes of both bodies."""


def line(observers: Sequence[Observer], guards: Sequence[Guard], lifecycle: Lifecycle) -> Middleware:
    """Return the middleware. `observers`: outermost first. `guards`: in the order in which they are asked."""
    at_the_end = tuple(reversed(observers))
    live = lifecycle.live
    routes: Mapping[web.AbstractRoute, RouteInfo] | None = None

    async def answered(request: web.Request, exchange: Exchange, handler: Handler) -> web.StreamResponse:
        """Answer, be it with an error; a cancelled request is let through: its client has left."""
        unshown = Unshown(exchange, asyncio.current_task())
        try:
            for look in guards:
                refusal = look(request, exchange)
                if refusal is not None:
                    return refusal
            live.add(unshown)
            return await handler(request)
        except asyncio.CancelledError:
            if unshown.ended and unshown.is_only_reason():
                return answer_to(request, exchange, stopped())
            exchange.error_kind = exchange.error_kind or ClientGoneError.kind
            raise
        except Exception as error:  # noqa: BLE001 - this is where every exception ends
            return answer_to(request, exchange, error)
        finally:
            live.discard(unshown)

    @web.middleware
    async def pass_on(request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer one request, and have it noted."""
        nonlocal routes
        if routes is None:  # they are added after this middleware, and all there before the first request
            routes = request.app[ROUTES]
        exchange = new_exchange(request, routes)
        for observer in observers:
            observer.began(exchange)
        response: web.StreamResponse | None = None
        status = 500
        try:
            response = await answered(request, exchange, handler)
            status = outcome_status(exchange, response)
            if isinstance(response, WholeAnswer) and exchange.allowed_origin is None and not lifecycle.stopping:
                # Nothing else is to be said in its head, and nobody answers after this.
                response.more = partial(head_lines, exchange)
            return response
        except asyncio.CancelledError:
            status = ClientGoneError.status
            raise
        finally:
            exchange.status = status
            exchange.ended_ns = monotonic_ns()
            sent_bytes, request_bytes = answer_bytes(exchange, response), request.content.total_bytes
            for observer in at_the_end:
                observer.ended(exchange, status, sent_bytes, request_bytes)

    return pass_on
