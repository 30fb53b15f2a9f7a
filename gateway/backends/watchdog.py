"""Watchdog: one timer an answer, which serves all its deadlines by looking at a stored time."""

import asyncio
import math
from collections.abc import Callable

from gateway.errors import UpstreamTimeoutError


class Watchdog:
    """Calls `expire` with the error of the clock that ran out. Moving a deadline costs an assignment, not a timer."""

    __slots__ = ("_clock", "_deadline", "_expire", "_limit_s", "_loop", "_timer")

    def __init__(self, expire: Callable[[UpstreamTimeoutError], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._expire = expire
        self._deadline = math.inf
        self._limit_s = math.inf
        self._clock = ""
        self._timer: asyncio.TimerHandle | None = None

    def expect(self, clock: str, limit_s: float) -> None:
        """Start `clock` (its name goes into the error): it runs out `limit_s` from now, in place of any other."""
        self._clock = clock
        self._limit_s = limit_s
        self._deadline = self._loop.time() + limit_s
        if self._timer is None or self._timer.when() > self._deadline:
            self._arm()

    def pause(self) -> None:
        """Stop the clock: what happens now is not the backend's silence."""
        self._deadline = math.inf

    def close(self) -> None:
        """Drop the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._deadline = math.inf

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


def _text(clock: str, limit_s: float) -> str:
    waited = f"{limit_s:g} s"
    if clock == "total":
        return f"the backend did not finish its answer within {waited}"
    if clock == "idle":
        return f"the backend fell silent in its answer for {waited}"
    return f"the backend did not begin to answer within {waited}"
