"""The headers every answer carries: set when it is prepared, the last moment that also reaches streams."""

import asyncio

from aiohttp import StreamReader, hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import RawRequestMessage, StreamWriter
from aiohttp.web_protocol import ERROR
from multidict import CIMultiDict

from gateway.exchange import EXCHANGE, Exchange
from gateway.middlewares.explain import explained
from gateway.middlewares.request_id import REQUEST_ID_HEADER

CACHE_HEADER = "X-Cache"
POLICY_HEADER = "Content-Security-Policy"

SECURITY_HEADERS = CIMultiDict(
    {"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer"}
)
"""What every answer says to browsers: the type is the one named, no frame may show it, no link tells its address."""

_SECURITY_LINES = "".join(f"{name}: {value}\r\n" for name, value in SECURITY_HEADERS.items())

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The policy of a page that names none itself: nothing from elsewhere, nothing inline."""

ANSWER: web.RequestKey[web.StreamResponse] = web.RequestKey("answer", web.StreamResponse)
"""The answer that was prepared for this request, once there is one."""

_PAGE_TYPE = "text/html"


async def set_answer_headers(request: web.Request, response: web.StreamResponse) -> None:
    """For `on_response_prepare`: set what answers carry, remove `Server`, note that nobody may answer again."""
    headers = response.headers
    headers.pop(hdrs.SERVER, None)
    headers.update(SECURITY_HEADERS)
    if headers.get(hdrs.CONTENT_TYPE, "").startswith(_PAGE_TYPE):
        headers.setdefault(POLICY_HEADER, PAGE_POLICY)
    try:
        exchange = request[EXCHANGE]
    except KeyError:
        return
    for name, value in _told(exchange):
        headers[name] = value
    exchange.prepared = True
    request[ANSWER] = response


def head_lines(exchange: Exchange) -> str:
    """Return the same for an answer that is no page, as lines of its head; note that nobody may answer again.

    What stands in them is ours, or was looked at: no line can end early.
    """
    exchange.prepared = True
    return _SECURITY_LINES + "".join([f"{name}: {value}\r\n" for name, value in _told(exchange)])


def _told(exchange: Exchange) -> list[tuple[str, str]]:
    """Return what an answer says of its request."""
    told = [(REQUEST_ID_HEADER, exchange.request_id)]
    if exchange.cache is not None:
        told.append((CACHE_HEADER, exchange.cache.upper()))
    if exchange.authenticated:
        told += explained(exchange)
    return told


def name_no_server(server: web.Server) -> None:
    """Have the answers to broken HTTP carry the same: aiohttp gives them before any application is asked.

    Call it when a runner is set up, before its first connection.
    """
    make_request = server.request_factory

    def request_factory(
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: web.RequestHandler,
        writer: AbstractStreamWriter,
        task: "asyncio.Task[None]",
    ) -> web.BaseRequest:
        if message is ERROR:
            writer = _NamelessWriter(protocol, asyncio.get_running_loop())
        return make_request(message, payload, protocol, writer, task)

    server.request_factory = request_factory


class _NamelessWriter(StreamWriter):
    """Writes an answer that no `on_response_prepare` sees."""

    async def write_headers(self, status_line: str, headers: CIMultiDict[str]) -> None:
        """Write the head of the answer, with our headers and without aiohttp's name."""
        headers.pop(hdrs.SERVER, None)
        headers.update(SECURITY_HEADERS)
        await super().write_headers(status_line, headers)
