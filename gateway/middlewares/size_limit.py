"""Refuses a body that says it is too large before a byte of it is read, and sets the bound for reading the others."""

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from gateway.errors import PayloadTooLargeError
from gateway.exchange import EXCHANGE


def size_limit_middleware(max_bytes: int) -> Middleware:
    """Return the middleware. A larger Content-Length is a PayloadTooLargeError, which also ends the connection.

    `max_bytes` holds for every route that has no bound of its own.
    """

    @web.middleware
    async def size_limit(request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse a body that says it is too large, and bound the reading of any other."""
        exchange = request[EXCHANGE]
        info = exchange.info
        limit = max_bytes if info is None or info.max_body_bytes is None else info.max_body_bytes
        length = request.content_length
        if length is not None and length > limit:
            raise PayloadTooLargeError(
                f"the request body is larger than {limit} bytes", headers={"Connection": "close"}
            )
        exchange.body_limit_bytes = limit
        return await handler(request)

    return size_limit
