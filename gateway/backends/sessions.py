"""The sessions to backends, and how bodies are read: as aiohttp does, but for what it repeats with every piece."""

from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Any, Final, TypedDict

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.connector import Connection

from gateway.backends.receiving import Receiver
from gateway.config import BackendConfig


class Reading(TypedDict):
    """How answers are read: the room for a body before its reader has come, and the longest lines of a head."""

    read_bufsize: int
    max_line_size: int
    max_field_size: int


READING: Final = Reading(read_bufsize=256 * 1024, max_line_size=16 * 1024, max_field_size=32 * 1024)


class Connector(aiohttp.TCPConnector):
    """A TCPConnector, with its arguments."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        make: type[ResponseHandler] = Receiver
        self._factory = partial(make, loop=self._loop)

    def kept(self, key: ConnectionKey) -> Connection | None:
        """Return a connection that was kept, None where a new one is to be made: `connect` without its waiting."""
        found = self._conns.get(key)
        if found is None:
            return None
        now_s = monotonic()
        while found:
            protocol, since_s = found.popleft()
            if protocol.is_connected() and (
                self._keepalive_timeout is None or now_s - since_s <= self._keepalive_timeout
            ):
                if not found:
                    del self._conns[key]
                self._acquired.add(protocol)
                return Connection(self, key, protocol, self._loop)
            protocol.close()
        del self._conns[key]
        return None


def hand_over(content: aiohttp.StreamReader, take: Callable[[bytes], bool]) -> None:
    """Have `take` called with what arrives of a body, where its connection can: see `Receiver.hand_over`."""
    protocol = content._protocol
    if isinstance(protocol, Receiver):
        protocol.hand_over(content, take)


def has_arrived(content: aiohttp.StreamReader) -> bool:
    """Whether `read_arrived` would not wait: some of a body is there, or its end, or what broke it."""
    return content.at_eof() or bool(content._buffer) or content.exception() is not None


async def read_arrived(content: aiohttp.StreamReader) -> bytes:
    """Return all of a body that has arrived, after waiting for some of it; nothing at its end.

    The same as `content.readany()`, which takes the pieces out one by one, each with all that follows from it: for a
    burst of tokens that costs as much as to understand them.
    """
    if (error := content.exception()) is not None:
        raise error
    if content.at_eof():
        return b""
    while not content._buffer and not content._eof:
        await content._wait("read_arrived")
    if content._buffer_offset:
        return content._read_nowait(-1)
    pieces = content._buffer
    data = b"".join(pieces) if len(pieces) > 1 else pieces[0] if pieces else b""
    pieces.clear()
    content._size = 0
    content._cursor += len(data)
    if ends := content._http_chunk_splits:
        last = ends[-1]
        ends.clear()
        ends.append(last)
    content._protocol.resume_reading()
    return data


def create_session(config: BackendConfig, *, pooled: bool = True) -> aiohttp.ClientSession:
    """Return a session to backends: no cookies, no bounds but those of the clocks; `pooled`: it keeps connections."""
    connector = Connector(
        limit=config.max_connections,
        keepalive_timeout=config.keepalive_timeout_s if pooled else None,
        force_close=not pooled,
        ttl_dns_cache=config.dns_cache_ttl_s,
        ssl=config.verify_tls,
    )
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=config.connect_timeout_s),
        skip_auto_headers=("User-Agent", "Accept"),
        headers={"User-Agent": "ollama-openai-proxy", "Accept": "*/*"},
        **READING,
    )
