"""What an answer says of how it came about: backend, model, attempts, and where the time went."""

from functools import lru_cache
from time import monotonic_ns
from urllib.parse import quote

from gateway.exchange import Exchange

BACKEND_HEADER = "X-Gateway-Backend"
MODEL_HEADER = "X-Gateway-Model"
ATTEMPTS_HEADER = "X-Gateway-Attempts"
TIMING_HEADER = "Server-Timing"
_LONGEST_NAME = 200


def explained(exchange: Exchange) -> list[tuple[str, str]]:
    """Return the headers. Only for those who may know: names of backends are not for a caller without a key."""
    told: list[tuple[str, str]] = []
    if exchange.attempts:
        if exchange.backend is not None:
            told.append((BACKEND_HEADER, _plain(exchange.backend)))
        if exchange.backend_model is not None:
            told.append((MODEL_HEADER, _plain(exchange.backend_model)))
        told.append((ATTEMPTS_HEADER, str(exchange.attempts)))
    if exchange.asked_ns is not None:
        told.append((TIMING_HEADER, server_timing(exchange, monotonic_ns())))
    return told


def server_timing(exchange: Exchange, now_ns: int) -> str:
    """Return where the time until now went, in milliseconds; the waits are in nobody's `gateway`."""
    passed_ns = now_ns - exchange.started_ns
    queued_ns = exchange.queued_ns or 0
    own_ms = max(0, passed_ns - exchange.waited_ns - queued_ns) / 1e6
    backend_ms = ((exchange.first_output_ns or now_ns) - (exchange.asked_ns or now_ns)) / 1e6
    timing = f"gateway;dur={own_ms:.3f}, backend;dur={backend_ms:.3f}, total;dur={passed_ns / 1e6:.3f}"
    return f"{timing}, queue;dur={queued_ns / 1e6:.3f}" if queued_ns else timing


@lru_cache(maxsize=256)
def _plain(name: str) -> str:
    """Return a name as it may stand in a header."""
    name = name[:_LONGEST_NAME]
    return name if name.isascii() and name.isprintable() else quote(name, errors="replace")
