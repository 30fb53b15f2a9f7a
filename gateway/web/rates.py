"""Rates: what happened between two looks at numbers that only grow. Pure."""

from typing import TypedDict

from gateway.web.numbers import Totals

LONGEST_GAP_S = 5.0
"""Two looks further apart tell nothing of now: nobody was watching in between."""


class Point(TypedDict):
    """One place in the plots. Rates are per second.

    `first_chunk_s` is the mean, None where no answer began; `speed` is that of tokens a second within one stream, None
    where none ended.
    """

    at_s: float
    requests: float
    errors: float
    tokens: float
    in_flight: int
    waiting: int
    first_chunk_s: float | None
    speed: float | None


class Rates:
    """Remembers the look before. Times are seconds: `now_s` of a clock that only goes on, `at_s` since 1970."""

    def __init__(self) -> None:
        self._before: tuple[float, Totals] | None = None

    def point(self, totals: Totals, now_s: float, at_s: float) -> Point | None:
        """Return what happened since the look before, None where there was none lately."""
        before, self._before = self._before, (now_s, totals)
        if before is None:
            return None
        then_s, old = before
        passed_s = now_s - then_s
        if not 0 < passed_s <= LONGEST_GAP_S:
            return None
        return {
            "at_s": at_s,
            "requests": (totals["requests"] - old["requests"]) / passed_s,
            "errors": (totals["errors"] - old["errors"]) / passed_s,
            "tokens": (totals["output_tokens"] - old["output_tokens"]) / passed_s,
            "in_flight": totals["in_flight"],
            "waiting": totals["waiting"],
            "first_chunk_s": _mean(
                totals["first_chunk_s"] - old["first_chunk_s"], totals["first_chunks"] - old["first_chunks"]
            ),
            "speed": _mean(totals["speeds_sum"] - old["speeds_sum"], totals["speeds"] - old["speeds"]),
        }


def _mean(total: float, count: int) -> float | None:
    return total / count if count else None
