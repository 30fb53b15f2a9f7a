"""Turns: whose turn it is among equals, by weight. What it costs does not grow with how many there are."""

import random
from bisect import bisect_right
from collections.abc import Sequence
from heapq import heapify, heappop, heappush
from itertools import accumulate

_CREDIT = 2.0
"""How many turns one that was passed over makes up for at most, and how many taken out of turn are held against it."""


class Turns:
    """Stride scheduling: one of weight w is due every total/w turns, so that shares are exact over each round.

    `next` tells whose turn it is, `take` notes who was chosen, be it another. Places are numbers from 0 on.
    """

    __slots__ = ("_due", "_heap", "_starts", "_strides", "_taken", "_weights")

    def __init__(self, weights: Sequence[float]) -> None:
        total = sum(weights)
        self._weights = list(weights)
        self._starts = [0.0, *accumulate(weights)]
        self._strides = [total / weight for weight in weights]
        self._due = [stride / 2 for stride in self._strides]
        self._heap = [(due, at) for at, due in enumerate(self._due)]
        heapify(self._heap)
        self._taken = 0

    def next(self) -> int:
        """Return whose turn it is."""
        heap, due = self._heap, self._due
        while heap[0][0] != due[heap[0][1]]:  # it was chosen out of turn since
            heappop(heap)
        return heap[0][1]

    def other(self, than: int) -> int:
        """Return another one by chance, by weight. There must be one."""
        starts = self._starts
        point = random.random() * (starts[-1] - self._weights[than])  # noqa: S311 - it spreads load, at every request: the system's own takes twenty times as long, and to foresee it gains nothing # nosec B311
        if point >= starts[than]:
            point += self._weights[than]
        found = min(bisect_right(starts, point) - 1, len(self._weights) - 1)
        return found if found != than else than - 1 if than else 1  # a sum of fractions can end a hair too far

    def take(self, at: int) -> None:
        """Note that this one was chosen."""
        self._taken += 1
        stride = self._strides[at]
        owed = self._taken - _CREDIT * stride
        due = min(max(self._due[at], owed) + stride, self._taken + (1 + _CREDIT) * stride)
        self._due[at] = due
        heappush(self._heap, (due, at))
        if len(self._heap) > 4 * len(self._due):
            self._heap = [(due, at) for at, due in enumerate(self._due)]
            heapify(self._heap)
