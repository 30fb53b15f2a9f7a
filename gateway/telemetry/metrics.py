"""The gateway's own numbers: plain ones while requests run. `tables` shows them to Prometheus, `summary` to people."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from aiohttp import web
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.registry import Collector

from gateway.telemetry.families import metric_of
from gateway.telemetry.histogram import (
    CHUNK_OVERHEAD_BUCKETS_S,
    DURATION_BUCKETS_S,
    FIRST_CHUNK_BUCKETS_S,
    GAP_BUCKETS_S,
    LAG_BUCKETS_S,
    OVERHEAD_BUCKETS_S,
    SIZE_BUCKETS_BYTES,
    SPEED_BUCKETS,
    Histogram,
    nanoseconds,
    traced_nanoseconds,
)
from gateway.telemetry.labels import MAX_KEYS, MAX_MODELS, MAX_PAIRS, OTHER, Names
from gateway.telemetry.summary import Rates
from gateway.telemetry.system import SystemNumbers
from gateway.telemetry.tables import tables

if TYPE_CHECKING:
    from gateway.exchange import Exchange

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_GONE = "client_gone"
_REFUSED_BEFORE = frozenset({"unauthorized", "too_large", "forbidden"})
"""Kinds of errors that are refusals, where nothing was asked yet: admission counts its own."""
BUFFER_SIZE = 2048
MAX_ROUTES = 200


class RouteNumbers:
    """What is counted of one route."""

    __slots__ = ("durations", "errors", "in_flight", "overheads", "requests")

    def __init__(self) -> None:
        self.in_flight = 0
        self.requests: dict[tuple[str, int, str], int] = {}
        self.errors: dict[str, int] = {}
        self.durations = traced_nanoseconds(DURATION_BUCKETS_S)
        self.overheads = nanoseconds(OVERHEAD_BUCKETS_S)


class ModelNumbers:
    """What is counted of one model's streams."""

    __slots__ = ("first_chunks", "speeds")

    def __init__(self) -> None:
        self.first_chunks = traced_nanoseconds(FIRST_CHUNK_BUCKETS_S)
        self.speeds = Histogram(SPEED_BUCKETS)


class StreamNumbers:
    """What is counted of all streams together."""

    __slots__ = ("broken", "bytes", "cancelled", "chunk_overheads", "chunks", "durations", "gaps", "heartbeats")

    def __init__(self) -> None:
        self.chunks = 0
        self.bytes = 0
        self.heartbeats = 0
        self.cancelled: dict[str, int] = {}
        self.broken: dict[str, int] = {}
        self.durations = nanoseconds(DURATION_BUCKETS_S)
        self.gaps = nanoseconds(GAP_BUCKETS_S)
        """Given nanoseconds: the writer of streams adds to it with every chunk."""
        self.chunk_overheads = nanoseconds(CHUNK_OVERHEAD_BUCKETS_S)


class TokenNumbers:
    """What one key used of one model, as one source counted it."""

    __slots__ = ("input", "output", "reasoning")

    def __init__(self) -> None:
        self.input = self.output = self.reasoning = 0


class BackendState(NamedTuple):
    """What is known of a backend at the moment of a scrape; None for what nobody knows yet."""

    name: str
    usable: bool
    probe_s: float | None = None
    in_flight: int = 0


class Metrics:
    """The numbers of one application; `registry` shows them to Prometheus.

    Labels are bounded: routes are those of the route table, models and keys the first that come, methods and kinds
    those that there are; everything else is "other".
    """

    def __init__(self, version: str, *, buffer_size: int = BUFFER_SIZE) -> None:
        self.version = version
        self.started_s = monotonic()
        self.routes: dict[str, RouteNumbers] = {}
        self.models: dict[str, ModelNumbers] = {}
        self.model_names = Names(MAX_MODELS)
        self.key_names = Names(MAX_KEYS)
        self.streams = StreamNumbers()
        self.tokens: dict[tuple[str, str, str], TokenNumbers] = {}
        self.answers: dict[str, int] = {}
        self.request_sizes = Histogram(SIZE_BUCKETS_BYTES)
        self.response_sizes = Histogram(SIZE_BUCKETS_BYTES)
        self.translations: dict[str, Histogram] = {}
        self.attempts: dict[tuple[str, str], int] = {}
        self.latencies: dict[str, Histogram] = {}
        self.retries: dict[str, int] = {}
        self.learned: dict[str, int] = {}
        self.cache: dict[str, int] = {}
        self.clocks: dict[tuple[str, str], int] = {}
        self.breakers_opened: dict[str, int] = {}
        self.rejected: dict[str, int] = {}
        self.queue_waits = Histogram(DURATION_BUCKETS_S)
        self.shared_limits_missed_total = 0
        self.system = SystemNumbers()
        self.loop_lags = Histogram(LAG_BUCKETS_S)
        self.rates = Rates()
        self.scrapes = 0
        self.scraped_s: float | None = None
        self.connection_limit = 0
        """Most connections to backends at one time; 0 where nothing bounds them."""
        self.queue: Callable[[], tuple[int, int]] = lambda: (0, 0)
        """Returns how many requests wait for their turn, and how many run; asked when somebody scrapes."""
        self.breaker_states: Callable[[], Iterable[tuple[str, str, str]]] = tuple
        """Yields (backend, model, state) of breakers that are not closed; asked when somebody scrapes."""
        self.backends: Callable[[], Iterable[BackendState]] = tuple
        """Yields what is known of each backend; asked when somebody scrapes."""
        self.list_ages_s: Callable[[], Iterable[tuple[str, float]]] = tuple
        """Yields (backend, seconds since its list of models was read); asked when somebody scrapes."""
        self.buffer_size = buffer_size
        self.recent_ns: deque[int] = deque(maxlen=buffer_size)
        self.recent_first_ns: deque[int] = deque(maxlen=buffer_size)
        self.recent_overhead_ns: deque[int] = deque(maxlen=buffer_size)
        self.registry = CollectorRegistry()
        self.registry.register(MetricsCollector(self))

    def request_started(self, route: str) -> None:
        """Count a request as in flight. `route` is a label of the route table, or "other"."""
        self._route(route).in_flight += 1

    def request_finished(
        self, exchange: "Exchange", status: int, duration_ns: int, *, sent_bytes: int = 0, body_bytes: int = 0
    ) -> None:
        """Count a request that was started, as its exchange and `status` say it ended.

        `sent_bytes` and `body_bytes` are the sizes of the answer's and of the request's body.
        """
        numbers = self.routes.get(exchange.route) or self._route(exchange.route)
        numbers.in_flight -= 1
        method = exchange.method if exchange.method in _METHODS else OTHER
        key = (method, status, exchange.dialect._value_)  # the public name of it is a property: five times as dear
        numbers.requests[key] = numbers.requests.get(key, 0) + 1
        ended_ns = exchange.started_ns + duration_ns
        numbers.durations.observe_of(duration_ns, exchange.request_id, exchange.trace_id, ended_ns)
        overhead_ns = duration_ns - exchange.waited_ns - (exchange.queued_ns or 0)
        numbers.overheads.observe(overhead_ns)
        self.recent_ns.append(duration_ns)
        self.recent_overhead_ns.append(overhead_ns)
        self.request_sizes.observe(body_bytes)
        self.response_sizes.observe(sent_bytes)
        if exchange.error_kind is not None:
            self._failed(numbers, exchange, exchange.error_kind)
        if exchange.attempts or exchange.cache is not None:
            self._answered(exchange, ended_ns)
        if exchange.first_chunk_ns is not None:
            self._streamed(exchange, exchange.first_chunk_ns, ended_ns, sent_bytes)

    def _failed(self, numbers: RouteNumbers, exchange: "Exchange", kind: str) -> None:
        numbers.errors[kind] = numbers.errors.get(kind, 0) + 1
        if kind in _REFUSED_BEFORE and exchange.model is None:
            self.admission_refused(kind)
        if not exchange.stream:
            return
        streams = self.streams
        if kind == _GONE:
            phase = cancelled_phase(exchange)
            streams.cancelled[phase] = streams.cancelled.get(phase, 0) + 1
        elif exchange.prepared and (exchange.first_chunk_ns is not None or exchange.heartbeats):
            streams.broken[kind] = streams.broken.get(kind, 0) + 1

    def _answered(self, exchange: "Exchange", ended_ns: int) -> None:
        """Count what a request asked of backends: attempts, translation, tokens."""
        self.streams.heartbeats += exchange.heartbeats
        for cause in exchange.retry_causes:
            self.retries[cause] = self.retries.get(cause, 0) + 1
        for backend, outcome, began_ns, answered_ns in exchange.tries:
            if outcome == "ok":
                latency = self.latencies.get(backend)
                if latency is None:
                    latency = self.latencies[backend] = nanoseconds(FIRST_CHUNK_BUCKETS_S)
                latency.observe(answered_ns - began_ns)
        if exchange.translation_ns:
            codec = exchange.dialect._value_
            translation = self.translations.get(codec)
            if translation is None:
                translation = self.translations[codec] = nanoseconds(OVERHEAD_BUCKETS_S)
            translation.observe(exchange.translation_ns)
        if exchange.first_output_ns is not None:
            self._used(exchange)

    def _used(self, exchange: "Exchange") -> None:
        source = usage_source(exchange)
        if exchange.error_kind is None:
            whose = source or "none"
            self.answers[whose] = self.answers.get(whose, 0) + 1
        if source is None:
            return
        tokens = self.tokens.get((exchange.backend_model, exchange.key_name or "", source))  # type: ignore[arg-type]  # None is in no key
        if tokens is None:
            tokens = self._tokens(exchange.backend_model, exchange.key_name, source)
        tokens.input += exchange.prompt_tokens or 0
        tokens.output += exchange.chunks if source == "none" else exchange.completion_tokens or 0
        tokens.reasoning += exchange.reasoning_tokens or 0

    def _tokens(self, model: str | None, key_name: str | None, source: str) -> TokenNumbers:
        key = self.model_names.label(model), self.key_names.label(key_name) if key_name else "", source
        if key not in self.tokens and len(self.tokens) >= MAX_PAIRS:
            key = OTHER, OTHER, source
        return self.tokens.setdefault(key, TokenNumbers())

    def _streamed(self, exchange: "Exchange", first_ns: int, ended_ns: int, sent_bytes: int) -> None:
        streams = self.streams
        chunks = exchange.chunks
        streams.chunks += chunks
        streams.bytes += sent_bytes
        streams.durations.observe(ended_ns - first_ns)
        # By its backend's name: a client may ask for any.
        numbers = self.models.get(exchange.backend_model or OTHER)
        if numbers is None:
            numbers = self.models.setdefault(self.model_names.label(exchange.backend_model), ModelNumbers())
        waited_ns = first_ns - exchange.started_ns
        numbers.first_chunks.observe_of(waited_ns, exchange.request_id, exchange.trace_id, ended_ns)
        self.recent_first_ns.append(waited_ns)
        if chunks > 1:
            busy_ns = ended_ns - first_ns - (exchange.waited_ns - exchange.waited_first_ns)
            streams.chunk_overheads.observe_many(busy_ns // (chunks - 1), chunks - 1)
            if (speed := tokens_per_second(exchange, ended_ns)) is not None:
                numbers.speeds.observe(speed)

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

    def clock_fired(self, backend: str, clock: str) -> None:
        """Count a backend that was silent for too long: connect, headers, first_token, idle or total."""
        key = (backend, clock)
        self.clocks[key] = self.clocks.get(key, 0) + 1

    def admission_waited(self, wait_s: float) -> None:
        """Count a request that waited for its turn, if only until its client left."""
        self.queue_waits.observe(wait_s)

    def admission_refused(self, reason: str) -> None:
        """Count a refusal: model, requests, tokens, concurrency, queue, or the kind of an error before all of these."""
        self.rejected[reason] = self.rejected.get(reason, 0) + 1

    def shared_limits_missed(self) -> None:
        """Count a limit that was decided alone, because what shares it could not be asked."""
        self.shared_limits_missed_total += 1

    def breaker_opened(self, backend: str) -> None:
        """Count a breaker that opened."""
        self.breakers_opened[backend] = self.breakers_opened.get(backend, 0) + 1

    @property
    def uptime_s(self) -> float:
        """Seconds since these numbers began."""
        return monotonic() - self.started_s

    def _route(self, route: str) -> RouteNumbers:
        numbers = self.routes.get(route)
        if numbers is None:
            # The table of routes is bounded; a label that somebody made of a path would not be.
            numbers = self.routes.setdefault(route if len(self.routes) < MAX_ROUTES else OTHER, RouteNumbers())
        return numbers


METRICS: web.AppKey[Metrics] = web.AppKey("metrics", Metrics)
"""The application's numbers; absent where ENABLE_METRICS is false."""


def cancelled_phase(exchange: "Exchange") -> str:
    """Return what a client that left was waiting for: its turn, the first chunk, or more of them."""
    if exchange.first_chunk_ns is not None:
        return "streaming"
    return "waiting" if exchange.asked_ns is not None else "queued"


def usage_source(exchange: "Exchange") -> str | None:
    """Return who counted the tokens: the backend, the answer that was kept, or nobody but us (one a chunk)."""
    if exchange.prompt_tokens is None and exchange.completion_tokens is None:
        return "none" if exchange.chunks else None
    return "cache" if exchange.cache == "hit" else "backend"


def tokens_per_second(exchange: "Exchange", ended_ns: int) -> float | None:
    """Return how fast the model wrote after its first token, as its backend counted; None where that says nothing."""
    count, first_ns = exchange.completion_tokens, exchange.first_output_ns
    if count is None or count < 2 or first_ns is None or exchange.cache == "hit" or ended_ns <= first_ns:
        return None
    return (count - 1) * 1e9 / (ended_ns - first_ns)


class MetricsCollector(Collector):
    """Reads a `Metrics` when it is scraped; holds nothing itself."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def describe(self) -> list[Metric]:
        """Claim no names: the registry would otherwise collect to find them out."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield all families."""
        yield from map(metric_of, tables(self._metrics))
