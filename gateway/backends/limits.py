"""Gate: how much one backend is asked at once and a minute, and how long who comes too much waits."""

import asyncio
from collections import deque
from time import monotonic

from gateway.errors import BUSY, OverloadedError, RateLimitedError


class Gate:
    """Counts requests in flight, and bounds them: `concurrency` at once, `requests_per_minute` on average.

    Who comes while it is full waits in the order of arrival.
    """

    __slots__ = ("_capacity", "_concurrency", "_per_s", "_refilled_s", "_tokens", "_waiting", "in_flight")

    def __init__(self, concurrency: int | None = None, requests_per_minute: int | None = None) -> None:
        self.in_flight = 0
        self._concurrency = concurrency
        self._per_s = requests_per_minute / 60 if requests_per_minute is not None else 0.0
        # A minute's worth may come at once, as those who sell a rate by the minute count it.
        self._capacity = float(requests_per_minute or 0)
        self._tokens = self._capacity
        self._refilled_s = monotonic()
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def bounded(self) -> bool:
        """Whether there is anything to wait for at all."""
        return self._concurrency is not None or bool(self._per_s)

    @property
    def full(self) -> bool:
        """Whether a request would have to wait now."""
        return (self._concurrency is not None and self.in_flight >= self._concurrency) or self._token_wait_s() > 0

    def enter_unbounded(self) -> bool:
        """Count a request in where there is nothing to wait for; else return False, and `enter` is to be awaited."""
        if self.bounded:
            return False
        self.in_flight += 1
        return True

    async def enter(self, longest_s: float) -> None:
        """Count a request in, when it may go. Raises OverloadedError or RateLimitedError after `longest_s`."""
        if self.enter_unbounded():
            return
        await self._enter_bounded(longest_s)

    def leave(self) -> None:
        """Count a request out, and let the next one in."""
        self.in_flight -= 1
        self._wake()

    async def _enter_bounded(self, longest_s: float) -> None:
        if self._concurrency is not None and (self.in_flight >= self._concurrency or self._waiting):
            await self._turn(longest_s)
        else:
            self.in_flight += 1
        try:
            await self._token(longest_s)
        except BaseException:
            self.leave()
            raise

    async def _turn(self, longest_s: float) -> None:
        """Wait for a place; whoever leaves hands his on, so that nobody who comes later takes it."""
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            async with asyncio.timeout(longest_s):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self.leave()
            else:
                turn.cancel()
            if isinstance(error, TimeoutError):
                raise OverloadedError(BUSY, headers={"Retry-After": "1"}) from None
            raise

    def _wake(self) -> None:
        while self._waiting and (self._concurrency is None or self.in_flight < self._concurrency):
            turn = self._waiting.popleft()
            if not turn.done():
                self.in_flight += 1
                turn.set_result(None)

    async def _token(self, longest_s: float) -> None:
        if not self._per_s:
            return
        wait_s = self._token_wait_s()
        if wait_s > longest_s:
            text = f"the backend takes {self._capacity:g} requests a minute, and they are used up"
            raise RateLimitedError(text, headers={"Retry-After": str(int(wait_s) + 1)})
        # Taken now, even where it comes to hand only later: so that those who wait are served in their order.
        self._tokens -= 1
        if wait_s > 0:
            await asyncio.sleep(wait_s)

    def _token_wait_s(self) -> float:
        if not self._per_s:
            return 0.0
        now_s = monotonic()
        self._tokens = min(self._capacity, self._tokens + (now_s - self._refilled_s) * self._per_s)
        self._refilled_s = now_s
        return max(0.0, (1 - self._tokens) / self._per_s)
