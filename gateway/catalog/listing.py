"""One backend's list of models, kept: read again in the background, once for all who wait."""

import asyncio
from collections.abc import Callable, Coroutine
from math import inf
from typing import Any

from gateway.catalog.offer import Offer
from gateway.catalog.source import Source
from gateway.codecs.models import ModelInfo
from gateway.errors import ProxyException, UpstreamTimeoutError
from gateway.telemetry.logging import get_logger

RETRY_S = 5.0
"""After a failure nobody asks the backend for its list again before this."""
WAIT_S = 4.0
"""How long requests wait for one reading; it goes on. Some clients give a list of models 5 s in all."""
GRACE_S = 0.25
"""How long those wait for a first list who have a backend to ask already: it may be better, or say more."""

_log = get_logger("catalog")

Spawn = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]
MakeOffer = Callable[[Source, tuple[ModelInfo, ...]], Offer]


class KeptListing:
    """What a backend offers, for `ttl_s` seconds; older ones still serve while it is read again, and when that fails.

    `make` turns a list into an offer; `spawn` runs a reading in a task that belongs to no request; `clock` counts
    seconds. `due_s`: when it is to be read next; `task` reads it now; `error` is how the last reading failed.
    """

    __slots__ = (
        "_clock",
        "_make",
        "_spawn",
        "_started_s",
        "_tried_at_s",
        "_ttl_s",
        "due_s",
        "error",
        "offer",
        "read_at_s",
        "source",
        "task",
    )

    def __init__(
        self, source: Source, *, ttl_s: float, make: MakeOffer, spawn: Spawn, clock: Callable[[], float]
    ) -> None:
        self.source = source
        self.offer = Offer(source.settings, None)
        self.due_s = -inf
        self.error: ProxyException | None = None
        self.task: asyncio.Task[None] | None = None
        self._ttl_s = ttl_s
        self._make = make
        self._spawn = spawn
        self._clock = clock
        self.read_at_s = -inf
        self._started_s = -inf
        self._tried_at_s = -inf

    @property
    def read(self) -> bool:
        """Whether there is a list, however old."""
        return self.offer.models is not None

    def refresh(self, client_key: str | None) -> None:
        """Begin to read the list, unless that goes on already; the key is used for it and not kept."""
        if self.task is None:
            self.due_s = inf
            self._started_s = self._clock()
            self.task = self._spawn(self._refresh(client_key if self.source.per_client_key else None))

    def renew(self, client_key: str | None) -> None:
        """Begin to read the list unless it was tried less than RETRY_S ago.

        For a name that no list has: models are loaded and added while a gateway runs.
        """
        if self._clock() - self._tried_at_s >= RETRY_S:
            self.refresh(client_key)

    def patience_s(self, *, content: bool) -> float:
        """Return how long a request may still wait for the reading that goes on; 0 and less when none does.

        `content`: it could do without.
        """
        if self.task is None:
            return 0.0
        return (GRACE_S if content else WAIT_S) - (self._clock() - self._started_s)

    def failure(self) -> ProxyException:
        """Return why there is no list."""
        if self.error is not None:
            return self.error
        return UpstreamTimeoutError(f"the backend has not listed its models within {WAIT_S:g} s", clock="list")

    async def _refresh(self, client_key: str | None) -> None:
        now_due_s = -inf
        try:
            models = await self.source.fetch(client_key)
            self.offer = self._make(self.source, models)
            self.error = None
            self.read_at_s = self._clock()
            now_due_s = self._clock() + self._ttl_s
        except ProxyException as error:
            if self.error is None:
                _log.warning(
                    "model list not read", backend=self.source.name, error_kind=error.kind, error=error.message
                )
            self.error = error
            now_due_s = self._clock() + RETRY_S
        finally:
            self._tried_at_s = self._clock()
            self.due_s = now_due_s
            self.task = None
