"""The headers every answer carries: set when it is prepared, the last moment that also reaches streams."""

from aiohttp import hdrs, web

from gateway.exchange import EXCHANGE
from gateway.middlewares.request_id import REQUEST_ID_HEADER

ANSWER: web.RequestKey[web.StreamResponse] = web.RequestKey("answer", web.StreamResponse)
"""The answer that was prepared for this request, once there is one."""


async def set_answer_headers(request: web.Request, response: web.StreamResponse) -> None:
    """For `on_response_prepare`: add X-Request-ID, remove `Server`, note that from now on nobody may answer again."""
    response.headers.pop(hdrs.SERVER, None)
    exchange = request.get(EXCHANGE)
    if exchange is None:
        return
    response.headers[REQUEST_ID_HEADER] = exchange.request_id
    exchange.prepared = True
    request[ANSWER] = response
