"""Refuses a body that says it is too large before a byte of it is read, and sets the bound for reading the others."""

from collections.abc import Callable

from aiohttp import web

from gateway.errors import PayloadTooLargeError
from gateway.exchange import Exchange


def size_limit_guard(max_bytes: int) -> Callable[[web.Request, Exchange], None]:
    """Return the guard. A larger Content-Length is a PayloadTooLargeError, which also ends the connection.

    `max_bytes` holds for every route that has no bound of its own.
    """

    def limit_size(request: web.Request, exchange: Exchange) -> None:
        """Refuse a body that says it is too large, and bound the reading of any other."""
        info = exchange.info
        limit = max_bytes if info is None or info.max_body_bytes is None else info.max_body_bytes
        length = request.content_length
        if length is not None and length > limit:
            raise PayloadTooLargeError(
                f"the request body is larger than {limit} bytes", headers={"Connection": "close"}
            )
        exchange.body_limit_bytes = limit

    return limit_size
