"""How a request ended, in the words logs and metrics share."""

from aiohttp import web

from gateway.errors import ClientGoneError
from gateway.exchange import Exchange


def outcome_status(exchange: Exchange, response: web.StreamResponse) -> int:
    """Return the HTTP status to report: 499 where the client left, whatever its status line had said."""
    return ClientGoneError.status if exchange.error_kind == ClientGoneError.kind else response.status


def answer_bytes(exchange: Exchange, response: web.StreamResponse | None) -> int:
    """Return the size of the answer's body: as counted by a stream's writer, else as handed over whole."""
    if exchange.sent_bytes:
        return exchange.sent_bytes
    body = getattr(response, "body", None)  # only whole answers have one, and their class is slow to ask
    return len(body) if isinstance(body, (bytes, bytearray)) else 0
