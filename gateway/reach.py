"""Reach: asks something that may be away, such as Redis, so that no request waits long for it or fails with it."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic

from gateway.telemetry.logging import get_logger

REST_S = 2.0
"""How long what failed is left alone."""
_WARNING_PAUSE_S = 60.0

_log = get_logger("reach")


class Reach:
    """What is asked is `name` in the log, `instead` is what happens without it; an answer may take `longest_s`.

    While it is away one request in `REST_S` finds out for all whether it is back. `missed` is called each time it was
    asked in vain.
    """

    def __init__(
        self,
        name: str,
        instead: str,
        *,
        longest_s: float,
        missed: Callable[[], None] | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._name = name
        self._instead = instead
        self._longest_s = longest_s
        self._missed = missed
        self._clock = clock
        self._away = False
        self._rest_until_s = float("-inf")
        self._quiet_until_s = float("-inf")

    async def ask[Value](self, command: Callable[[], Awaitable[Value]]) -> Value | None:
        """Return what `command` returns; None when it fails, takes too long, or is not tried."""
        now_s = self._clock()
        if now_s < self._rest_until_s:
            return None
        if self._away:
            self._rest_until_s = now_s + REST_S  # one request finds out for all
        try:
            async with asyncio.timeout(self._longest_s):
                answer = await command()
        except Exception as error:  # noqa: BLE001 - whatever goes wrong there, requests go on
            self._failed(error)
            return None
        if self._away:
            self._away = False
            _log.info(f"{self._name} is back")
        self._rest_until_s = float("-inf")
        return answer

    def _failed(self, error: Exception) -> None:
        now_s = self._clock()
        self._away = True
        self._rest_until_s = now_s + REST_S
        if self._missed is not None:
            self._missed()
        if now_s >= self._quiet_until_s:
            self._quiet_until_s = now_s + _WARNING_PAUSE_S
            # Not the error's text: it may quote an address with its password, or what was to be kept.
            _log.warning(f"{self._name} not reached: {self._instead}", error=type(error).__name__)
