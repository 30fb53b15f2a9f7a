"""Where cached answers are kept: in the memory of this process, or in Redis. Both only hold bytes for a time.

A store never fails a request: what it cannot read is not there, what it cannot write is not kept.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from cachetools import TTLCache

from gateway.telemetry.logging import get_logger

if TYPE_CHECKING:
    from redis.asyncio import BlockingConnectionPool

_log = get_logger("cache")

MEMORY_SCHEME = "memory://"
REDIS_SCHEMES = ("redis://", "rediss://")
REDIS_PREFIX = b"gateway-cache:1:"
"""Before every key; its number changes with the form of the values."""
REDIS_WAIT_S = 0.25
"""How long Redis may take to accept a connection, and to answer."""
REDIS_TOTAL_S = 0.5
"""How long a request waits for the cache, whatever happens."""
REST_S = 2.0
"""How long Redis is left alone after it failed."""
_WARNING_PAUSE_S = 60.0
_CONNECTIONS = 32
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
        self._count = count
        self._clock = clock
        self._writes: set[asyncio.Task[object]] = set()
        self._away = False
        self._rest_until_s = float("-inf")
        self._quiet_until_s = float("-inf")

    async def read(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the value of each key, None where there is none."""
        found = await self._ask(lambda: self._redis.mget([REDIS_PREFIX + key.hex().encode() for key in keys]))
        return found if isinstance(found, list) and len(found) == len(keys) else [None] * len(keys)

    async def write(self, key: bytes, value: bytes) -> None:
        """Keep a value, also when the request that brought it ends meanwhile."""
        command = self._ask(lambda: self._redis.set(REDIS_PREFIX + key.hex().encode(), value, px=self._ttl_ms))
        write = asyncio.get_running_loop().create_task(command, context=Context())
        self._writes.add(write)
        write.add_done_callback(self._writes.discard)
        await asyncio.shield(write)

    async def aclose(self) -> None:
        """Finish what is being written, and close the connections."""
        await asyncio.gather(*self._writes)
        await self._redis.aclose()

    async def _ask(self, command: Callable[[], Awaitable[object]]) -> object:
        """Run a command; return None when Redis is away or resting."""
        now_s = self._clock()
        if now_s < self._rest_until_s:
            return None
        if self._away:
            self._rest_until_s = now_s + REST_S  # one request finds out for all
        try:
            async with asyncio.timeout(REDIS_TOTAL_S):
                answer = await command()
        except Exception as error:  # noqa: BLE001 - whatever goes wrong here, the backend can still be asked
            self._failed(error)
            return None
        if self._away:
            self._away = False
            _log.info("response cache is back")
        self._rest_until_s = float("-inf")
        return answer

    def _failed(self, error: Exception) -> None:
        now_s = self._clock()
        self._away = True
        self._rest_until_s = now_s + REST_S
        if self._count is not None:
            self._count("error")
        if now_s >= self._quiet_until_s:
            self._quiet_until_s = now_s + _WARNING_PAUSE_S
            # Not the error's text: it may quote the URL or what was to be kept.
            _log.warning("response cache not reached: answering without it", error=type(error).__name__)


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
    try:
        connections = _connections(url)
    except ImportError:
        raise ValueError("CACHE_URL needs the package redis: install ollama-openai-proxy[redis]") from None
    return RedisStore(connections, ttl_s=ttl_s, count=count, clock=clock)


def _connections(url: str) -> "BlockingConnectionPool":
    from redis.asyncio import BlockingConnectionPool
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff
    from redis.exceptions import ConnectionError as LostConnectionError

    try:
        connections = BlockingConnectionPool.from_url(
            url,
            max_connections=_CONNECTIONS,
            timeout=REDIS_WAIT_S,
            socket_connect_timeout=REDIS_WAIT_S,
            socket_timeout=REDIS_WAIT_S,
            # Once more where an idle connection was found closed, never where an answer was waited for.
            retry=Retry(NoBackoff(), 1, supported_errors=(LostConnectionError,)),
            # No negotiation: two commands need nothing of the newer protocol.
            protocol=2,
        )
        connections.connection_class(**connections.connection_kwargs)
    except (ValueError, TypeError):
        raise ValueError("CACHE_URL is not an address of Redis: redis://[user:password@]host[:port][/db]") from None
    return connections


def _size(value: bytes) -> int:
    return len(value) + _ENTRY_BYTES
