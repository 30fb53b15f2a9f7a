"""Makes the exchange of a request: its id and that of its trace, its route's label and dialect, its Cache-Control."""

import os
import re
from collections.abc import Mapping

from aiohttp import hdrs, web
from multidict import CIMultiDictProxy, istr

from gateway.exchange import EXCHANGE, Exchange, RouteInfo

REQUEST_ID_HEADER = "X-Request-ID"
TRACE_HEADER = istr("traceparent")
TRACE_STATE_HEADER = istr("tracestate")
_LONGEST_STATE = 512
_OFFERED = istr(REQUEST_ID_HEADER)
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


def _passed_on(headers: CIMultiDictProxy[str]) -> dict[str, str]:
    """Return the headers of a client's trace; a state longer than the standard asks for is left out."""
    passed: dict[str, str] = {TRACE_HEADER: headers[TRACE_HEADER]}
    state = ",".join(headers.getall(TRACE_STATE_HEADER, ()))
    if state and len(state) <= _LONGEST_STATE and state.isascii() and state.isprintable():
        passed[TRACE_STATE_HEADER] = state
    return passed


def new_exchange(request: web.Request, routes: Mapping[web.AbstractRoute, RouteInfo]) -> Exchange:
    """Put an `Exchange` at `request[EXCHANGE]`. A sane X-Request-ID of the client is kept, any other is replaced."""
    headers = request.headers
    offered = headers.get(_OFFERED)
    request_id = offered if offered is not None and _sane(offered) else new_request_id()
    exchange = Exchange(request_id, request.method)
    if hdrs.CACHE_CONTROL in headers:
        exchange.cache_control = ",".join(headers.getall(hdrs.CACHE_CONTROL))
    if TRACE_HEADER in headers:
        exchange.trace_id = trace_id(headers[TRACE_HEADER])
        if exchange.trace_id is not None:
            exchange.trace_headers = _passed_on(headers)
    exchange.info = info = routes.get(request.match_info.route)
    if info is not None:
        exchange.route = info.label
        exchange.dialect = info.dialect
    request[EXCHANGE] = exchange
    return exchange
