"""Line: one backend's questions and answers, each counted and within a time."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import aiohttp

from gateway.backends.answer import REUSE_WAIT_S, connection_error
from gateway.backends.backend import Backend
from gateway.backends.listing import read_bounded
from gateway.codecs.backend_errors import error_from_status, unexpected_status
from gateway.codecs.contract import BackendReader
from gateway.codecs.events import End, Event, Failure, Finish, Text, Thinking, ToolCall, Usage, Vectors, said
from gateway.doctor.results import Tally
from gateway.errors import ProxyException, TranslationError, UpstreamStatusError, UpstreamTimeoutError
from gateway.telemetry.masking import mask_error

MAX_ANSWER_BYTES = 4 * 1024 * 1024
"""A tiny question has no larger answer; a batch of three long vectors is some 200 kB."""
_MAX_ERROR_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer, read: `first_s` and `elapsed_s` count from sending to the first output and to the end.

    `streamed` tells how it came, whatever was asked for; `body` is all of it.
    """

    text: str
    thinking: str
    calls: tuple[ToolCall, ...]
    logprobs: tuple[dict[str, Any], ...]
    vectors: tuple[Any, ...]
    usage: Usage | None
    reason: str
    streamed: bool
    first_s: float
    elapsed_s: float
    body: bytes

    @property
    def was_cut(self) -> bool:
        """Whether the bound on tokens ended it."""
        return self.reason == "length"


class Line:
    """Asks `backend` over a session that it does not own; each answer must be complete within `bound_s`.

    `refusal` is the last answer that refused our key, None while there was none.
    """

    def __init__(self, session: aiohttp.ClientSession, backend: Backend, bound_s: float, tally: Tally) -> None:
        self._session = session
        self._backend = backend
        self._bound_s = bound_s
        self._tally = tally
        self.refusal: UpstreamStatusError | None = None

    @property
    def secrets(self) -> list[str]:
        """What no text about this backend may hold."""
        return self._backend.secrets(None)

    async def ask(self, path: str, body: Mapping[str, Any], make_reader: Callable[[], BackendReader]) -> Reply:
        """POST `body` and read the answer with a fresh reader. Raises ProxyException, whose text holds no secret."""
        try:
            async with asyncio.timeout(self._bound_s):
                reply = await self._ask_again(path, body, make_reader)
        except ProxyException as error:
            mask_error(error, self.secrets)
            if isinstance(error, UpstreamStatusError) and error.status == 401:
                self.refusal = error
            raise
        except TimeoutError as error:
            if isinstance(error, aiohttp.ClientError):
                raise connection_error(error, self._backend.name) from None
            raise UpstreamTimeoutError(f"no whole answer within {self._bound_s:g} s", clock="total") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # ValueError: an address or a header that cannot be one. "From None": the cause may quote it.
            raise connection_error(error, self._backend.name) from None
        if reply.usage is not None:
            self._tally.prompt_tokens += reply.usage.prompt_tokens or 0
            self._tally.completion_tokens += reply.usage.completion_tokens or 0
        return reply

    async def _ask_again(self, path: str, body: Mapping[str, Any], make_reader: Callable[[], BackendReader]) -> Reply:
        """Ask once more where the connection was closed before any answer: an old one may have been at its end."""
        try:
            return await self._ask(path, body, make_reader())
        except aiohttp.ServerDisconnectedError:
            return await self._ask(path, body, make_reader())

    async def _ask(self, path: str, body: Mapping[str, Any], reader: BackendReader) -> Reply:
        started_s = time.monotonic()
        async with self._session.post(
            self._backend.url(path),
            data=BytesIO(json.dumps(body).encode()),
            headers=self._backend.headers(None),
            allow_redirects=False,
            ssl=self._backend.tls,
            timeout=self._backend.timeout,
        ) as response:
            if response.status >= 400:
                said = await read_bounded(response, _MAX_ERROR_BYTES)
                raise error_from_status(response.status, response.content_type, said[:_MAX_ERROR_BYTES])
            if response.status != 200:
                raise unexpected_status(response.status)
            reply = await _read(response, reader, started_s)
            await _read_to_the_end(response.content)
            return reply


async def _read(response: aiohttp.ClientResponse, reader: BackendReader, started_s: float) -> Reply:
    pieces: list[bytes] = []
    events: list[Event] = []
    size = 0
    first_s: float | None = None
    while not reader.ended:
        if not (data := await response.content.readany()):
            break
        pieces.append(data)
        size += len(data)
        if size > MAX_ANSWER_BYTES:
            raise TranslationError(f"the answer is larger than {MAX_ANSWER_BYTES} bytes")
        events += reader.feed(data, time.monotonic_ns())
        if first_s is None and reader.progress:
            first_s = time.monotonic() - started_s
    events += reader.finish(End.CLEAN, time.monotonic_ns())
    elapsed_s = time.monotonic() - started_s
    return _reply(events, b"".join(pieces), not reader.plain, elapsed_s if first_s is None else first_s, elapsed_s)


async def _read_to_the_end(content: aiohttp.StreamReader) -> None:
    """Let the connection be used again: the end of the body may come a little after the last event."""
    with suppress(TimeoutError, aiohttp.ClientError, OSError):
        async with asyncio.timeout(REUSE_WAIT_S):
            while await content.readany():
                pass


def _reply(events: list[Event], body: bytes, streamed: bool, first_s: float, elapsed_s: float) -> Reply:
    for event in events:
        if isinstance(event, Failure):
            raise event.error
    return Reply(
        text="".join(map(said, events)),
        thinking="".join(event.text for event in events if isinstance(event, Thinking)),
        calls=tuple(event for event in events if isinstance(event, ToolCall)),
        logprobs=tuple(entry for event in events if isinstance(event, Text) for entry in event.logprobs),
        vectors=tuple(vector for event in events if isinstance(event, Vectors) for vector in event.vectors),
        usage=next((event for event in events if isinstance(event, Usage)), None),
        reason=next((event.reason for event in events if isinstance(event, Finish)), ""),
        streamed=streamed,
        first_s=first_s,
        elapsed_s=elapsed_s,
        body=body,
    )


def count_requests(session: aiohttp.ClientSession, tally: Tally) -> None:
    """Count every request that `session` sends from now on, whoever sends it."""
    trace = aiohttp.TraceConfig()

    async def on_start(*_: object) -> None:
        """Count one."""
        tally.requests += 1

    trace.on_request_start.append(on_start)
    trace.freeze()
    session.trace_configs.append(trace)
