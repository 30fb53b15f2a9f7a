"""What the connector changes of aiohttp: pieces are read without waking what never slept, and pauses still end."""

import asyncio

import aiohttp
import pytest
from aiohttp.client_proto import ResponseHandler

from gateway.backends.sessions import Connector, read_arrived
from tests.support.backend import ScriptedBackend, end, head, send

PIECE = b"x" * 1000
COUNT = 2000


@pytest.fixture
def woken(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """For each time aiohttp's own resuming ran: whether reading had been paused."""
    found: list[bool] = []
    resume = ResponseHandler.resume_reading

    def watched(self: ResponseHandler, resume_parser: bool = True) -> None:
        found.append(self._reading_paused)
        resume(self, resume_parser)

    monkeypatch.setattr(ResponseHandler, "resume_reading", watched)
    return found


async def read_all(backend: ScriptedBackend, *, bufsize: int, slowly: bool) -> bytes:
    """Return the body of a stream of many small pieces."""
    backend.play([head(), send(*[PIECE] * COUNT), end])
    body = bytearray()
    async with (
        aiohttp.ClientSession(connector=Connector(limit=1), read_bufsize=bufsize) as session,
        session.post(f"{backend.url}/chat/completions", data=b"{}") as response,
    ):
        while data := await read_arrived(response.content):
            body += data
            if slowly:
                await asyncio.sleep(0.001)
    return bytes(body)


async def test_a_stream_that_is_read_as_it_comes_wakes_nothing(backend: ScriptedBackend, woken: list[bool]) -> None:
    assert await read_all(backend, bufsize=4 * COUNT * len(PIECE), slowly=False) == PIECE * COUNT
    assert woken == []


async def test_a_stream_that_is_read_slowly_is_paused_and_goes_on(backend: ScriptedBackend, woken: list[bool]) -> None:
    assert await read_all(backend, bufsize=4096, slowly=True) == PIECE * COUNT
    assert woken
    assert all(woken)
