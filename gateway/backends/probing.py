"""Prober: asks the backend for its models every now and then, so that health is known before a client asks for it."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from contextvars import Context
from enum import StrEnum

from aiohttp import ClientSession

from gateway.backends.backend import Backend
from gateway.backends.listing import ModelLister
from gateway.codecs.models import refuse_html
from gateway.errors import (
    ProxyException,
    UpstreamConnectionError,
    UpstreamStatusError,
    UpstreamTimeoutError,
)
from gateway.telemetry.logging import get_logger

PROBE_INTERVAL_S = 30.0
REMEMBERED_S = 90.0
"""For this long after a good probe a backend that fails is degraded; then it is unhealthy."""

_log = get_logger("probe")


class HealthState(StrEnum):
    """What the last probes found."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


class Prober:
    """One GET of the model list every `interval_s`, bounded by `timeout_s`, in a task of its own.

    `status` is degraded while nothing is known yet, when the backend answers with an error, and when it cannot be
    reached but could a short time ago. `latency_ms` is of the last probe that got an answer, `checked_at_s` the wall
    clock of the last probe; both are None before. `usable` is False only while the backend cannot be reached at all.
    """

    def __init__(
        self,
        session: ClientSession,
        backend: Backend,
        timeout_s: float,
        *,
        interval_s: float = PROBE_INTERVAL_S,
        clock: Callable[[], float] = time.monotonic,
        on_answer: Callable[[str], None] | None = None,
    ) -> None:
        # One attempt: a probe measures the backend, and the next probe is the retry.
        self._lister = ModelLister(session, backend, timeout_s, attempts=1)
        self._without_key = backend.pass_client_key
        self._backend_name = backend.name
        self._interval_s = interval_s
        self._clock = clock
        self._on_answer = on_answer
        self._good_at_s: float | None = None
        self._task: asyncio.Task[None] | None = None
        self.status = HealthState.DEGRADED
        self.usable = True
        self.latency_ms: float | None = None
        self.checked_at_s: float | None = None

    def start(self) -> None:
        """Probe at once, without waiting for it, and from then on."""
        self._task = asyncio.create_task(self._run(), name="probe", context=Context())

    async def aclose(self) -> None:
        """Stop probing."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def probe(self) -> None:
        """Ask once and keep what was found. Raises nothing that a backend or a network can cause."""
        started_s = self._clock()
        error: ProxyException | None = None
        try:
            refuse_html(await self._lister.ask(None))
        except ProxyException as failure:
            error = failure
        reached = not _unreached(error)
        if reached:
            self.latency_ms = round((self._clock() - started_s) * 1000, 3)
        self._keep(error, reached)

    async def _run(self) -> None:
        while True:
            try:
                await self.probe()
            except Exception:  # noqa: BLE001 - logged with its traceback; if it ended this loop, a backend that is down would stay down for ever
                _log.exception("probe failed")
            await asyncio.sleep(self._interval_s)

    def _keep(self, error: ProxyException | None, reached: bool) -> None:
        now_s = self._clock()
        self.checked_at_s = time.time()
        before = self.status, self.usable
        self.usable = reached
        if error is None or self._asks_for_a_key(error):
            self._good_at_s = now_s
            self.status = HealthState.HEALTHY
            # Only where it was away: what lists its models well may fail at answering all the same.
            if self._on_answer is not None and before[0] is not HealthState.HEALTHY:
                self._on_answer(self._backend_name)
        elif reached or (self._good_at_s is not None and now_s - self._good_at_s <= REMEMBERED_S):
            self.status = HealthState.DEGRADED
        else:
            self.status = HealthState.UNHEALTHY
        if error is not None and self.status is not HealthState.HEALTHY and before != (self.status, self.usable):
            _log.warning("backend probe", backend=self._backend_name, status=self.status, error=error.message)

    def _asks_for_a_key(self, error: ProxyException) -> bool:
        """Tell whether the backend only wants the key that its clients bring and the prober does not have."""
        return self._without_key and isinstance(error, UpstreamStatusError) and error.status in (401, 403)


def _unreached(error: ProxyException | None) -> bool:
    if isinstance(error, UpstreamConnectionError):
        return error.phase in ("connect", "tls", "reset")
    return isinstance(error, UpstreamTimeoutError)


class Probers:
    """The probers of all backends, each by its backend's name; together they are the health of the gateway.

    `make` returns the prober of a backend. `status` is healthy where all are, unhealthy where none can be reached.
    """

    def __init__(self, make: Callable[[Backend], Prober]) -> None:
        self._make = make
        self._started = False
        self._probers: dict[str, tuple[Backend, Prober]] = {}

    @property
    def by_backend(self) -> Mapping[str, Prober]:
        """Each backend's prober, in the order of the configuration."""
        return {name: prober for name, (_, prober) in self._probers.items()}

    @property
    def status(self) -> HealthState:
        """All in one word."""
        states = {prober.status for _, prober in self._probers.values()}
        return states.pop() if len(states) == 1 else HealthState.DEGRADED

    @property
    def latency_ms(self) -> float | None:
        """The shortest of the last probes' latencies."""
        known = [prober.latency_ms for _, prober in self._probers.values() if prober.latency_ms is not None]
        return min(known, default=None)

    @property
    def usable(self) -> bool:
        """Whether any backend can be asked."""
        return any(prober.usable for _, prober in self._probers.values())

    def start(self) -> None:
        """Begin to probe."""
        self._started = True
        for _, prober in self._probers.values():
            prober.start()

    async def replace(self, backends: Iterable[Backend]) -> None:
        """Probe these from now on; a backend that stayed the same object keeps its prober."""
        before, self._probers = self._probers, {}
        for backend in backends:
            kept = before.get(backend.name)
            if kept is not None and kept[0] is backend:
                self._probers[backend.name] = before.pop(backend.name)
                continue
            prober = self._make(backend)
            self._probers[backend.name] = backend, prober
            if self._started:
                prober.start()
        for _, prober in before.values():
            await prober.aclose()

    async def aclose(self) -> None:
        """Stop probing."""
        self._started = False
        for _, prober in self._probers.values():
            await prober.aclose()
