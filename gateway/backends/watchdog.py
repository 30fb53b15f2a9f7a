"""Watchdog: one timer an answer, which serves all its deadlines by looking at a stored time."""

import asyncio
import math
from collections.abc import Callable

from gateway.errors import UpstreamTimeoutError


class Watchdog:
    """Calls `expire` with the error of the clock that ran out. Moving a deadline costs an assignment, not a timer.

    Nothing runs out before `watch`: what has arrived already needs no timer.
    """

    __slots__ = ("_clock", "_deadline", "_expire", "_left_s", "_limit_s", "_loop", "_timer")

    def __init__(self, expire: Callable[[UpstreamTimeoutError], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._expire = expire
        self._deadline = math.inf
        self._limit_s = math.inf
        self._left_s = math.inf
        self._clock = ""
        self._timer: asyncio.TimerHandle | None = None

    def expect(self, clock: str, limit_s: float, *, passed_s: float = 0.0) -> None:
        """Start `clock` (its name goes into the error), in place of any other.

        It runs out `limit_s` after it began, of which `passed_s` are over.
        """
        self._clock = clock
        self._limit_s = limit_s
        self._deadline = self._loop.time() + limit_s - passed_s
        if self._timer is not None and self._timer.when() > self._deadline:
            self._arm()

    def watch(self) -> None:
        """Wait for it from now on."""
        if self._timer is None and self._deadline < math.inf:
            self._arm()

    def pause(self) -> None:
        """Stop the clock: what happens now is not the backend's silence."""
        self._left_s = self._deadline - self._loop.time()
        self._deadline = math.inf

    def resume(self) -> None:
        """Go on with the clock that was stopped."""
        self._deadline = self._loop.time() + self._left_s
        if self._timer is not None and self._timer.when() > self._deadline:
            self._arm()

    def close(self) -> None:
        """Drop the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._deadline = math.inf
        self._expire = _nobody  # it belongs to whom this belongs: together they would wait for the collector

    @property
    def spent(self) -> float:
        """How much of the running clock is over, 0 to 1; 0 where none runs."""
        if math.isinf(self._deadline):
            return 0.0
        return 1.0 - (self._deadline - self._loop.time()) / self._limit_s

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._deadline, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._deadline == math.inf:
            return
        if self._loop.time() < self._deadline:
            self._arm()
            return
        self._deadline = math.inf
        self._expire(UpstreamTimeoutError(_text(self._clock, self._limit_s), clock=self._clock))


def _nobody(_error: UpstreamTimeoutError) -> None:
    """Be told when nobody is left to be told."""


def _text(clock: str, limit_s: float) -> str:
    waited = f"{limit_s:g} s"
    if clock == "total":
        return f"the backend did not finish its answer within {waited}"
    if clock == "idle":
        return f"the backend fell silent in its answer for {waited}"
    return f"the backend did not begin to answer within {waited}"
