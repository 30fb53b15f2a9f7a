"""Connections to Redis, with short time bounds; the package is loaded only where a setting asks for it."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from redis.asyncio import BlockingConnectionPool

REDIS_WAIT_S = 0.25
"""How long Redis may take to accept a connection, and to answer."""
_CONNECTIONS = 32


def redis_connections(url: str, setting: str) -> "BlockingConnectionPool":
    """Return a pool for the Redis server that `setting` names; nothing is connected yet.

    Raises ValueError, without the URL in it, for one that cannot be used, and where the package redis is missing.
    """
    try:
        return _pool(url)
    except ImportError:
        raise ValueError(f"{setting} needs the package redis: install ollama-openai-proxy[redis]") from None
    except (ValueError, TypeError):
        raise ValueError(f"{setting} is not an address of Redis: redis://[user:password@]host[:port][/db]") from None


def _pool(url: str) -> "BlockingConnectionPool":
    from redis.asyncio import BlockingConnectionPool
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff
    from redis.exceptions import ConnectionError as LostConnectionError

    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=_CONNECTIONS,
        timeout=REDIS_WAIT_S,
        socket_connect_timeout=REDIS_WAIT_S,
        socket_timeout=REDIS_WAIT_S,
        # Once more where an idle connection was found closed, never where an answer was waited for.
        retry=Retry(NoBackoff(), 1, supported_errors=(LostConnectionError,)),
        # No negotiation: nothing here needs the newer protocol.
        protocol=2,
    )
    pool.connection_class(**pool.connection_kwargs)
    return pool
