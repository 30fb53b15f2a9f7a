"""Numbers and moments as the tests of the status page want them."""

from typing import Any

from gateway.web.numbers import Totals
from gateway.web.rates import Point
from gateway.web.view import Moment

_TOTALS: Totals = {
    "requests": 0,
    "errors": 0,
    "in_flight": 0,
    "waiting": 0,
    "output_tokens": 0,
    "first_chunks": 0,
    "first_chunk_s": 0.0,
    "speeds": 0,
    "speeds_sum": 0.0,
    "recent": [],
}
_MOMENT: Moment = {
    "at_s": 0.0,
    "version": "1.2.3",
    "uptime_s": 0.0,
    "worker": None,
    "status": "healthy",
    "metrics": True,
    "point": None,
    "backends": [],
    "recent": [],
}


def totals(**changed: Any) -> Totals:
    """Return counts: zero, but for what is `changed`."""
    found: Any = {**_TOTALS, **changed}
    made: Totals = found
    return made


def point(at_s: float) -> Point:
    """Return a point of a plot."""
    return {
        "at_s": at_s,
        "requests": 0.0,
        "errors": 0.0,
        "tokens": 0.0,
        "in_flight": 0,
        "waiting": 0,
        "first_chunk_s": None,
        "speed": None,
    }


def moment(at_s: float = 0.0) -> Moment:
    """Return a moment with its point."""
    return {**_MOMENT, "at_s": at_s, "point": point(at_s)}
