"""Counts that several processes share while what keeps them can be reached; otherwise each counts alone."""

import asyncio
from contextvars import Context

from gateway.admission.counts import Counts
from gateway.reach import Reach


class SharedCounts:
    """Asks `shared` through `reach`, and counts along in `local`: nobody begins anew when `shared` goes away."""

    def __init__(self, shared: Counts, local: Counts, reach: Reach) -> None:
        self._shared = shared
        self._local = local
        self._reach = reach
        self._additions: set[asyncio.Task[None]] = set()

    async def take(self, name: str, limit: int) -> float:
        """Count one and return 0, or count nothing and return the seconds until there is one again."""
        wait_s = await self._reach.ask(lambda: self._shared.take(name, limit))
        if wait_s is None:
            return await self._local.take(name, limit)
        if not wait_s:
            await self._local.add(name, limit, 1)
        return wait_s

    async def wait_s(self, name: str, limit: int) -> float:
        """Return the seconds until less than `limit` is counted, 0 where it is now."""
        wait_s = await self._reach.ask(lambda: self._shared.wait_s(name, limit))
        return await self._local.wait_s(name, limit) if wait_s is None else wait_s

    async def add(self, name: str, limit: int, amount: int) -> None:
        """Count what was used already, also beyond the limit; nobody waits until it is counted for all."""
        await self._local.add(name, limit, amount)
        command = self._reach.ask(lambda: self._shared.add(name, limit, amount))
        addition = asyncio.get_running_loop().create_task(command, context=Context())
        self._additions.add(addition)
        addition.add_done_callback(self._additions.discard)

    async def aclose(self) -> None:
        """Wait for what is still being counted."""
        await asyncio.gather(*self._additions)
