"""Reading a request's body: once, bounded, decoded, with a deadline."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from functools import lru_cache

from aiohttp import hdrs, web
from aiohttp.helpers import parse_content_type

from gateway.codecs.bodies import body_decoder, refuse_binary, too_large
from gateway.codecs.multipart import RequestParts, split_parts
from gateway.errors import ClientGoneError, PayloadTooLargeError, RequestError
from gateway.exchange import EXCHANGE
from gateway.telemetry.body_facts import body_facts
from gateway.telemetry.waiting import waiting

BODY_TIMEOUT_S: web.AppKey[float] = web.AppKey("body_timeout_s", float)
"""How long a client may take to send its body."""
MAX_CONTAINERS = 250_000
"""How many objects and lists a body may have: decoded, a small one takes thirty times the room it had as text."""
_STAYS_BYTES = 32 * 1024
"""What may stay where it was received: less than what stops a connection from receiving more."""
_BODY: web.RequestKey[bytes] = web.RequestKey("body", bytes)


async def read_body(request: web.Request) -> bytes:
    """Return the whole (decoded) body; a second reader gets the same bytes, not the nothing that is left.

    Raises PayloadTooLargeError over the exchange's bound or MAX_CONTAINERS, UnsupportedMediaError for a type or an
    encoding that cannot be read, RequestError for a slow, cut or broken body. Never `request.read()`: its bound is the
    application's, and it keeps every chunk it was given before it looks.
    """
    exchange = request[EXCHANGE]
    if exchange.body_read:
        return request[_BODY]
    charset_of(request)
    body = _arrived(request)
    if body is None:
        body = await waiting(exchange, in_time(_whole(request), request.app[BODY_TIMEOUT_S]))
    _refuse_bomb(body)
    if exchange.wants_facts:
        exchange.facts = body_facts(body)
    request[_BODY] = body
    exchange.body_read = True
    return body


def charset_of(request: web.Request) -> str | None:
    """Return the charset that the Content-Type names, None for none. Raises UnsupportedMediaError as `read_body`."""
    return _charset(request.headers.get(hdrs.CONTENT_TYPE))


async def read_parts(request: web.Request) -> RequestParts:
    """Return the whole body as a request and the images beside it; raises what `read_body` and `split_parts` raise."""
    body = await read_body(request)
    return split_parts(body, request.headers.get(hdrs.CONTENT_TYPE, ""), charset_of(request))


async def in_time[T](reading: Awaitable[T], timeout_s: float) -> T:
    """Return what reading a body gives; what stops it is raised as an error of the client."""
    try:
        async with asyncio.timeout(timeout_s):
            return await reading
    except TimeoutError:
        raise RequestError("the request body did not arrive in time", headers={hdrs.CONNECTION: "close"}) from None
    except web.RequestPayloadError:
        raise RequestError("the request body is broken: its encoding or framing cannot be read") from None
    except ConnectionError:
        raise ClientGoneError("the client left while it sent its request") from None


async def body_pieces(request: web.Request) -> AsyncIterator[bytes]:
    """Yield the decoded body as it arrives; the exchange's bound holds for what is sent and for what it decodes to."""
    limit = request[EXCHANGE].body_limit_bytes
    decoder = body_decoder(",".join(request.headers.getall(hdrs.CONTENT_ENCODING, ())), limit)
    size = 0
    while piece := await request.content.readany():
        size += len(piece)
        if size > limit:
            raise too_large(limit)
        yield piece if decoder is None else decoder.feed(piece)
    if decoder is not None:
        decoder.finish()


def _arrived(request: web.Request) -> bytes | None:
    """Return the body where all of it came with the head, as nearly always: that needs no clock and no decoder."""
    content = request.content
    if not content.is_eof() or content.exception() is not None or hdrs.CONTENT_ENCODING in request.headers:
        return None
    limit, size = request[EXCHANGE].body_limit_bytes, content.total_bytes
    if size > limit:
        raise too_large(limit)
    if 0 < size < _STAYS_BYTES:
        pieces = content._buffer
        if len(pieces) == 1 and len(pieces[0]) == size:
            return pieces[0]
    return content.read_nowait()


@lru_cache(maxsize=256)
def _charset(content_type: str | None) -> str | None:
    if content_type is None:
        return None
    kind, parameters = parse_content_type(content_type)
    refuse_binary(kind)
    return parameters.get("charset")


async def _whole(request: web.Request) -> bytes:
    # Not a list of pieces: one of a byte each would take forty times the room.
    body = bytearray()
    async for piece in body_pieces(request):
        body += piece
    return bytes(body)


def _refuse_bomb(body: bytes) -> None:
    """Refuse what decoding would blow up. Brackets in texts count too: there are never so many in what people write."""
    if len(body) > MAX_CONTAINERS and body.count(b"{") + body.count(b"[") > MAX_CONTAINERS:
        raise PayloadTooLargeError(f"the request body has more than {MAX_CONTAINERS} objects and lists")
