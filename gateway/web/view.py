"""View: one look at everything the status page shows. It asks nobody: all of it is known already."""

from collections.abc import Mapping
from time import monotonic, time
from typing import Protocol, TypedDict

from gateway.backends.backend import Backend
from gateway.backends.pool import Pool
from gateway.catalog.catalog import Catalog
from gateway.lifecycle import Lifecycle
from gateway.web.numbers import Numbers, RecentRequest
from gateway.web.rates import Point, Rates

MOST_MODELS = 24
"""How many models of one backend are named; the page has all of them in its chat."""


class Found(Protocol):
    """What the last probe of a backend found."""

    @property
    def status(self) -> str:
        """Say healthy, degraded or unhealthy."""
        ...

    @property
    def latency_ms(self) -> float | None:
        """Milliseconds the last answer took, None before there was one."""
        ...


class Health(Protocol):
    """The same of all backends."""

    @property
    def status(self) -> str:
        """Say it in one word for all."""
        ...

    @property
    def by_backend(self) -> Mapping[str, Found]:
        """What was found of each, by its name."""
        ...


class Breakers(TypedDict):
    """The models of a backend whose breakers are not closed."""

    open: list[str]
    half_open: list[str]


class BackendState(TypedDict):
    """A backend now. `model_count` is None where its list was not read, or depends on the client's key."""

    name: str
    status: str
    latency_ms: float | None
    in_flight: int
    breakers: Breakers
    models: list[str]
    model_count: int | None


class Worker(TypedDict):
    """Which of how many workers is shown; `number` counts from 1 here, as people do."""

    number: int
    count: int


class Moment(TypedDict):
    """All there is to show. `point` is None right after the start of watching, and without metrics."""

    at_s: float
    version: str
    uptime_s: float
    worker: Worker | None
    status: str
    metrics: bool
    point: Point | None
    backends: list[BackendState]
    recent: list[RecentRequest]


class View:
    """Looks at one process. Without `numbers` (ENABLE_METRICS is false) there are backends alone."""

    def __init__(
        self,
        numbers: Numbers | None,
        pool: Pool,
        catalog: Catalog,
        health: Health,
        lifecycle: Lifecycle,
        version: str,
    ) -> None:
        self._numbers = numbers
        self._pool = pool
        self._catalog = catalog
        self._health = health
        self._lifecycle = lifecycle
        self._version = version
        self._rates = Rates()

    def look(self) -> Moment:
        """Return what is to be seen now."""
        at_s = round(time(), 3)
        totals = self._numbers.snapshot() if self._numbers is not None else None
        place = self._lifecycle.worker
        return {
            "at_s": at_s,
            "version": self._version,
            "uptime_s": round(self._lifecycle.uptime_s, 1),
            "worker": {"number": place.number + 1, "count": place.count} if place is not None else None,
            "status": self._health.status,
            "metrics": totals is not None,
            "point": self._rates.point(totals, monotonic(), at_s) if totals is not None else None,
            "backends": self._backends(),
            "recent": totals["recent"] if totals is not None else [],
        }

    def _backends(self) -> list[BackendState]:
        breakers: dict[str, Breakers] = {}
        for name, model, state in self._pool.breakers.not_closed():
            found = breakers.setdefault(name, {"open": [], "half_open": []})
            found["open" if state == "open" else "half_open"].append(model)
        models = self._catalog.known()
        return [
            self._backend(backend, breakers.get(name), models.get(name))
            for name, backend in self._pool.backends.items()
        ]

    def _backend(self, backend: Backend, breakers: Breakers | None, models: tuple[str, ...] | None) -> BackendState:
        found = self._health.by_backend.get(backend.name)
        return {
            "name": backend.name,
            "status": found.status if found is not None else "degraded",
            "latency_ms": found.latency_ms if found is not None else None,
            "in_flight": backend.gate.in_flight,
            "breakers": breakers if breakers is not None else {"open": [], "half_open": []},
            "models": list(models[:MOST_MODELS]) if models is not None else [],
            "model_count": len(models) if models is not None else None,
        }
