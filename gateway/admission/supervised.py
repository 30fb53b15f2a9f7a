"""Counts of workers, kept by their supervisor: what a worker asks, and what the supervisor answers."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gateway.admission.counts import Counts

Ask = Callable[[Any], Awaitable[Any]]
"""Sends JSON to whoever counts for all, and returns its answer; raises when it cannot."""


def local_counts() -> "Counts":
    """Return counts in the memory of this process. What counts is loaded now, not when this module is."""
    from gateway.admission import counts

    return counts.local_counts()


class AskedCounts:
    """Counts that another process keeps, such as the supervisor of workers; `counting` is its other end."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    async def take(self, name: str, limit: int) -> float:
        """Count one and return 0, or count nothing and return the seconds until there is one again."""
        return float(await self._ask(["take", name, limit]))

    async def wait_s(self, name: str, limit: int) -> float:
        """Return the seconds until less than `limit` is counted, 0 where it is now."""
        return float(await self._ask(["wait", name, limit]))

    async def add(self, name: str, limit: int, amount: int) -> None:
        """Count what was used already, also beyond the limit."""
        await self._ask(["add", name, limit, amount])


def counting(counts: "Counts") -> Ask:
    """Return what answers `AskedCounts`. It raises ValueError for what they do not send."""

    async def answer(payload: Any) -> float:
        """Do what a worker asks."""
        match payload:
            case ["take", str(name), int(limit)]:
                return await counts.take(name, limit)
            case ["wait", str(name), int(limit)]:
                return await counts.wait_s(name, limit)
            case ["add", str(name), int(limit), int(amount)]:
                await counts.add(name, limit, amount)
                return 0.0
        raise ValueError("not a question about counts")

    return answer
