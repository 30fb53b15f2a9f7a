"""Makes the exchange of a request: its id and that of its trace, its route's label and dialect, its Cache-Control."""

import os
import re

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from gateway.exchange import EXCHANGE, ROUTES, Exchange

REQUEST_ID_HEADER = "X-Request-ID"
TRACE_HEADER = "traceparent"
TRACE_STATE_HEADER = "tracestate"
_LONGEST_STATE = 512
_sane = re.compile(r"[A-Za-z0-9._:-]{1,128}").fullmatch


_traceparent = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?"
).fullmatch


def trace_id(traceparent: str) -> str | None:
    """Return the trace that a client's request belongs to, 32 hex digits, None for what is no such header.

    W3C Trace Context, section 3.2: a later version may add fields, version 00 may not.
    """
    found = _traceparent(traceparent)
    if found is None or (found[2] is not None and traceparent.startswith("00")):
        return None
    return found[1]


def new_request_id() -> str:
    """Return an id nobody else has: `req_` and 24 hex digits."""
    return "req_" + os.urandom(12).hex()


def _passed_on(request: web.Request) -> dict[str, str]:
    """Return the headers of a client's trace; a state longer than the standard asks for is left out."""
    headers = {TRACE_HEADER: request.headers[TRACE_HEADER]}
    state = ",".join(request.headers.getall(TRACE_STATE_HEADER, ()))
    if state and len(state) <= _LONGEST_STATE and state.isascii() and state.isprintable():
        headers[TRACE_STATE_HEADER] = state
    return headers


@web.middleware
async def request_id_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Put an `Exchange` at `request[EXCHANGE]`. A sane X-Request-ID of the client is kept, any other is replaced."""
    offered = request.headers.get(REQUEST_ID_HEADER)
    request_id = offered if offered is not None and _sane(offered) else new_request_id()
    exchange = Exchange(request_id, request.method)
    if hdrs.CACHE_CONTROL in request.headers:
        exchange.cache_control = ",".join(request.headers.getall(hdrs.CACHE_CONTROL))
    if TRACE_HEADER in request.headers:
        exchange.trace_id = trace_id(request.headers[TRACE_HEADER])
        if exchange.trace_id is not None:
            exchange.trace_headers = _passed_on(request)
    exchange.info = info = request.app[ROUTES].get(request.match_info.route)
    if info is not None:
        exchange.route = info.label
        exchange.dialect = info.dialect
    request[EXCHANGE] = exchange
    return await handler(request)
