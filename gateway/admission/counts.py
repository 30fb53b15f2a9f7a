"""Counts: how much each client used in the last minute, in a window that slides.

The library `limits` counts: in Redis, and in memory with a bound of our own on how many clients are remembered.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter

from gateway.admission.rates import WINDOW_S

if TYPE_CHECKING:
    from redis.asyncio import BlockingConnectionPool

MAX_CLIENTS = 20_000
"""How many counts are remembered; who was not seen for longest is forgotten first."""
REDIS_PREFIX = "gateway-limits:1"
"""Before every key; its number changes with the form of the values."""
_NO_LIMIT = 2**52
_SOON_S = 0.001

_per_minute = lru_cache(maxsize=256)(RateLimitItemPerMinute)


class Counts(Protocol):
    """Counts what clients use, under names such as `requests:key:alice`; a limit is so much in a minute."""

    async def take(self, name: str, limit: int) -> float:
        """Count one and return 0, or count nothing and return the seconds until there is one again."""
        ...

    async def wait_s(self, name: str, limit: int) -> float:
        """Return the seconds until less than `limit` is counted, 0 where it is now."""
        ...

    async def add(self, name: str, limit: int, amount: int) -> None:
        """Count what was used already, also beyond the limit."""
        ...


class BoundedMemory(MemoryStorage):
    """The library's counts in memory, of the latest `max_clients` only.

    Its own forget by walking over all clients at every request, and have no bound on how many there are.
    """

    def __init__(self, max_clients: int = MAX_CLIENTS, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._max_clients = max_clients
        self._clock = clock
        self._windows: OrderedDict[str, tuple[int, int, int]] = OrderedDict()

    def __len__(self) -> int:
        """Return how many counts are remembered."""
        return len(self._windows)

    async def get_sliding_window(self, key: str, expiry: int) -> tuple[int, float, int, float]:
        """Return the count of the window before and how long it matters, the present one's and how long it does."""
        number, passed_s = divmod(self._clock(), expiry)
        previous, current = self._read(key, int(number))
        left_s = expiry - passed_s
        return previous, left_s if previous else 0.0, current, left_s + expiry

    async def acquire_sliding_window_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Count `amount`, unless that would be more than `limit`."""
        number, passed_s = divmod(self._clock(), expiry)
        previous, current = self._read(key, int(number))
        if int(previous * (expiry - passed_s) / expiry + current) + amount > limit:
            return False
        self._windows[key] = int(number), previous, current + amount
        if len(self._windows) > self._max_clients:
            self._windows.popitem(last=False)
        return True

    def _read(self, key: str, number: int) -> tuple[int, int]:
        if key not in self._windows:
            return 0, 0
        self._windows.move_to_end(key)  # who is refused is seen, too
        then, previous, current = self._windows[key]
        if then == number:
            return previous, current
        return (current, 0) if then == number - 1 else (0, 0)


class WindowCounts:
    """Counts in one of the library's storages."""

    def __init__(self, storage: BoundedMemory | RedisStorage) -> None:
        self._storage = storage
        self._limiter = SlidingWindowCounterRateLimiter(storage)

    async def take(self, name: str, limit: int) -> float:
        """Count one and return 0, or count nothing and return the seconds until there is one again."""
        if await self._limiter.hit(_per_minute(limit), name):
            return 0.0
        return max(await self.wait_s(name, limit), _SOON_S)

    async def wait_s(self, name: str, limit: int) -> float:
        """Return the seconds until less than `limit` is counted, 0 where it is now."""
        return window_wait_s(limit, *await self._storage.get_sliding_window(_key(name, limit), WINDOW_S))

    async def add(self, name: str, limit: int, amount: int) -> None:
        """Count what was used already, also beyond the limit."""
        await self._storage.acquire_sliding_window_entry(_key(name, limit), _NO_LIMIT, WINDOW_S, amount)


def redis_counts(connections: "BlockingConnectionPool") -> WindowCounts:
    """Return counts in a Redis server, which all who use it share."""
    # The library documents the pool, and leaves it out of its annotations.
    options: dict[str, Any] = {"connection_pool": connections}
    return WindowCounts(RedisStorage("redis://", implementation="redispy", key_prefix=REDIS_PREFIX, **options))


def local_counts(clock: Callable[[], float] = time.monotonic) -> WindowCounts:
    """Return counts in the memory of this process."""
    return WindowCounts(BoundedMemory(clock=clock))


def window_wait_s(limit: int, previous: int, previous_ttl_s: float, current: int, current_ttl_s: float) -> float:
    """Return the seconds until the weighted count of both windows is below `limit`.

    The previous window's count fades over its remaining time; then the present one's does, over a whole window.
    """
    if int(previous * previous_ttl_s / WINDOW_S) + current < limit:
        return 0.0
    if current < limit:
        return max(_SOON_S, previous_ttl_s - WINDOW_S * (limit - current) / previous)
    return max(0.0, current_ttl_s - WINDOW_S) + WINDOW_S * (1 - limit / current) + _SOON_S


def _key(name: str, limit: int) -> str:
    return _per_minute(limit).key_for(name)
