"""Refuses a body that says it is too large before a byte of it is read, and sets the bound for reading the others."""

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from gateway.errors import PayloadTooLargeError
from gateway.exchange import EXCHANGE


def size_limit_middleware(max_bytes: int) -> Middleware:
    """Return the middleware. A larger Content-Length is a PayloadTooLargeError, which also ends the connection."""

    @web.middleware
    async def size_limit(request: web.Request, handler: Handler) -> web.StreamResponse:
        length = request.content_length
        if length is not None and length > max_bytes:
            raise PayloadTooLargeError(
                f"the request body is larger than {max_bytes} bytes", headers={"Connection": "close"}
            )
        request[EXCHANGE].body_limit_bytes = max_bytes
        return await handler(request)

    return size_limit
