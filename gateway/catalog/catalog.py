"""The catalog: which models there are, and where a client's name for one leads."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextvars import Context
from hashlib import sha256
from math import inf
from typing import Any

from gateway.backend_settings import ModelRule
from gateway.catalog.listing import KeptListing
from gateway.catalog.offer import Offer
from gateway.catalog.routing import Found, Routes, Setup
from gateway.catalog.source import Source
from gateway.codecs.contract import Target
from gateway.codecs.models import ModelInfo
from gateway.mapping_entries import Entry

MAX_KEYS = 128
"""How many clients' lists are kept where each client has a key of its own; the one unused for longest goes first."""
_UNLISTED_OWNER = "unknown"


class Slot:
    """What clients of one key see: a kept list for each source of `setup`, and the routes that follow.

    `seen`: the changes of lists that `routes` are of; `due_s`: until when no list has to be looked at.
    """

    __slots__ = ("due_s", "kept", "routes", "seen", "setup")

    def __init__(self, setup: Setup, kept: tuple[KeptListing, ...]) -> None:
        self.setup = setup
        self.kept = kept
        self.routes: Routes | None = None
        self.seen = -1
        self.due_s = -inf


class Catalog:
    """The models of all backends, under the names that clients use.

    `sources` are the backends in the order of the file; `mapping` is the content of the mapping file; `rules` are those
    for models by name or pattern. A list is read again after `cache_ttl_s`; `clock` counts seconds.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        *,
        mapping: Mapping[str, Entry],
        rules: Mapping[str, ModelRule],
        default_model: str | None,
        cache_ttl_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._setup = Setup(sources, mapping, rules, default_model)
        self._cache_ttl_s = cache_ttl_s
        self._clock = clock
        self._shared: dict[str, KeptListing] = {}
        self._slots: OrderedDict[bytes, Slot] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        self._changes = 0
        self._share(())

    def replace(
        self, sources: Sequence[Source], *, mapping: Mapping[str, Entry], rules: Mapping[str, ModelRule]
    ) -> None:
        """Go on with other sources, names and rules; a list whose source is configured as before is kept."""
        before = self._all_kept()
        setup = self._setup = Setup(sources, mapping, rules, self._setup.default_model)
        self._share(tuple(self._shared.values()))
        for digest, slot in self._slots.items():
            self._slots[digest] = Slot(setup, self._listings(slot.kept))
        for kept in before - self._all_kept():
            if kept.task is not None:
                kept.task.cancel()  # whoever waits for it looks at what is there now

    def resolved(self, name: str, client_key: str | None) -> tuple[Target, ...] | None:
        """Return what `resolve` returns, where it needs to wait for nothing: as nearly always.

        While no list changes and none is due, all that is looked at is the name: however many backends there are.
        """
        if not self._cache_ttl_s:
            return None
        # A client without a key sees what all such see; for one with a key its digest is to be made first.
        slot = self._slots.get(b"") if not client_key or not self._setup.per_client_key else None
        if slot is None or slot.routes is None or slot.seen != self._changes or self._clock() >= slot.due_s:
            seen = self._changes
            slot = self._look(client_key)
            routes = self._routes(slot)
            slot.due_s = min((kept.due_s for kept in slot.kept), default=inf)
            slot.seen = seen
        else:
            routes = slot.routes
            if self._setup.per_client_key:
                self._slots.move_to_end(b"")
        return routes.kept.get(name)

    async def resolve(self, name: str, client_key: str | None) -> tuple[Target, ...]:
        """Return where a request for `name` can go, best first; nowhere when nobody serves it.

        Where no list can be read any name is taken for a model, and the backend decides.
        """
        targets = self.resolved(name, client_key)
        if targets is not None:
            return targets
        slot = self._look(client_key)
        routes, found = await self._find(name, slot, client_key)
        return routes.targets(name, found)

    async def find(self, name: str, client_key: str | None) -> ModelInfo | None:
        """Return the model that `resolve` asks first for `name`, DEFAULT_MODEL's included; None without one."""
        routes, found = await self._find(name, self._look(client_key), client_key)
        return routes.info(found)

    async def listed(self, name: str, client_key: str | None) -> ModelInfo | None:
        """Return the model listed, configured or mapped as `name`, None for another. Raises what `models` raises."""
        slot = self._look(client_key)
        model, sure = self._routes(slot).listed(name)
        if not sure or not self._cache_ttl_s:
            slot = await self._wait(slot, client_key, lambda routes: routes.listed(name)[1])
            model, sure = self._routes(slot).listed(name)
            if not sure:
                _refuse_nothing(slot)
        return model

    async def models(self, client_key: str | None) -> tuple[ModelInfo, ...]:
        """Return the models of all backends, each name once, then the mapping's; the same tuple until one changes.

        Raises UpstreamError or TranslationError when no backend's list can be read and none ever was.
        """
        slot = await self._wait(self._look(client_key), client_key, lambda _: False)
        _refuse_nothing(slot)
        return self._routes(slot).models

    def known(self) -> dict[str, tuple[str, ...]]:
        """Return the names each backend shows, as last read. It asks nobody.

        Without those whose list was not read yet, or depends on the client's key.
        """
        complete = ((name, kept.offer) for name, kept in self._shared.items() if kept.offer.complete)
        return {name: tuple(model.id for model in offer.shown) for name, offer in complete}

    def list_ages_s(self) -> Iterator[tuple[str, float]]:
        """Yield (backend, seconds since its list of models was read), for the lists that all clients share."""
        now_s = self._clock()
        for name, kept in self._shared.items():
            if kept.read:
                yield name, now_s - kept.read_at_s

    async def aclose(self) -> None:
        """Stop all reading."""
        self._closed = True
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _find(self, name: str, slot: Slot, client_key: str | None) -> tuple[Routes, Found]:
        """Return where `name` leads, after waiting for the lists that could tell."""
        routes = self._routes(slot)
        found = routes.find(name)
        if found.at_once and self._cache_ttl_s:
            return routes, found
        for renewed in (False, True):
            if renewed and not found.doubtful:
                break
            if renewed:
                for kept in slot.kept:
                    kept.renew(client_key)
            slot = await self._wait(slot, client_key, lambda routes: routes.find(name).sure, renewed=renewed)
            if self._routes(slot) is not routes:
                routes = self._routes(slot)
                found = routes.find(name)
        return routes, found

    async def _wait(
        self, slot: Slot, client_key: str | None, enough: Callable[[Routes], bool], *, renewed: bool = False
    ) -> Slot:
        """Wait for lists that are being read, as long as each may take; less long once there are `enough`.

        Returns the slot to go on with: another one after a reload.
        """
        finished: set[KeptListing] = set()
        while any(kept.task is not None for kept in slot.kept):
            content = self._cache_ttl_s > 0 and enough(self._routes(slot))
            awaited = self._awaited(slot, content=content, renewed=renewed)
            readings = {kept.task: kept for kept in awaited if kept.task is not None and kept not in finished}
            if not readings:
                break
            patience_s = max(kept.patience_s(content=content) for kept in readings.values())
            # This `wait` cancels nothing: a client that leaves must not take the others' reading with it.
            done, _ = await asyncio.wait(readings, timeout=patience_s, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                finished.add(readings[task])
                if self._closed or not task.cancelled():
                    task.result()  # raises what nobody foresaw
            if slot.setup is not self._setup:
                slot = self._look(client_key)
            if not done:
                break
        return slot

    def _awaited(self, slot: Slot, *, content: bool, renewed: bool) -> list[KeptListing]:
        """Return the lists that a request waits for: those never read, or all where they are `renewed` for it.

        One that failed before is waited for only where there is no other: a backend that is down holds up nobody.
        """
        others = content or any(kept.error is None and kept.read for kept in slot.kept)
        every = renewed or not self._cache_ttl_s  # a time of 0 asks for no keeping: the new list is tried first
        hopeful = (kept for kept in slot.kept if kept.error is None or not others)
        return [kept for kept in hopeful if (every or not kept.read) and kept.patience_s(content=content) > 0]

    def _look(self, client_key: str | None) -> Slot:
        """Return what is kept for a client's key, and begin to read what is due."""
        if self._setup.per_client_key and client_key:
            # The hash and not the key: what is not kept cannot be shown.
            digest = sha256(client_key.encode(errors="surrogatepass")).digest()
        else:
            digest = b""
        slot = self._slots.get(digest)
        if slot is None:
            slot = self._slots[digest] = Slot(self._setup, self._listings(()))
            if len(self._slots) > MAX_KEYS:
                self._slots.popitem(last=False)
        elif self._setup.per_client_key:
            self._slots.move_to_end(digest)
        now_s = self._clock()
        for kept in slot.kept:
            if now_s >= kept.due_s:
                kept.refresh(client_key)
        return slot

    def _routes(self, slot: Slot) -> Routes:
        offers = tuple([kept.offer for kept in slot.kept])
        if slot.routes is None or slot.routes.offers != offers:
            # Most clients are shown the same: what follows from equal lists is kept once.
            others = (other.routes for other in self._slots.values() if other.setup is slot.setup)
            same = (routes for routes in others if routes is not None and routes.offers == offers)
            slot.routes = next(same, None) or Routes(slot.setup, offers)
        return slot.routes

    def _all_kept(self) -> set[KeptListing]:
        return {*self._shared.values(), *(kept for slot in self._slots.values() for kept in slot.kept)}

    def _share(self, before: Sequence[KeptListing]) -> None:
        """Set up the lists that all clients share."""
        sources = [source for source in self._setup.sources if not source.per_client_key]
        self._shared = {source.name: self._listing(source, before) for source in sources}

    def _listings(self, before: Sequence[KeptListing]) -> tuple[KeptListing, ...]:
        """Return a kept list for each source; of `before` those that are lists of it still."""
        return tuple(self._shared.get(source.name) or self._listing(source, before) for source in self._setup.sources)

    def _listing(self, source: Source, before: Sequence[KeptListing]) -> KeptListing:
        for kept in before:
            if source.name == kept.source.name and source.lists_like(kept.source):
                kept.source = source
                return kept
        return KeptListing(source, ttl_s=self._cache_ttl_s, make=self._offer, spawn=self._spawn, clock=self._clock)

    def _offer(self, source: Source, models: tuple[ModelInfo, ...]) -> Offer:
        self._changes += 1
        profiles = {owner: source.profile_of(owner) for owner in {_UNLISTED_OWNER, *(m.owned_by for m in models)}}
        # Equal lists are kept once, and one that did not change stays the same object, with all that follows from it.
        for kept in self._all_kept():
            offer = kept.offer
            if kept.source is source and offer.models == models and offer.profiles == profiles:
                return offer
        return Offer(source.settings, models, profiles)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        # An empty context: the refresh serves everybody, so it must not carry one request's id into logs and traces.
        task = asyncio.create_task(work, name="model-list", context=Context())
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._changes += 1


def _refuse_nothing(slot: Slot) -> None:
    """Raise why no list could be read, where that holds for all."""
    if slot.kept and not any(kept.offer.complete for kept in slot.kept):
        raise slot.kept[0].failure().with_traceback(None)  # the same error for many: its trace must not grow
