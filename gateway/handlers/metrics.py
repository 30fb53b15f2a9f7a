"""The gateway's numbers: Prometheus' text, written by prometheus-async, a summary in JSON, and their own state.

`prometheus_async.aio.web.server_stats` serves the registry of the process, which also has the process' own numbers.
Ours belong to an application, of which a process may hold several, or to several processes. So one collector joins the
process' registry, and shows the numbers that are being asked for.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from contextvars import ContextVar
from functools import cache
from time import monotonic

import msgspec
from aiohttp import hdrs, web
from prometheus_async.aio.web import server_stats
from prometheus_client import GC_COLLECTOR, PROCESS_COLLECTOR, REGISTRY, Metric
from prometheus_client.registry import Collector

from gateway.channel import ChannelError
from gateway.errors import OverloadedError
from gateway.exchange import Dialect
from gateway.handlers.negotiation import prefers_json
from gateway.handlers.routing import RouteTable
from gateway.handlers.writers import json_response
from gateway.telemetry.families import metric_of
from gateway.telemetry.gathering import Gathering
from gateway.telemetry.summary import presented
from gateway.telemetry.system import REFRESH_S, refresh

HEALTH_PATH = "/v1/metrics/health"
_TEXT_PATHS = ("/metrics", "/v1/metrics/prometheus")
_STALE_S = 3 * REFRESH_S
_asked: ContextVar[Sequence[Metric]] = ContextVar("asked")


class MetricsHandler:
    """Serves the numbers. Leave it out where ENABLE_METRICS is false; `text` is ENABLE_PROMETHEUS_METRICS."""

    def __init__(self, gathering: Gathering, path: str, *, text: bool, public: bool) -> None:
        self._gathering = gathering
        self._metrics = gathering.metrics
        self._path = path
        self._has_text = text
        self._public = public
        _join_process_registry()
        if gathering.shared:
            _leave_process_numbers_to_us()

    def register(self, routes: RouteTable) -> None:
        """Add the routes: the chosen path with both forms, the two usual ones with the text, the numbers' own state."""
        chosen = self.either if self._has_text else self.summary
        routes.add("GET", self._path, chosen, dialect=self._dialect(self._path), exempt=self._public)
        routes.add("GET", HEALTH_PATH, self.health, dialect=Dialect.OPENAI, exempt=self._public)
        if self._has_text:
            for path in _TEXT_PATHS:
                if path != self._path:
                    routes.add("GET", path, self.text, dialect=self._dialect(path), exempt=self._public)

    async def either(self, request: web.Request) -> web.Response:
        """Answer with the text, or with the summary for a client that prefers JSON."""
        accept = ",".join(request.headers.getall(hdrs.ACCEPT, ()))
        return await self.summary(request) if prefers_json(accept) else await self.text(request)

    async def text(self, request: web.Request) -> web.Response:
        """Answer in Prometheus' text format, or OpenMetrics' for a client that asks for it.

        Raises OverloadedError where the other processes cannot be asked: a sum without them would look like a restart.
        """
        if self._metrics.system.refreshed_s is None:
            await refresh(self._metrics)
        try:
            families = await self._gathering.families()
        except ChannelError as error:
            raise OverloadedError(f"the other processes cannot be asked for their numbers: {error}") from None
        self._metrics.scrapes += 1
        self._metrics.scraped_s = monotonic()
        token = _asked.set([metric_of(family) for family in families])
        try:
            return await server_stats(request)
        finally:
            _asked.reset(token)

    async def summary(self, request: web.Request) -> web.Response:
        """Answer with the numbers in short. Raises OverloadedError where the other processes cannot be asked."""
        try:
            summaries = await self._gathering.summaries()
        except ChannelError as error:
            raise OverloadedError(f"the other processes cannot be asked for their numbers: {error}") from None
        return json_response(msgspec.json.encode(presented(summaries)))

    async def health(self, request: web.Request) -> web.Response:
        """Answer with the state of the numbers themselves: how old, how many, how full; 200 also where degraded."""
        metrics = self._metrics
        age_s = None if metrics.system.refreshed_s is None else monotonic() - metrics.system.refreshed_s
        stale = metrics.uptime_s > _STALE_S and (age_s is None or age_s > _STALE_S)
        full = bool(metrics.model_names.refused or metrics.key_names.refused)
        content = {
            "status": "degraded" if stale or full else "ok",
            "uptime_s": round(metrics.uptime_s, 3),
            "scrapes": metrics.scrapes,
            "last_scrape_age_s": None if metrics.scraped_s is None else round(monotonic() - metrics.scraped_s, 3),
            "system_age_s": None if age_s is None else round(age_s, 3),
            "processes": self._gathering.answered,
            "labels": {
                "routes": len(metrics.routes),
                "models": len(metrics.model_names),
                "keys": len(metrics.key_names),
                "refused": metrics.model_names.refused + metrics.key_names.refused,
            },
            "buffer": {"used": len(metrics.recent_ns), "size": metrics.buffer_size},
        }
        return json_response(msgspec.json.encode(content))

    @staticmethod
    def _dialect(path: str) -> Dialect:
        return Dialect.OPENAI if path.startswith("/v1/") else Dialect.OLLAMA


class _AskedNumbers(Collector):
    """Stands in the process' registry for the numbers that are being asked for."""

    def describe(self) -> list[Metric]:
        """Claim no names: the registry would otherwise collect to find them out."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield what is asked for, nothing outside a request."""
        yield from _asked.get(())


@cache
def _join_process_registry() -> None:
    REGISTRY.register(_AskedNumbers())


@cache
def _leave_process_numbers_to_us() -> None:
    """Have the process' own numbers shown once, as the sum of all workers, which is among ours."""
    for collector in (PROCESS_COLLECTOR, GC_COLLECTOR):
        with suppress(KeyError):
            REGISTRY.unregister(collector)
