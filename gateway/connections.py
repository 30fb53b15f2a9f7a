"""How many clients may be connected at once: never so many that no descriptor is left for asking a backend."""

import asyncio
import sys
from typing import cast

from aiohttp import web

from gateway.telemetry.logging import get_logger

MOST_CONNECTIONS = 65_536
"""Where the system sets no bound: idle, they take about half a gigabyte."""
_BODY = b'{"error":"server busy, please try again.  maximum connections reached"}\n'
_REFUSAL = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: %d\r\n"
    b"X-Content-Type-Options: nosniff\r\nRetry-After: 1\r\nConnection: close\r\n\r\n%b" % (len(_BODY), _BODY)
)

_log = get_logger("connections")


def raise_file_limit() -> int | None:
    """Let this process open as many files as it may, as Go's programs do; return how many, None for no bound."""
    if sys.platform == "win32":
        return None
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (ValueError, OSError):  # macOS takes no infinity here
        return None if soft == resource.RLIM_INFINITY else soft
    return None if hard == resource.RLIM_INFINITY else hard


def most_connections(files: int | None) -> int:
    """Return how many clients leave a quarter of the descriptors for backends, files and logs."""
    return MOST_CONNECTIONS if files is None else max(1, min(MOST_CONNECTIONS, files - files // 4))


class BoundedServer:
    """Makes the protocols of new connections, for `create_server`; beyond `most` each is told to come again."""

    def __init__(self, server: web.Server, most: int) -> None:
        self._server = server
        self._most = most
        self._room = 0
        self._full = False

    def __call__(self) -> asyncio.Protocol:
        """Return the protocol of the next connection. They are counted anew only where there could be too many."""
        if self._room <= 0:
            self._room = self._most - len(self._server.connections)
            self._tell(full=self._room <= 0)
            if self._full:
                return _Refusal()
        self._room -= 1
        return self._server()

    def _tell(self, *, full: bool) -> None:
        if full and not self._full:
            _log.warning("too many connections: new ones are refused", connections=self._most)
        self._full = full


class _Refusal(asyncio.Protocol):
    """Says that the server is busy, and closes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A cast: uvloop's transports are none of asyncio's.
        connection = cast(asyncio.Transport, transport)
        connection.write(_REFUSAL)
        connection.close()
