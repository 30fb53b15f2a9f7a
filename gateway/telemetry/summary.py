"""The numbers in short, for people: totals, rates of the last minute or so, percentiles of the latest requests."""

from collections import deque
from collections.abc import Iterable, Sequence
from time import monotonic
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from gateway.telemetry.metrics import Metrics

PERCENTILES = (50, 95, 99)
_MOST_SHARED = 4096
"""So many of each worker's latest requests are told to the others."""
_LEAST_WINDOW_S = 1.0


class Totals(msgspec.Struct, frozen=True):
    """What only grows, at one moment (`at_s`, seconds since the start)."""

    at_s: float = 0.0
    requests: int = 0
    errors: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    chunks: int = 0


class Latest(msgspec.Struct, frozen=True):
    """Seconds that the latest requests took, oldest first."""

    duration: tuple[float, ...] = ()
    first_chunk: tuple[float, ...] = ()
    overhead: tuple[float, ...] = ()


class Summary(msgspec.Struct, frozen=True):
    """What one process tells. `before`: its totals some time ago, for the rates."""

    now: Totals
    before: Totals
    in_flight: int
    latest: Latest


class Rates:
    """Remembers totals from time to time, so that a rate is of the last minute and not of a whole life."""

    __slots__ = ("_noted",)

    def __init__(self) -> None:
        self._noted: deque[Totals] = deque([Totals()], maxlen=3)

    def note(self, metrics: "Metrics") -> None:
        """Remember the totals of now."""
        self._noted.append(totals(metrics))

    @property
    def before(self) -> Totals:
        """The oldest totals that are remembered."""
        return self._noted[0]


def totals(metrics: "Metrics") -> Totals:
    """Return the totals of now."""
    routes = metrics.routes.values()
    tokens = metrics.tokens.values()
    return Totals(
        monotonic() - metrics.started_s,
        sum(sum(route.requests.values()) for route in routes),
        sum(sum(route.errors.values()) for route in routes),
        sum(numbers.input for numbers in tokens),
        sum(numbers.output for numbers in tokens),
        metrics.streams.chunks,
    )


def summary_of(metrics: "Metrics") -> Summary:
    """Return what one process tells."""
    latest = Latest(
        _seconds(metrics.recent_ns), _seconds(metrics.recent_first_ns), _seconds(metrics.recent_overhead_ns)
    )
    in_flight = sum(route.in_flight for route in metrics.routes.values())
    return Summary(totals(metrics), metrics.rates.before, in_flight, latest)


def shared(summary: Summary) -> Summary:
    """Return a summary short enough to be told to others."""
    latest = summary.latest
    short = Latest(latest.duration[-_MOST_SHARED:], latest.first_chunk[-_MOST_SHARED:], latest.overhead[-_MOST_SHARED:])
    return msgspec.structs.replace(summary, latest=short)


def presented(summaries: Sequence[Summary]) -> dict[str, object]:
    """Return what the summaries of all processes say together, as the answer in JSON has it."""
    requests = sum(one.now.requests for one in summaries)
    errors = sum(one.now.errors for one in summaries)
    recent = sum(one.now.requests - one.before.requests for one in summaries)
    recent_errors = sum(one.now.errors - one.before.errors for one in summaries)
    return {
        "requests": requests,
        "errors": errors,
        "error_share": round(recent_errors / recent, 6) if recent else 0.0,
        "in_flight": sum(one.in_flight for one in summaries),
        "tokens": {
            "input": sum(one.now.input_tokens for one in summaries),
            "output": sum(one.now.output_tokens for one in summaries),
        },
        "per_second": {
            "requests": _rate(summaries, "requests"),
            "errors": _rate(summaries, "errors"),
            "chunks": _rate(summaries, "chunks"),
            "input_tokens": _rate(summaries, "input_tokens"),
            "output_tokens": _rate(summaries, "output_tokens"),
        },
        "duration_s": percentiles([value for one in summaries for value in one.latest.duration]),
        "first_chunk_s": percentiles([value for one in summaries for value in one.latest.first_chunk]),
        "overhead_s": percentiles([value for one in summaries for value in one.latest.overhead]),
        "uptime_s": round(max((one.now.at_s for one in summaries), default=0.0), 3),
        "processes": len(summaries),
    }


def _seconds(times_ns: Iterable[int]) -> tuple[float, ...]:
    return tuple([time_ns / 1e9 for time_ns in times_ns])


def _rate(summaries: Sequence[Summary], name: str) -> float:
    total = 0.0
    for one in summaries:
        grown: int = getattr(one.now, name) - getattr(one.before, name)
        total += grown / max(one.now.at_s - one.before.at_s, _LEAST_WINDOW_S)
    return round(total, 3)


def percentiles(values: Sequence[float]) -> dict[str, float | None]:
    """Return the percentiles of seconds, None where there are none."""
    ordered = sorted(values)
    return {f"p{percent}": quantile(ordered, percent / 100) for percent in PERCENTILES}


def quantile(ordered: Sequence[float], share: float) -> float | None:
    """Return the value below which `share` of the ascending values lie (nearest rank), None for no values."""
    if not ordered:
        return None
    return round(ordered[min(int(share * len(ordered)), len(ordered) - 1)], 6)
