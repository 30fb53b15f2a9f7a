"""Reading a request's body: once, bounded, with a deadline."""

import asyncio

from aiohttp import web

from gateway.errors import ClientGoneError, PayloadTooLargeError, RequestError
from gateway.exchange import EXCHANGE

BODY_TIMEOUT_S: web.AppKey[float] = web.AppKey("body_timeout_s", float)
"""How long a client may take to send its body."""


async def read_body(request: web.Request) -> bytes:
    """Return the whole (decompressed) body.

    Raises PayloadTooLargeError over the exchange's bound, RequestError for a slow, cut or undecodable one. Never
    `request.read()`: its bound is the application's, and it keeps every chunk it was given before it looks.
    """
    limit = request[EXCHANGE].body_limit_bytes
    try:
        async with asyncio.timeout(request.app[BODY_TIMEOUT_S]):
            return await _read_bounded(request, limit)
    except TimeoutError:
        raise RequestError("the request body did not arrive in time") from None
    except web.RequestPayloadError:
        raise RequestError("the request body is broken: its encoding or framing cannot be read") from None
    except ConnectionError:
        raise ClientGoneError("the client left while it sent its request") from None


async def _read_bounded(request: web.Request, limit: int) -> bytes:
    first = await request.content.readany()
    if request.content.at_eof():
        pieces = [first]
    else:
        pieces = [first]
        size = len(first)
        while size <= limit and (piece := await request.content.readany()):
            pieces.append(piece)
            size += len(piece)
    body = b"".join(pieces) if len(pieces) > 1 else first
    if len(body) > limit:
        raise PayloadTooLargeError(f"the request body is larger than {limit} bytes")
    return body
