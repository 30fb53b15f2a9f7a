"""Recent requests: a bounded ring of ids, times and counts, gone with the process; no content, no keys."""

from collections import deque
from collections.abc import Iterator
from time import monotonic_ns, time
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from gateway.exchange import Exchange

KEPT = 1000
_LONGEST_NAME = 200


class Recent:
    """The latest `kept` requests, those that run included. One per application."""

    __slots__ = ("_ring",)

    def __init__(self, kept: int = KEPT) -> None:
        self._ring: deque[Exchange] = deque(maxlen=kept)

    def __len__(self) -> int:
        return len(self._ring)

    def __iter__(self) -> "Iterator[Exchange]":
        """Yield the requests, the newest first. Nothing may be added meanwhile."""
        return reversed(self._ring)

    def began(self, exchange: "Exchange") -> None:
        """Keep a request from its beginning."""
        self._ring.append(exchange)

    def find(self, request_id: str) -> dict[str, object] | None:
        """Return the timeline of the latest request of that id, None where it is not known (any more)."""
        for exchange in self:
            if exchange.request_id == request_id:
                return timeline(exchange)
        return None


RECENT: web.AppKey[Recent] = web.AppKey("recent", Recent)
"""Where an application keeps them; absent where nobody may ask."""


def timeline(exchange: "Exchange") -> dict[str, object]:
    """Return what happened to a request; `events` in order, in milliseconds since its first byte."""
    now_ns = monotonic_ns()
    ended_ns = exchange.ended_ns
    facts: dict[str, object] = {
        "request_id": exchange.request_id,
        "trace_id": exchange.trace_id,
        "began": round(time() - (now_ns - exchange.started_ns) / 1e9, 3),
        "state": "running" if ended_ns is None else "ended",
        "method": exchange.method[:_LONGEST_NAME],
        "route": exchange.route,
        "status": exchange.status,
        "error": exchange.error_kind,
        "clock": exchange.clock,
        "key": exchange.key_name,
        "model": exchange.model[:_LONGEST_NAME] if exchange.model is not None else None,
        "backend": exchange.backend,
        "backend_model": exchange.backend_model,
        "stream": exchange.stream,
        "cache": exchange.cache,
        "attempts": exchange.attempts,
        "retry_causes": list(exchange.retry_causes),
        "chunks": exchange.chunks,
        "heartbeats": exchange.heartbeats,
        "sent_bytes": exchange.sent_bytes,
        "received_bytes": exchange.received_bytes,
        "prompt_tokens": exchange.prompt_tokens,
        "completion_tokens": exchange.completion_tokens,
        "reasoning_tokens": exchange.reasoning_tokens,
    }
    facts["duration_ms"] = _ms((ended_ns or now_ns) - exchange.started_ns)
    facts["waited_ms"] = _ms(exchange.waited_ns + (exchange.queued_ns or 0))
    known = {name: value for name, value in facts.items() if value is not None}
    return {**known, "events": _events(exchange)}


def _events(exchange: "Exchange") -> list[dict[str, object]]:
    started_ns = exchange.started_ns
    found: list[tuple[int, dict[str, object]]] = [(started_ns, {"event": "received"})]
    if exchange.queued_ns is not None:
        found.append((started_ns, {"event": "queued", "for_ms": _ms(exchange.queued_ns)}))
    if exchange.asked_ns is not None:
        found.append((exchange.asked_ns, {"event": "asked"}))
    for backend, outcome, began_ns, ended_ns in exchange.tries:
        said = {"event": "attempt", "backend": backend, "outcome": outcome, "for_ms": _ms(ended_ns - began_ns)}
        found.append((began_ns, said))
    if exchange.first_output_ns is not None:
        found.append((exchange.first_output_ns, {"event": "first output"}))
    if exchange.first_chunk_ns is not None:
        found.append((exchange.first_chunk_ns, {"event": "first chunk"}))
    if exchange.ended_ns is not None:
        found.append((exchange.ended_ns, {"event": "ended"}))
    found.sort(key=lambda event: event[0])
    return [{"at_ms": _ms(at_ns - started_ns), **event} for at_ns, event in found]


def _ms(time_ns: int) -> float:
    return round(time_ns / 1e6, 3)
