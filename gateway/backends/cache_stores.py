"""Where cached answers are kept: in the memory of this process, or in Redis. Both only hold bytes for a time.

A store never fails a request: what it cannot read is not there, what it cannot write is not kept.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextvars import Context
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from cachetools import TTLCache

from gateway.reach import Reach
from gateway.redis_connections import redis_connections

if TYPE_CHECKING:
    from redis.asyncio import BlockingConnectionPool

MEMORY_SCHEME = "memory://"
REDIS_SCHEMES = ("redis://", "rediss://")
REDIS_PREFIX = b"gateway-cache:1:"
"""Before every key; its number changes with the form of the values."""
REDIS_TOTAL_S = 0.5
"""How long a request waits for the cache, whatever happens."""
_ENTRY_BYTES = 512
"""What an entry takes in memory beside its value: its key, and its places in the cache's tables."""


class CacheStore(Protocol):
    """Keeps bytes by key, for a time set when it was made."""

    async def read(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the value of each key, None where there is none."""
        ...

    async def write(self, key: bytes, value: bytes) -> None:
        """Keep a value if there is room for it."""
        ...

    async def aclose(self) -> None:
        """Let go of what it holds."""
        ...


class MemoryStore:
    """Keeps values in this process: at most `max_bytes` of them, the least recently used go first."""

    def __init__(self, *, ttl_s: float, max_bytes: int, clock: Callable[[], float] = monotonic) -> None:
        self._values: TTLCache[bytes, bytes, float] = TTLCache(max_bytes, ttl_s, clock, _size)

    @property
    def size_bytes(self) -> float:
        """The memory in use."""
        return self._values.currsize

    async def read(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the value of each key, None where there is none."""
        return [self._values.get(key) for key in keys]

    async def write(self, key: bytes, value: bytes) -> None:
        """Keep a value, unless it is larger than all the room."""
        if _size(value) <= self._values.maxsize:
            self._values[key] = value

    async def aclose(self) -> None:
        """Forget everything."""
        self._values.clear()


class RedisStore:
    """Keeps values in Redis, whose own `maxmemory` bounds them. While it is away it is asked only now and then.

    `count` is told "error" each time it could not be asked.
    """

    def __init__(
        self,
        connections: "BlockingConnectionPool",
        *,
        ttl_s: float,
        count: Callable[[str], None] | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        from redis.asyncio import Redis

        self._redis = Redis.from_pool(connections)
        self._ttl_ms = max(1, round(ttl_s * 1000))
        missed = partial(count, "error") if count is not None else None
        self._reach = Reach(
            "response cache", "answering without it", longest_s=REDIS_TOTAL_S, missed=missed, clock=clock
        )
        self._writes: set[asyncio.Task[object]] = set()

    async def read(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the value of each key, None where there is none."""
        found = await self._reach.ask(lambda: self._redis.mget([REDIS_PREFIX + key.hex().encode() for key in keys]))
        if not isinstance(found, list) or len(found) != len(keys):
            return [None] * len(keys)
        return [value if isinstance(value, bytes) else None for value in found]

    async def write(self, key: bytes, value: bytes) -> None:
        """Keep a value, also when the request that brought it ends meanwhile."""
        command = self._reach.ask(lambda: self._redis.set(REDIS_PREFIX + key.hex().encode(), value, px=self._ttl_ms))
        write = asyncio.get_running_loop().create_task(command, context=Context())
        self._writes.add(write)
        write.add_done_callback(self._writes.discard)
        await asyncio.shield(write)

    async def aclose(self) -> None:
        """Finish what is being written, and close the connections."""
        await asyncio.gather(*self._writes)
        await self._redis.aclose()


def open_store(
    url: str,
    *,
    ttl_s: float,
    max_bytes: int,
    count: Callable[[str], None] | None = None,
    clock: Callable[[], float] = monotonic,
) -> CacheStore:
    """Return the store of a CACHE_URL; nothing is connected yet.

    Raises ValueError, without the URL in it, for one that cannot be used, and where the package redis is missing.
    """
    if url.lower() == MEMORY_SCHEME:
        return MemoryStore(ttl_s=ttl_s, max_bytes=max_bytes, clock=clock)
    if not url.startswith(REDIS_SCHEMES):
        raise ValueError("CACHE_URL must be memory://, or begin with redis:// or rediss://")
    return RedisStore(redis_connections(url, "CACHE_URL"), ttl_s=ttl_s, count=count, clock=clock)


def _size(value: bytes) -> int:
    return len(value) + _ENTRY_BYTES
