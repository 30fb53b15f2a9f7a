"""One backend's list of models, kept: read again in the background, once for all who wait."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

from gateway.catalog.mapping import NameMapping
from gateway.catalog.names import NameTable
from gateway.codecs.models import ModelInfo, unlisted_model, virtual_model
from gateway.codecs.virtual import VirtualModel
from gateway.errors import ProxyException, UpstreamTimeoutError
from gateway.telemetry.logging import get_logger

RETRY_S = 5.0
"""After a failure nobody asks the backend for its list again before this."""
WAIT_S = 4.0
"""How long a request waits for the first list; reading goes on. Some clients give a list of models 5 s in all."""

_log = get_logger("catalog")

Spawn = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]


class Listing:
    """One list as a backend gave it, with the mapping's names and an index: built once a refresh, asked every request.

    `read` is the backend's list, `models` what clients are shown: a name that the mapping has is the mapping's.
    """

    __slots__ = ("_mapping", "_names", "_patterned", "_shown", "models", "read")

    def __init__(self, models: tuple[ModelInfo, ...], mapping: NameMapping) -> None:
        self.read = models
        self._mapping = mapping
        self._names = NameTable({model.id: model for model in models})
        self._patterned: dict[str, ModelInfo] = {}
        mapped = tuple(self._behind(virtual) for virtual in mapping.virtuals)
        self._shown = NameTable({model.id: model for model in mapped})
        own = models if not mapped else tuple(model for model in models if self._shown.find(model.id) is None)
        self.models = own + mapped

    def find(self, name: str) -> ModelInfo | None:
        """Return the model that `name` means: the mapping's, else the backend's, else that of a pattern."""
        model = self._shown.find(name) or self._names.find(name)
        if model is None and (virtual := self._mapping.find_pattern(name)) is not None:
            if virtual.name not in self._patterned:
                self._patterned[virtual.name] = self._behind(virtual)
            return self._patterned[virtual.name]
        return model

    def _behind(self, virtual: VirtualModel) -> ModelInfo:
        # Not `find`: what an entry names is the backend's, never another entry.
        return virtual_model(virtual, self._names.find(virtual.model) or unlisted_model(virtual.model))


class KeptListing:
    """A listing for `ttl_s` seconds; an older one still serves while it is read again, and when that fails.

    `read` makes a new listing with a client's key; `spawn` runs it in a task that belongs to no request; `clock`
    counts seconds.
    """

    __slots__ = ("_clock", "_error", "_read", "_read_at_s", "_spawn", "_task", "_tried_at_s", "_ttl_s", "listing")

    def __init__(
        self,
        read: Callable[[str | None], Awaitable[Listing]],
        *,
        ttl_s: float,
        spawn: Spawn,
        clock: Callable[[], float],
    ) -> None:
        self.listing: Listing | None = None
        self._read = read
        self._ttl_s = ttl_s
        self._spawn = spawn
        self._clock = clock
        self._read_at_s = 0.0
        self._tried_at_s = 0.0
        self._error: ProxyException | None = None
        self._task: asyncio.Task[None] | None = None

    async def get(self, client_key: str | None) -> Listing:
        """Return the listing; the key is used if it must be read, and not kept.

        Raises the backend's UpstreamError or TranslationError when there never was one.
        """
        now_s = self._clock()
        if self.listing is not None and now_s - self._read_at_s < self._ttl_s:
            return self.listing
        if self._task is None and (self._error is None or now_s - self._tried_at_s >= RETRY_S):
            self._task = self._spawn(self._refresh(client_key))
        # A time of 0 asks for no keeping: then even an old list is not shown before the new one was tried.
        if self._task is not None and (self.listing is None or self._ttl_s == 0):
            await self._wait(self._task)
        if self.listing is None:
            error = self._error or UpstreamTimeoutError(
                f"the backend has not listed its models within {WAIT_S:g} s", clock="list"
            )
            raise error.with_traceback(None)  # the same error for many: its trace must not grow
        return self.listing

    async def renewed(self, client_key: str | None) -> Listing | None:
        """Return the listing after another look at the backend, unless it was tried less than RETRY_S ago.

        For a name that an old list does not have: models are loaded and added while a gateway runs.
        """
        if self._task is None:
            if self._clock() - self._tried_at_s < RETRY_S:
                return self.listing
            self._task = self._spawn(self._refresh(client_key))
        await self._wait(self._task)
        return self.listing

    async def _wait(self, task: asyncio.Task[None]) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(WAIT_S):
                await asyncio.shield(task)  # a client that leaves must not take the others' refresh with it

    async def _refresh(self, client_key: str | None) -> None:
        try:
            self.listing = await self._read(client_key)
            self._error = None
            self._read_at_s = self._clock()
        except ProxyException as error:
            if self._error is None:
                _log.warning("model list not read", error_kind=error.kind, error=error.message)
            self._error = error
        finally:
            self._tried_at_s = self._clock()
            self._task = None
