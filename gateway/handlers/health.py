"""Liveness and readiness: `/health` while the process works, `/ready` while it can serve. Never URLs or keys."""

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

import msgspec
from aiohttp import web

from gateway.exchange import EXCHANGE, Dialect
from gateway.handlers.routing import RouteTable
from gateway.handlers.writers import json_response
from gateway.lifecycle import Lifecycle


class BackendHealth(Protocol):
    """What the last background probe of a backend found."""

    @property
    def status(self) -> str:
        """Say healthy, degraded or unhealthy."""
        ...

    @property
    def latency_ms(self) -> float | None:
        """Milliseconds the last answer took, None before there was one."""
        ...


class Health(BackendHealth, Protocol):
    """The same of all backends together."""

    @property
    def usable(self) -> bool:
        """Tell whether any backend can be asked."""
        ...

    @property
    def by_backend(self) -> Mapping[str, BackendHealth]:
        """What was found of each, by its name."""
        ...


class HealthHandler:
    """Answers probes. A caller without a key, where one is wanted, sees the status alone.

    `breakers` yields (backend, model, state) of those that are not closed.
    """

    def __init__(
        self,
        backends: Health,
        lifecycle: Lifecycle,
        version: str,
        breakers: Callable[[], Iterable[tuple[str, str, str]]] = tuple,
    ) -> None:
        self._backends = backends
        self._lifecycle = lifecycle
        self._version = version
        self._breakers = breakers

    def register(self, routes: RouteTable) -> None:
        """Add the routes."""
        for method in ("GET", "HEAD"):
            routes.add(method, "/health", self.health, dialect=Dialect.OLLAMA, exempt=True)
            routes.add(method, "/v1/health", self.health, dialect=Dialect.OPENAI, exempt=True)
            routes.add(method, "/ready", self.ready, dialect=Dialect.OLLAMA, exempt=True)

    async def health(self, request: web.Request) -> web.Response:
        """Answer 200: the process works, whatever its backends do."""
        content: dict[str, object] = {"status": self._backends.status}
        if request[EXCHANGE].authenticated:
            content["latency_ms"] = _rounded(self._backends.latency_ms)
            content["version"] = self._version
            content["backends"] = self._by_backend()
            content["uptime_s"] = round(self._lifecycle.uptime_s, 3)
        return json_response(msgspec.json.encode(content))

    def _by_backend(self) -> dict[str, object]:
        breakers: dict[str, dict[str, str]] = {}
        for name, model, state in self._breakers():
            breakers.setdefault(name, {})[model] = state
        return {
            name: {
                "status": backend.status,
                "latency_ms": _rounded(backend.latency_ms),
                "breakers": breakers.get(name, {}),
            }
            for name, backend in self._backends.by_backend.items()
        }

    async def ready(self, request: web.Request) -> web.Response:
        """Answer 200, or 503 while stopping or without a usable backend; `?scope=self` asks for the process alone."""
        reason = self._why_not(of_process_alone=request.query.get("scope") == "self")
        content = {"status": "ready" if reason is None else "not ready"}
        if reason is not None and request[EXCHANGE].authenticated:
            content["reason"] = reason
        return json_response(msgspec.json.encode(content), status=200 if reason is None else 503)

    def _why_not(self, *, of_process_alone: bool) -> str | None:
        if self._lifecycle.stopping:
            return "stopping"
        if not of_process_alone and not self._backends.usable:
            return "no backend can be used"
        return None


def _rounded(latency_ms: float | None) -> float | None:
    return None if latency_ms is None else round(latency_ms, 3)
