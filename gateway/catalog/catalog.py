"""The catalog: which models there are, and which one a client means by a name."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextvars import Context
from hashlib import sha256
from typing import Any

from gateway.catalog.listing import KeptListing, Listing
from gateway.catalog.mapping import NameMapping
from gateway.catalog.names import without_latest
from gateway.codecs.contract import Profile, Target
from gateway.codecs.models import ModelInfo, unlisted_model, virtual_model
from gateway.errors import TranslationError, UpstreamError
from gateway.mapping_entries import Entry

MAX_KEYS = 128
"""How many clients' lists are kept where each client has a key of its own; the one unused for longest goes first."""


class Catalog:
    """The models of one backend, under the names that clients use.

    `fetch` reads the backend's list with a client's key; `profile_of` gives the profile for a model's `owned_by`;
    `mapping` is the content of the mapping file; `per_client_key`: what is listed depends on the client's key.
    """

    def __init__(
        self,
        fetch: Callable[[str | None], Awaitable[tuple[ModelInfo, ...]]],
        *,
        backend_name: str,
        profile_of: Callable[[str], Profile],
        mapping: Mapping[str, Entry],
        default_model: str | None,
        cache_ttl_s: float,
        per_client_key: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetch = fetch
        self._backend_name = backend_name
        self._profile_of = profile_of
        self._mapping = NameMapping(mapping)
        self._default_model = default_model
        self._cache_ttl_s = cache_ttl_s
        self._per_client_key = per_client_key
        self._clock = clock
        self._kept: OrderedDict[bytes, KeptListing] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()

    async def resolve(self, name: str, client_key: str | None) -> list[Target]:
        """Return where a request for `name` can go; nowhere when nobody serves it."""
        model, stand_in = await self._answering(name, client_key)
        if model is None:
            return []
        target = Target(
            backend=self._backend_name,
            model=model.served_as or model.id,
            profile=self._profile_of(model.owned_by),
            defaults=model.virtual.defaults if model.virtual is not None else None,
            stand_in=stand_in,
            denied=model.denied,
        )
        return [target]

    async def find(self, name: str, client_key: str | None) -> ModelInfo | None:
        """Return the model that answers to `name`: a mapped one, a listed one, else DEFAULT_MODEL; None without one.

        Where the list cannot be read any name is taken for a model, and the backend decides.
        """
        model, _ = await self._answering(name, client_key)
        return model

    async def listed(self, name: str, client_key: str | None) -> ModelInfo | None:
        """Return the model listed or mapped as `name`, None for another. Raises what `models` raises."""
        return (await self._listing(client_key)).find(name)

    async def models(self, client_key: str | None) -> tuple[ModelInfo, ...]:
        """Return the backend's models, in its order, then the mapping's; the same tuple as long as nothing changed.

        Raises UpstreamError or TranslationError when the list cannot be read and never was.
        """
        return (await self._listing(client_key)).models

    async def aclose(self) -> None:
        """Stop all reading."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _answering(self, name: str, client_key: str | None) -> tuple[ModelInfo | None, str]:
        """Return the model for `name`, and DEFAULT_MODEL where that stood in."""
        kept, key = self._slot(client_key)
        try:
            listing: Listing | None = await kept.get(key)
        except (UpstreamError, TranslationError):
            listing = None
        name = name.strip()
        if (model := self._lookup(name, listing)) is not None:
            return model, ""
        if name and listing is not None and (model := self._lookup(name, await kept.renewed(key))) is not None:
            return model, ""
        if name and listing is None:
            # `:latest` is what Ollama's clients add to a name without a tag: no backend knows it.
            return unlisted_model(without_latest(name)), ""
        if self._default_model is None:
            return None, ""
        return self._lookup(self._default_model, listing) or unlisted_model(self._default_model), self._default_model

    def _lookup(self, name: str, listing: Listing | None) -> ModelInfo | None:
        if listing is not None:
            return listing.find(name)
        virtual = self._mapping.find(name) or self._mapping.find_pattern(name)
        return virtual_model(virtual, unlisted_model(virtual.model)) if virtual is not None else None

    async def _listing(self, client_key: str | None) -> Listing:
        kept, key = self._slot(client_key)
        return await kept.get(key)

    def _slot(self, client_key: str | None) -> tuple[KeptListing, str | None]:
        """Return what is kept for a client's key, and the key to read it with."""
        key = client_key if self._per_client_key else None
        # The hash and not the key: what is not kept cannot be shown.
        slot = sha256(key.encode(errors="surrogatepass")).digest() if key else b""
        kept = self._kept.get(slot)
        if kept is None:
            kept = self._kept[slot] = KeptListing(
                self._read, ttl_s=self._cache_ttl_s, spawn=self._spawn, clock=self._clock
            )
            if len(self._kept) > MAX_KEYS:
                self._kept.popitem(last=False)
        elif self._per_client_key:
            self._kept.move_to_end(slot)
        return kept, key

    async def _read(self, client_key: str | None) -> Listing:
        models = await self._fetch(client_key)
        # Most clients are shown the same: equal lists are kept once, and one that did not change stays the same object.
        for kept in self._kept.values():
            if kept.listing is not None and kept.listing.read == models:
                return kept.listing
        return Listing(models, self._mapping)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        # An empty context: the refresh serves everybody, so it must not carry one request's id into logs and traces.
        task = asyncio.create_task(work, name="model-list", context=Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
