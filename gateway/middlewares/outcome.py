"""How a request ended, in the words logs and metrics share."""

from aiohttp import web

from gateway.errors import ClientGoneError
from gateway.exchange import Exchange


def outcome_status(exchange: Exchange, response: web.StreamResponse) -> int:
    """Return the HTTP status to report: 499 where the client left, whatever its status line had said."""
    return ClientGoneError.status if exchange.error_kind == ClientGoneError.kind else response.status


def answer_bytes(exchange: Exchange, response: web.StreamResponse | None) -> int:
    """Return the size of the answer's body: as counted by a stream's writer, else as handed over whole."""
    if exchange.sent_bytes or not isinstance(response, web.Response):
        return exchange.sent_bytes
    body = response.body
    return len(body) if isinstance(body, (bytes, bytearray)) else 0


def body_bytes(request: web.Request) -> int:
    """Return how much of the request's body has arrived, as it was sent (compressed, where it was)."""
    return request.content.total_bytes
