"""ModelLister: reads a backend's list of models, a small GET that aiohttp-retry may ask again."""

import asyncio
import time
from typing import Final, NamedTuple

from aiohttp import (
    ClientError,
    ClientOSError,
    ClientPayloadError,
    ClientResponse,
    ClientSession,
    ServerDisconnectedError,
    hdrs,
)
from aiohttp_retry import ExponentialRetry, RetryClient
from multidict import CIMultiDictProxy

from gateway.backends.answer import connection_error
from gateway.backends.backend import Backend
from gateway.backends.responses import passed_headers
from gateway.backends.retries import RETRIED_STATUSES
from gateway.codecs.backend_errors import error_from_status, retry_after_s, unexpected_status
from gateway.codecs.models import ModelInfo, read_models
from gateway.errors import (
    ProxyException,
    TranslationError,
    UpstreamConnectionError,
    UpstreamStatusError,
    UpstreamTimeoutError,
)
from gateway.telemetry.masking import mask_error

ATTEMPTS = 3
MAX_LIST_BYTES: Final = 32 * 1024 * 1024
_LARGE_BYTES: Final = 256 * 1024
_MAX_ERROR_BYTES: Final = 64 * 1024
_PATH = "/models"


class Listed(NamedTuple):
    """A list of models, and the headers it came with: some servers name themselves there."""

    models: tuple[ModelInfo, ...]
    headers: CIMultiDictProxy[str]


class ModelLister:
    """Reads the models of `backend` over a session that it does not own, within `timeout_s` for all attempts."""

    def __init__(self, session: ClientSession, backend: Backend, timeout_s: float, *, attempts: int = ATTEMPTS) -> None:
        self._backend = backend
        self._timeout_s = timeout_s
        self._client = RetryClient(
            client_session=session,
            raise_for_status=False,
            retry_options=ExponentialRetry(
                attempts=attempts,
                start_timeout=0.1,
                max_timeout=1.0,
                # A timeout is none of these: a backend that is silent once is not asked again.
                exceptions={ClientOSError, ServerDisconnectedError},
                methods={hdrs.METH_GET},
                # The statuses are judged by the callback alone: it closes what is refused, aiohttp-retry would keep it.
                retry_all_server_errors=False,
                evaluate_response_callback=_is_final,
            ),
        )

    async def fetch(self, client_key: str | None) -> tuple[ModelInfo, ...]:
        """Return the backend's models. Raises UpstreamError, or TranslationError for what is no list of models."""
        return (await self.read(client_key)).models

    async def read(self, client_key: str | None) -> Listed:
        """Return the backend's models and the headers of its answer. Raises as `fetch` does."""
        body, headers = await self._answer(client_key)
        if len(body) > _LARGE_BYTES:
            # Thousands of models take a good part of a second: the streams of others must not wait for them.
            return Listed(await asyncio.to_thread(read_models, body), headers)
        return Listed(read_models(body), headers)

    async def ask(self, client_key: str | None) -> bytes:
        """Return the body of the list, unread. Raises as `fetch` does; no text of an error holds a key."""
        return (await self._answer(client_key))[0]

    async def _answer(self, client_key: str | None) -> tuple[bytes, CIMultiDictProxy[str]]:
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._ask(client_key)
        except ProxyException as error:
            mask_error(error, self._backend.secrets(client_key))
            raise
        except (TimeoutError, ClientError, OSError, ValueError) as error:
            # ValueError: an address that cannot be one. "From None": the cause may name the address, keys included.
            raise self._failure(error) from None

    async def _ask(self, client_key: str | None) -> tuple[bytes, CIMultiDictProxy[str]]:
        headers = self._backend.headers(client_key)
        del headers[hdrs.CONTENT_TYPE]
        # No redirects: a key must not travel to an address that nobody configured.
        async with self._client.get(
            self._backend.url(_PATH), headers=headers, allow_redirects=False, ssl=self._backend.tls
        ) as response:
            if response.status >= 400:
                raise await _status_error(response)
            if response.status != 200:
                raise unexpected_status(response.status)
            body = await read_bounded(response, MAX_LIST_BYTES)
        if len(body) > MAX_LIST_BYTES:
            raise TranslationError(f"the backend's list of models is larger than {MAX_LIST_BYTES} bytes")
        return body, response.headers

    def _failure(self, error: Exception) -> ProxyException:
        if isinstance(error, TimeoutError) and not isinstance(error, ClientError):
            text = f"the backend did not list its models within {self._timeout_s:g} s"
            return UpstreamTimeoutError(text, clock="total")
        if isinstance(error, ClientPayloadError):
            return UpstreamConnectionError("the backend cut its list of models short", phase="cut")
        return connection_error(error, self._backend.name)


async def _is_final(response: ClientResponse) -> bool:
    # Who says when to come back is not asked before: the list is read again later anyway.
    if response.status not in RETRIED_STATUSES or hdrs.RETRY_AFTER in response.headers:
        return True
    response.close()
    return False


async def read_bounded(response: ClientResponse, limit_bytes: int) -> bytes:
    """Return the body up to a little more than `limit_bytes`."""
    pieces: list[bytes] = []
    size = 0
    while size <= limit_bytes and (piece := await response.content.readany()):
        pieces.append(piece)
        size += len(piece)
    return b"".join(pieces)


async def _status_error(response: ClientResponse) -> UpstreamStatusError:
    body = await read_bounded(response, _MAX_ERROR_BYTES)
    wait_s = retry_after_s(response.headers, time.time())
    error = error_from_status(response.status, response.content_type, body[:_MAX_ERROR_BYTES], wait_s)
    error.headers = passed_headers(response.headers, "retry-after")
    return error
