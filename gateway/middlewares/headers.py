"""The headers every answer carries: set when it is prepared, the last moment that also reaches streams."""

from aiohttp import hdrs, web

from gateway.exchange import EXCHANGE
from gateway.middlewares.request_id import REQUEST_ID_HEADER

CACHE_HEADER = "X-Cache"

ANSWER: web.RequestKey[web.StreamResponse] = web.RequestKey("answer", web.StreamResponse)
"""The answer that was prepared for this request, once there is one."""


async def set_answer_headers(request: web.Request, response: web.StreamResponse) -> None:
    """For `on_response_prepare`: add X-Request-ID and X-Cache, remove `Server`, note that nobody may answer again."""
    response.headers.pop(hdrs.SERVER, None)
    exchange = request.get(EXCHANGE)
    if exchange is None:
        return
    response.headers[REQUEST_ID_HEADER] = exchange.request_id
    if exchange.cache is not None:
        response.headers[CACHE_HEADER] = exchange.cache.upper()
    exchange.prepared = True
    request[ANSWER] = response
