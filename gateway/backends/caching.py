"""CachingPool: answers what was answered before; asks the backends for everything else, and keeps what may be kept.

What is kept are events, not bodies: times and durations are those of the request that is answered.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from hashlib import sha256
from time import monotonic_ns
from typing import Literal, NamedTuple

import msgspec
from multidict import CIMultiDict

from gateway._version import __version__
from gateway.backends.answer import Answer
from gateway.backends.asking import Answering, Taker
from gateway.backends.backend import Backend
from gateway.backends.cache_stores import CacheStore
from gateway.backends.pool import Pool
from gateway.codecs.cached_events import Entry, Recording, is_repeatable, unpack
from gateway.codecs.contract import Encoded, Question, Target
from gateway.codecs.events import Event, Failure, Usage
from gateway.errors import OverloadedError, ProxyException
from gateway.exchange import Exchange
from gateway.lifecycle import STOPPING

MAX_ENTRY_BYTES = 4 * 1024 * 1024
"""Larger answers are not kept; 256 embeddings of 1536 numbers take 2 MiB as base64, 3.4 as numbers."""
_MAX_PLACES = 8
"""How many places that serve a model equally are looked up for one request."""
_BATCH = 64
"""How many events of a kept answer are handed out at once: others get their turn between the batches of a long one."""

_encode = msgspec.msgpack.Encoder().encode


class CachingPool:
    """Asks a pool only for what the store does not have. `count` is told "hit", "miss" or "bypass" for each request.

    What may be kept: answers that asking again should give again (`is_repeatable`), complete, given by a place that
    serves what was asked for (no fallback), to a client that stayed to the end.
    """

    def __init__(
        self,
        pool: Pool,
        store: CacheStore,
        *,
        count: Callable[[str], None] | None = None,
    ) -> None:
        self._pool = pool
        self._store = store
        self._count = count

    @asynccontextmanager
    async def attempts(
        self, exchange: Exchange, candidates: Sequence[Target], question: Question
    ) -> AsyncIterator[Answering]:
        """Return a kept answer, else the pool's. Raises what the pool raises."""
        backends = self._pool.backends
        wishes = cache_wishes(exchange.cache_control)
        places = self._places(exchange, candidates, question, backends) if "no-store" not in wishes else []
        if not places:
            if "no-store" in wishes:
                self._note(exchange, "bypass")
            async with self._pool.attempts(exchange, candidates, question) as answer:
                yield answer
            return
        kept = None if "no-cache" in wishes else await self._kept(places)
        if kept is not None:
            self._note(exchange, "hit")
            yield ReplayedAnswer(exchange, *kept)
            return
        self._note(exchange, "miss")
        async with self._pool.attempts(exchange, candidates, question) as answer:
            recording = Recording(MAX_ENTRY_BYTES)
            yield RecordedAnswer(answer, recording)
            # Before the connection is given back: a client that has its answer may leave, and ends what runs here.
            backend = backends.get(answer.target.backend)
            if backend is not None and any(answer.target == place.target for place in places):
                await self._keep(exchange, question, answer, recording, backend)

    async def _keep(
        self, exchange: Exchange, question: Question, answer: Answer, recording: Recording, backend: Backend
    ) -> None:
        """Store an answer under what was asked in the end: a backend may have refused the seed.

        Not where a reload has put another backend in the place of `backend`: nobody knows which of them answered.
        """
        current = self._pool.backends.get(backend.name)
        if current is not backend or not is_repeatable(answer.encoded):
            return
        key = _key(exchange, answer.target, question, answer.encoded, backend)
        data = recording.pack(key, plain=answer.reader.plain)
        if data is not None:
            await self._store.write(key, data)

    def _places(
        self, exchange: Exchange, candidates: Sequence[Target], question: Question, backends: Mapping[str, Backend]
    ) -> "list[_Place]":
        """Return the places whose answers are as good as that of the first, each with the key of its answer.

        Empty where the answer is not one to keep.
        """
        places: list[_Place] = []
        for target in _equals(candidates, backends):
            try:
                encoded = question.encode(target, self._pool.learned.dropped(target.backend, target.model))
            except ProxyException:
                continue
            if is_repeatable(encoded):
                places.append(_Place(target, _key(exchange, target, question, encoded, backends[target.backend])))
        return places

    async def _kept(self, places: "list[_Place]") -> tuple[Target, Entry] | None:
        values = await self._store.read([place.key for place in places])
        for place, value in zip(places, values, strict=True):
            entry = unpack(value, place.key) if value is not None else None
            if entry is not None:
                return place.target, entry
        return None

    def _note(self, exchange: Exchange, outcome: Literal["hit", "miss", "bypass"]) -> None:
        """Count, and note for the answer's header: what is asked in several batches is a hit when all of them are."""
        if self._count is not None:
            self._count(outcome)
        if outcome != "hit" or exchange.cache is None:
            exchange.cache = outcome


class _Place(NamedTuple):
    target: Target
    key: bytes


class RecordedAnswer:
    """An answer of the pool whose events are noted as they pass."""

    def __init__(self, answer: Answer, recording: Recording) -> None:
        self.target = answer.target
        self.headers = answer.headers
        self.reader = answer.reader
        self.end = answer.end
        self._answer = answer
        self._recording = recording

    def pass_to(self, taker: Taker) -> None:
        """Pass nothing by: each batch is noted."""

    async def next(self) -> list[Event] | None:
        """Return the next batch of events, None after the last."""
        events = await self._answer.next()
        if events is not None:
            self._recording.add(events)
        return events


class ReplayedAnswer:
    """A kept answer, as if its backend had answered at once. No backend was asked: there are no headers of one."""

    def __init__(self, exchange: Exchange, target: Target, entry: Entry) -> None:
        self.target = target
        self.headers: Mapping[str, str] = CIMultiDict[str]()
        self.reader = entry
        self._events: list[Event] = [*entry.events]
        self._at = 0
        self._stopped = False
        exchange.backend_model = target.model
        exchange.asked_ns = exchange.first_output_ns = monotonic_ns()
        for event in self._events:
            if isinstance(event, Usage):
                exchange.prompt_tokens, exchange.completion_tokens = event.prompt_tokens, event.completion_tokens

    def pass_to(self, taker: Taker) -> None:
        """Pass nothing by: `next` never waits."""

    async def next(self) -> list[Event] | None:
        """Return the next batch of events, None after the last."""
        if self._at >= len(self._events):
            return None
        if self._stopped:
            self._at = len(self._events)
            return [Failure(OverloadedError(STOPPING))]
        batch = self._events[self._at : self._at + _BATCH]
        self._at += _BATCH
        return batch

    def end(self) -> None:
        """Stop because the process stops: what was not handed out yet becomes a failure."""
        self._stopped = True


def cache_wishes(cache_control: str) -> frozenset[str]:
    """Return what a Cache-Control asks of us: `no-store` (neither read nor written), `no-cache` (not read)."""
    wishes: set[str] = set()
    for part in cache_control.lower().split(",") if cache_control else ():
        name, _, value = part.strip().partition("=")
        if name in ("no-store", "no-cache"):
            wishes.add(name)
        elif name == "max-age" and value.strip('"') == "0":
            wishes.add("no-cache")
    return frozenset(wishes)


def _equals(candidates: Sequence[Target], backends: Mapping[str, Backend]) -> Iterable[Target]:
    """Return the places that serve what was asked for as well as the first one does; none where that is a fallback."""
    able = [target for target in candidates if target.backend in backends and not target.fallback]
    if not able:
        return []

    def rank(target: Target) -> tuple[int, int]:
        return target.tier, backends[target.backend].settings.priority

    best = min(map(rank, able))
    return [target for target in able if rank(target) == best][:_MAX_PLACES]


def _key(exchange: Exchange, target: Target, question: Question, encoded: Encoded, backend: Backend) -> bytes:
    """Return the digest of all that decides an answer: who is asked, as whom, for what, and how the answer is read.

    The headers hold the key that the backend gets: where it is the client's own, nobody else is shown what it paid for.
    """
    headers = backend.headers(exchange.client_key)
    headers.update(encoded.headers)
    facts = (
        __version__,
        str(backend.url(encoded.path)),
        sorted((name.lower(), value) for name, value in headers.items()),
        target.model,
        target.profile.name,
        target.stand_in and (target.stand_in, question.model),
        question.cache_form,
        encoded.body,
    )
    return sha256(_encode(facts)).digest()
