"""What a backend's response says before anybody reads its answer: its status, and headers that a client may see."""

import asyncio
import time
from collections.abc import Mapping
from typing import NoReturn, Protocol

import aiohttp
from multidict import CIMultiDict, CIMultiDictProxy

from gateway.codecs.backend_errors import error_from_status, retry_after_s, unexpected_status

OK = 200
"""The one status that an answer has; whatever else comes is an error."""
_ERROR_BODY_BYTES = 64 * 1024
PASSED_HEADERS = ("x-ratelimit-", "ratelimit-", "openai-processing-ms", "openai-version")
"""Names (or their beginnings) of a backend's headers that `/v1` clients get; Retry-After is kept on errors."""


class Response(Protocol):
    """The answer of a backend whose head is there: what is asked of it, whoever received it."""

    @property
    def status(self) -> int:
        """Return its HTTP status."""
        ...

    @property
    def headers(self) -> CIMultiDictProxy[str]:
        """Return its headers."""
        ...

    @property
    def content(self) -> aiohttp.StreamReader:
        """Return what reads its body."""
        ...

    def release(self) -> object:
        """Give its connection back; one whose body was not read to its end is closed."""
        ...

    def close(self) -> None:
        """Close its connection."""
        ...


async def refuse(response: Response, idle_s: float) -> NoReturn:
    """Raise the error for a status that is not OK, with the beginning of the backend's own text."""
    status = response.status
    if status < 400:
        raise unexpected_status(status)
    try:
        async with asyncio.timeout(min(10.0, idle_s)):
            body = await _read_some(response.content, _ERROR_BODY_BYTES)
    except (TimeoutError, aiohttp.ClientError):
        body = b""
    headers = response.headers
    error = error_from_status(status, headers.get("Content-Type", ""), body, retry_after_s(headers, time.time()))
    error.headers = passed_headers(headers, "retry-after")
    raise error


def passed_headers(headers: Mapping[str, str], *more: str) -> CIMultiDict[str]:
    """Return those of a backend's headers that a client may see; a control character would break its answer."""
    names = PASSED_HEADERS + more
    passed: CIMultiDict[str] = CIMultiDict()
    for name, value in headers.items():
        if name.lower().startswith(names) and value.isprintable():
            passed[name] = value
    return passed


async def _read_some(content: aiohttp.StreamReader, limit_bytes: int) -> bytes:
    pieces: list[bytes] = []
    size = 0
    while size < limit_bytes and (piece := await content.readany()):
        pieces.append(piece)
        size += len(piece)
    return b"".join(pieces)[:limit_bytes]
