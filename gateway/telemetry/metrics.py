"""The gateway's own numbers: plain ones while requests run, made into Prometheus families when somebody scrapes."""

import platform
from bisect import bisect_left
from collections import deque
from collections.abc import Iterator, Sequence
from time import monotonic
from typing import TYPE_CHECKING

from aiohttp import web
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, InfoMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from gateway.exchange import Exchange

DURATION_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600)
"""From an answer of our own to a long thought of a large model."""
FIRST_CHUNK_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 30, 60, 120)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_RECENT = 2048


class Histogram:
    """Counts per bucket and a sum. `observe` takes seconds."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def buckets(self) -> list[tuple[str, float]]:
        """Return Prometheus' cumulative buckets: upper bound as text, count up to it."""
        count = 0
        buckets: list[tuple[str, float]] = []
        for bound, here in zip((*self.bounds, float("inf")), self.counts, strict=True):
            count += here
            buckets.append(("+Inf" if bound == float("inf") else str(float(bound)), count))
        return buckets


class RouteNumbers:
    """What is counted of one route."""

    __slots__ = ("durations", "errors", "first_chunks", "in_flight", "requests")

    def __init__(self) -> None:
        self.in_flight = 0
        self.requests: dict[tuple[str, int, str], int] = {}
        self.errors: dict[str, int] = {}
        self.durations = Histogram(DURATION_BUCKETS_S)
        self.first_chunks = Histogram(FIRST_CHUNK_BUCKETS_S)


class Metrics:
    """The numbers of one application; `registry` shows them to Prometheus.

    Labels are bounded: routes are those of the route table, other methods are "other", kinds are those of `errors`.
    """

    def __init__(self, version: str) -> None:
        self.version = version
        self.started_s = monotonic()
        self.routes: dict[str, RouteNumbers] = {}
        self.attempts: dict[tuple[str, str], int] = {}
        self.learned: dict[str, int] = {}
        self.cache: dict[str, int] = {}
        self.stream_chunks = 0
        self.prompt_tokens = 0
        self.completion_tokens = 0
        self.recent_s: deque[float] = deque(maxlen=_RECENT)
        self.registry = CollectorRegistry()
        self.registry.register(MetricsCollector(self))

    def request_started(self, route: str) -> None:
        """Count a request as in flight. `route` is a label of the route table, or "other"."""
        self._route(route).in_flight += 1

    def request_finished(self, exchange: "Exchange", status: int, duration_ns: int) -> None:
        """Count a request that was started, as its exchange and `status` say it ended."""
        numbers = self._route(exchange.route)
        numbers.in_flight -= 1
        method = exchange.method if exchange.method in _METHODS else "other"
        key = (method, status, exchange.dialect.value)
        numbers.requests[key] = numbers.requests.get(key, 0) + 1
        duration_s = duration_ns / 1e9
        numbers.durations.observe(duration_s)
        self.recent_s.append(duration_s)
        if exchange.first_chunk_ns is not None:
            numbers.first_chunks.observe((exchange.first_chunk_ns - exchange.started_ns) / 1e9)
        if exchange.error_kind is not None:
            numbers.errors[exchange.error_kind] = numbers.errors.get(exchange.error_kind, 0) + 1
        self.stream_chunks += exchange.chunks
        if exchange.cache != "hit":  # those of a hit were spent, and counted, before
            self.prompt_tokens += exchange.prompt_tokens or 0
            self.completion_tokens += exchange.completion_tokens or 0

    def upstream_attempt(self, backend: str, cause: str) -> None:
        """Count one attempt at a backend: cause is "ok", or the kind of error it ended with."""
        key = (backend, cause)
        self.attempts[key] = self.attempts.get(key, 0) + 1

    def parameter_learned(self, backend: str) -> None:
        """Count a parameter that a backend was found to refuse for a model."""
        self.learned[backend] = self.learned.get(backend, 0) + 1

    def cache_outcome(self, outcome: str) -> None:
        """Count one look into the cache of answers: hit, miss, bypass, or error (beside the miss it becomes)."""
        self.cache[outcome] = self.cache.get(outcome, 0) + 1

    @property
    def uptime_s(self) -> float:
        """Seconds since these numbers began."""
        return monotonic() - self.started_s

    def summary(self) -> dict[str, object]:
        """Return the numbers in short, for people; durations are those of the latest requests."""
        ordered = sorted(self.recent_s)
        routes = self.routes.values()
        return {
            "requests": sum(sum(route.requests.values()) for route in routes),
            "errors": sum(sum(route.errors.values()) for route in routes),
            "in_flight": sum(route.in_flight for route in routes),
            "tokens": {"prompt": self.prompt_tokens, "completion": self.completion_tokens},
            "uptime_s": round(self.uptime_s, 3),
            "duration_s": {f"p{percent}": quantile(ordered, percent / 100) for percent in (50, 95, 99)},
        }

    def _route(self, route: str) -> RouteNumbers:
        numbers = self.routes.get(route)
        if numbers is None:
            numbers = self.routes[route] = RouteNumbers()
        return numbers


METRICS: web.AppKey[Metrics] = web.AppKey("metrics", Metrics)
"""The application's numbers; absent where ENABLE_METRICS is false."""


def quantile(ordered: Sequence[float], share: float) -> float | None:
    """Return the value below which `share` of the ascending values lie (nearest rank), None for no values."""
    if not ordered:
        return None
    return round(ordered[min(int(share * len(ordered)), len(ordered) - 1)], 6)


class MetricsCollector(Collector):
    """Reads a `Metrics` when it is scraped; holds nothing itself."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        """Yield all families."""
        yield from self._requests()
        yield from self._durations()
        yield from self._traffic()
        yield from self._process()

    def _requests(self) -> Iterator[Metric]:
        requests = CounterMetricFamily(
            "gateway_requests", "Requests answered.", labels=["route", "method", "status", "dialect"]
        )
        errors = CounterMetricFamily("gateway_request_errors", "Requests that failed.", labels=["route", "kind"])
        in_flight = GaugeMetricFamily("gateway_requests_in_flight", "Requests being answered.", labels=["route"])
        for route, numbers in self._metrics.routes.items():
            in_flight.add_metric([route], numbers.in_flight)
            for (method, status, dialect), count in numbers.requests.items():
                requests.add_metric([route, method, str(status), dialect], count)
            for kind, count in numbers.errors.items():
                errors.add_metric([route, kind], count)
        yield from (requests, errors, in_flight)

    def _durations(self) -> Iterator[Metric]:
        durations = HistogramMetricFamily(
            "gateway_request_duration_seconds", "From a request's first byte to its answer's last.", labels=["route"]
        )
        first_chunks = HistogramMetricFamily(
            "gateway_time_to_first_chunk_seconds", "From a request's first byte to the first chunk.", labels=["route"]
        )
        for route, numbers in self._metrics.routes.items():
            durations.add_metric([route], numbers.durations.buckets(), numbers.durations.total)
            if any(numbers.first_chunks.counts):
                first_chunks.add_metric([route], numbers.first_chunks.buckets(), numbers.first_chunks.total)
        yield from (durations, first_chunks)

    def _traffic(self) -> Iterator[Metric]:
        metrics = self._metrics
        yield CounterMetricFamily("gateway_stream_chunks", "Chunks sent to clients.", value=metrics.stream_chunks)
        tokens = CounterMetricFamily("gateway_tokens", "Tokens as backends counted them.", labels=["direction"])
        tokens.add_metric(["prompt"], metrics.prompt_tokens)
        tokens.add_metric(["completion"], metrics.completion_tokens)
        yield tokens
        attempts = CounterMetricFamily(
            "gateway_backend_attempts", "Requests sent to backends, by how they ended.", labels=["backend", "cause"]
        )
        for (backend, cause), count in metrics.attempts.items():
            attempts.add_metric([backend, cause], count)
        yield attempts
        learned = CounterMetricFamily(
            "gateway_backend_learned_parameters",
            "Parameters left out since a backend refused them for a model.",
            labels=["backend"],
        )
        for backend, count in metrics.learned.items():
            learned.add_metric([backend], count)
        yield learned
        cache = CounterMetricFamily("gateway_cache_requests", "Looks into the cache of answers.", labels=["outcome"])
        for outcome, count in metrics.cache.items():
            cache.add_metric([outcome], count)
        yield cache

    def _process(self) -> Iterator[Metric]:
        facts = {"version": self._metrics.version, "python": platform.python_version()}
        yield InfoMetricFamily("gateway_build", "What is running.", value=facts)
        yield GaugeMetricFamily("gateway_uptime_seconds", "Seconds since the start.", value=self._metrics.uptime_s)
