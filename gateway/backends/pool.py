"""Pool: the one ClientSession, and the one loop that asks backends: send, classify, wait, ask again."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from io import BytesIO

import aiohttp
from multidict import CIMultiDict

from gateway.backends.answer import Answer, connection_error
from gateway.backends.backend import Backend
from gateway.backends.retries import pause_s, retry_cause
from gateway.codecs.backend_errors import error_from_status, is_unknown_model, retry_after_s, unexpected_status
from gateway.codecs.contract import Question, Target
from gateway.config import BackendConfig
from gateway.errors import ProxyException, UpstreamTimeoutError
from gateway.exchange import Exchange
from gateway.telemetry.masking import mask_error
from gateway.telemetry.metrics import Metrics

_ERROR_BODY_BYTES = 64 * 1024
PASSED_HEADERS = ("x-ratelimit-", "ratelimit-", "openai-processing-ms", "openai-version")
"""Names (or their beginnings) of a backend's headers that `/v1` clients get; Retry-After is kept on errors."""


def create_session(config: BackendConfig) -> aiohttp.ClientSession:
    """Return the one session to backends: no cookies, and no time bound but those of the clocks."""
    connector = aiohttp.TCPConnector(
        limit=config.max_connections,
        keepalive_timeout=config.keepalive_timeout_s,
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


class Pool:
    """The backends by name, and how they are asked."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        backends: Iterable[Backend],
        config: BackendConfig,
        metrics: Metrics | None,
    ) -> None:
        self._session = session
        self._backends = {backend.name: backend for backend in backends}
        self._config = config
        self._metrics = metrics

    @asynccontextmanager
    async def attempts(
        self, exchange: Exchange, candidates: Sequence[Target], question: Question
    ) -> AsyncIterator[Answer]:
        """Ask until one candidate begins to answer, and hold its connection until the caller is done with the answer.

        Raises the last failure when the retries are used up, or when the failure is not one to ask again after.
        """
        answer = await self._ask(exchange, candidates, question)
        try:
            yield answer
        finally:
            await answer.close()

    async def _ask(self, exchange: Exchange, candidates: Sequence[Target], question: Question) -> Answer:
        exchange.asked_ns = time.monotonic_ns()
        attempt = 0
        while True:
            target = candidates[attempt % len(candidates)]
            attempt += 1
            exchange.attempts = attempt
            exchange.backend, exchange.backend_model = target.backend, target.model
            try:
                answer = await self._attempt(exchange, target, question)
            except ProxyException as error:
                self._count(target.backend, error.kind)
                cause = retry_cause(error)
                pause = pause_s(error, attempt, self._config.request_timeout_s)
                if cause is None or pause is None or attempt > self._config.max_retries:
                    raise self._final(error, question) from None
                exchange.retry_causes.append(cause)
                await asyncio.sleep(pause)
            else:
                self._count(target.backend, "ok")
                return answer

    def _final(self, error: ProxyException, question: Question) -> ProxyException:
        return question.unknown_model() if is_unknown_model(error) else error

    async def _attempt(self, exchange: Exchange, target: Target, question: Question) -> Answer:
        """Send once, and read up to the first output. Raises ProxyException; the connection is then closed."""
        started_s = time.monotonic()
        wait_s = self._config.request_timeout_s if question.streamed else self._config.total_timeout_s
        response = await self._send(exchange, target, question, wait_s)
        answer = Answer(
            exchange,
            target,
            response,
            question.reader(target, exchange.started_ns),
            idle_s=self._config.request_timeout_s,
            total_s=None if question.streamed else wait_s,
            clean=partial(self._mask, exchange=exchange, target=target),
        )
        try:
            await self._check_status(response, exchange, target)
            await answer.begin(wait_s, time.monotonic() - started_s)
        except ProxyException as error:
            await answer.close()
            self._mask(error, exchange, target)
            raise
        except BaseException:
            answer.drop()
            raise
        return answer

    async def _send(
        self, exchange: Exchange, target: Target, question: Question, wait_s: float
    ) -> aiohttp.ClientResponse:
        backend = self._backends[target.backend]
        encoded = question.encode(target)
        headers = backend.headers(exchange.client_key, exchange.request_id)
        headers.update(encoded.headers)
        try:
            async with asyncio.timeout(wait_s):
                return await self._session.post(
                    backend.url(encoded.path), data=BytesIO(encoded.body), headers=headers, allow_redirects=False
                )
        except TimeoutError as error:
            if isinstance(error, aiohttp.ClientError):
                raise connection_error(error, backend.name) from None
            clock = "first_token" if question.streamed else "total"
            raise UpstreamTimeoutError(
                f"the backend did not begin to answer within {wait_s:g} s", clock=clock
            ) from None
        except (aiohttp.ClientError, ConnectionError) as error:
            raise connection_error(error, backend.name) from None

    async def _check_status(self, response: aiohttp.ClientResponse, exchange: Exchange, target: Target) -> None:
        """Raise the error for any status but 200, with the beginning of the backend's own text."""
        status = response.status
        if status == 200:
            return
        if status < 400:
            raise unexpected_status(status)
        try:
            async with asyncio.timeout(min(10.0, self._config.request_timeout_s)):
                body = await _read_some(response.content, _ERROR_BODY_BYTES)
        except (TimeoutError, aiohttp.ClientError):
            body = b""
        headers = response.headers
        error = error_from_status(status, headers.get("Content-Type", ""), body, retry_after_s(headers, time.time()))
        error.headers = passed_headers(headers, "retry-after")
        raise error

    def _mask(self, error: ProxyException, exchange: Exchange, target: Target) -> None:
        """Take our keys out of what a backend said of them."""
        mask_error(error, self._backends[target.backend].secrets(exchange.client_key))

    def _count(self, backend: str, cause: str) -> None:
        if self._metrics is not None:
            self._metrics.upstream_attempt(backend, cause)


def passed_headers(headers: Mapping[str, str], *more: str) -> CIMultiDict[str]:
    """Return those of a backend's headers that a client may see."""
    names = PASSED_HEADERS + more
    passed: CIMultiDict[str] = CIMultiDict()
    for name, value in headers.items():
        if name.lower().startswith(names):
            passed[name] = value
    return passed


async def _read_some(content: aiohttp.StreamReader, limit_bytes: int) -> bytes:
    pieces: list[bytes] = []
    size = 0
    while size < limit_bytes and (piece := await content.readany()):
        pieces.append(piece)
        size += len(piece)
    return b"".join(pieces)[:limit_bytes]
