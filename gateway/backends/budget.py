"""RetryBudget: how many of a backend's requests may be repetitions, so that a storm is never made worse by us."""

from collections.abc import Callable
from time import monotonic

SHARE = 0.095
"""Repetitions for each request of a window: a little below a tenth, so that none is seen over any stretch of time."""
LEAST_PER_S = 3.0
"""What is allowed where there are too few requests for a share to mean anything."""
WINDOW_S = 10
_SLOTS = 10


class RetryBudget:
    """Counts first requests and repetitions over a sliding window of `WINDOW_S` seconds, in slots of a second."""

    __slots__ = ("_clock", "_offered", "_repeated", "_second")

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._second = 0
        self._offered = [0] * _SLOTS
        self._repeated = [0] * _SLOTS

    def offer(self) -> None:
        """Count a first request."""
        self._offered[self._slot()] += 1

    def spend(self) -> bool:
        """Count a repetition and return True, if there may be one more now."""
        slot = self._slot()
        if sum(self._repeated) + 1 > max(LEAST_PER_S * WINDOW_S, SHARE * sum(self._offered)):
            return False
        self._repeated[slot] += 1
        return True

    def _slot(self) -> int:
        """Return the slot of this second, after emptying those of which the time is over."""
        second = int(self._clock())
        if second != self._second:
            for late in range(max(self._second + 1, second - _SLOTS + 1), second + 1):
                self._offered[late % _SLOTS] = self._repeated[late % _SLOTS] = 0
            self._second = second
        return second % _SLOTS
