"""The sessions to backends. Their connector is aiohttp's own, but for what it repeats with every piece of a stream."""

from functools import partial
from io import BytesIO
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler

from gateway.config import BackendConfig

_AT_ONCE_BYTES = 64 * 1024


class _Reading(ResponseHandler):
    """The receiving side of a connection.

    aiohttp 3.14 wakes parser and transport after each piece that was taken out of a body, whether or not they were
    stopped; a stream of tokens has one for each token. Here they are woken where they had been stopped.
    """

    def resume_reading(self, resume_parser: bool = True) -> None:
        """Go on after a pause."""
        if self._reading_paused or self._buffer_paused:
            super().resume_reading(resume_parser)


class Connector(aiohttp.TCPConnector):
    """A TCPConnector, with its arguments."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        make: type[ResponseHandler] = _Reading
        self._factory = partial(make, loop=self._loop)


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
        read_bufsize=256 * 1024,
        max_line_size=16 * 1024,
        max_field_size=32 * 1024,
    )


def payload(body: bytes) -> aiohttp.Payload:
    """Return what writes a body: a small one with the head, at once; a large one piece by piece, as it goes out."""
    return aiohttp.BytesPayload(body) if len(body) <= _AT_ONCE_BYTES else aiohttp.BytesIOPayload(BytesIO(body))
