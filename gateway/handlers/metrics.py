"""The gateway's numbers: Prometheus' text, written by prometheus-async, and a summary in JSON.

`prometheus_async.aio.web.server_stats` serves the registry of the process, which also has the process' own numbers.
Ours belong to an application, of which a process may hold several. So one collector joins the process' registry, and
shows the numbers of the application that is being asked.
"""

from collections.abc import Iterator
from contextvars import ContextVar
from functools import cache

import msgspec
from aiohttp import hdrs, web
from prometheus_async.aio.web import server_stats
from prometheus_client import REGISTRY, CollectorRegistry, Metric
from prometheus_client.registry import Collector

from gateway.exchange import Dialect
from gateway.handlers.negotiation import prefers_json
from gateway.handlers.routing import RouteTable
from gateway.handlers.writers import json_response
from gateway.telemetry.metrics import Metrics

_TEXT_PATHS = ("/metrics", "/v1/metrics/prometheus")
_asked: ContextVar[CollectorRegistry] = ContextVar("asked")


class MetricsHandler:
    """Serves the numbers. Leave it out where ENABLE_METRICS is false; `text` is ENABLE_PROMETHEUS_METRICS."""

    def __init__(self, metrics: Metrics, path: str, *, text: bool, public: bool) -> None:
        self._metrics = metrics
        self._path = path
        self._has_text = text
        self._public = public
        _join_process_registry()

    def register(self, routes: RouteTable) -> None:
        """Add the routes: the chosen path with both forms, the two usual ones with the text."""
        chosen = self.either if self._has_text else self.summary
        routes.add("GET", self._path, chosen, dialect=self._dialect(self._path), exempt=self._public)
        if self._has_text:
            for path in _TEXT_PATHS:
                if path != self._path:
                    routes.add("GET", path, self.text, dialect=self._dialect(path), exempt=self._public)

    async def either(self, request: web.Request) -> web.Response:
        """Answer with the text, or with the summary for a client that prefers JSON."""
        accept = ",".join(request.headers.getall(hdrs.ACCEPT, ()))
        return await self.summary(request) if prefers_json(accept) else await self.text(request)

    async def text(self, request: web.Request) -> web.Response:
        """Answer in Prometheus' text format, or OpenMetrics' for a client that asks for it."""
        token = _asked.set(self._metrics.registry)
        try:
            return await server_stats(request)
        finally:
            _asked.reset(token)

    async def summary(self, request: web.Request) -> web.Response:
        """Answer with the numbers in short."""
        return json_response(msgspec.json.encode(self._metrics.summary()))

    @staticmethod
    def _dialect(path: str) -> Dialect:
        return Dialect.OPENAI if path.startswith("/v1/") else Dialect.OLLAMA


class _AskedApplication(Collector):
    """Stands in the process' registry for the application that is being asked."""

    def describe(self) -> list[Metric]:
        """Claim no names: the registry would otherwise collect to find them out."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield the families of the application being asked, nothing outside a request."""
        registry = _asked.get(None)
        if registry is not None:
            yield from registry.collect()


@cache
def _join_process_registry() -> None:
    REGISTRY.register(_AskedApplication())
