"""Every family there is, declared once: name, meaning, labels, and where its numbers are kept."""

import platform
from collections.abc import Iterable, Iterator, Mapping
from time import monotonic_ns, time
from typing import TYPE_CHECKING

from gateway.telemetry.families import (
    Distribution,
    Example,
    Family,
    Row,
    counter,
    gauge,
    histogram,
    one_counter,
    one_gauge,
)
from gateway.telemetry.histogram import Histogram, TracedHistogram

if TYPE_CHECKING:
    from gateway.telemetry.metrics import Metrics


def tables(metrics: "Metrics") -> list[Family]:
    """Return all families of one process."""
    return [
        *_requests(metrics),
        *_admission(metrics),
        *_streams(metrics),
        *_performance(metrics),
        *_tokens(metrics),
        *_attempts(metrics),
        *_backends(metrics),
        *_system(metrics),
        *_process(metrics),
    ]


def _requests(metrics: "Metrics") -> Iterator[Family]:
    routes = metrics.routes.items()
    yield counter(
        "gateway_requests",
        "Requests answered.",
        ("route", "method", "status", "dialect"),
        [
            ((route, method, str(status), dialect), count)
            for route, numbers in routes
            for (method, status, dialect), count in numbers.requests.items()
        ],
    )
    yield histogram(
        "gateway_request_duration_seconds",
        "From a request's first byte to its answer's last.",
        ("route",),
        [((route,), shown(numbers.durations)) for route, numbers in routes],
    )
    yield gauge(
        "gateway_requests_in_flight",
        "Requests being answered.",
        ("route",),
        [((route,), numbers.in_flight) for route, numbers in routes],
    )
    yield histogram(
        "gateway_request_size_bytes", "Bodies of requests, as sent.", (), [((), shown(metrics.request_sizes))]
    )
    yield histogram("gateway_response_size_bytes", "Bodies of answers.", (), [((), shown(metrics.response_sizes))])
    yield counter(
        "gateway_request_errors",
        "Requests that failed.",
        ("route", "kind"),
        [((route, kind), count) for route, numbers in routes for kind, count in numbers.errors.items()],
    )


def _admission(metrics: "Metrics") -> Iterator[Family]:
    yield histogram("gateway_queue_wait_seconds", "Waiting for a turn.", (), [((), shown(metrics.queue_waits))])
    yield counter(
        "gateway_requests_rejected", "Requests not let in, by the reason.", ("reason",), _by_one(metrics.rejected)
    )
    waiting, running = metrics.queue()
    yield one_gauge("gateway_queue_length", "Requests that wait for their turn.", waiting)
    yield one_gauge("gateway_admitted", "Requests let in, where their number is bounded.", running)
    missed = metrics.shared_limits_missed_total
    yield one_counter("gateway_shared_limits_missed", "Limits held alone, not together.", missed)


def _streams(metrics: "Metrics") -> Iterator[Family]:
    streams = metrics.streams
    yield histogram(
        "gateway_time_to_first_chunk_seconds",
        "From a request's first byte to the first chunk of its stream.",
        ("model",),
        [((model,), shown(numbers.first_chunks)) for model, numbers in metrics.models.items()],
    )
    yield histogram(
        "gateway_time_between_chunks_seconds",
        "Between two writes of output into one stream.",
        (),
        [((), shown(streams.gaps))],
    )
    yield one_counter("gateway_stream_chunks", "Chunks sent to clients.", streams.chunks)
    yield one_counter("gateway_stream_bytes", "Bytes of streams sent to clients.", streams.bytes)
    yield histogram(
        "gateway_stream_duration_seconds",
        "From a stream's first chunk to its end.",
        (),
        [((), shown(streams.durations))],
    )
    yield counter(
        "gateway_streams_cancelled",
        "Streams whose client left, by what it waited for: queued, waiting, streaming.",
        ("phase",),
        _by_one(streams.cancelled),
    )
    yield counter(
        "gateway_streams_broken",
        "Streams that ended with an error as their last line.",
        ("cause",),
        _by_one(streams.broken),
    )
    yield one_counter("gateway_heartbeats", "Signs of life written into silent streams.", streams.heartbeats)


def _performance(metrics: "Metrics") -> Iterator[Family]:
    yield histogram(
        "gateway_overhead_seconds",
        "Time in the gateway alone: a request's duration without waits for its client, its turn and backends.",
        ("route",),
        [((route,), shown(numbers.overheads)) for route, numbers in metrics.routes.items()],
    )
    yield histogram(
        "gateway_overhead_per_chunk_seconds",
        "The same of one chunk after the first; the buckets hold each stream's mean, once a chunk.",
        (),
        [((), shown(metrics.streams.chunk_overheads))],
    )
    yield histogram(
        "gateway_translation_seconds",
        "Time in codecs, of one request.",
        ("codec",),
        [((codec,), shown(times)) for codec, times in metrics.translations.items()],
    )
    yield histogram(
        "gateway_tokens_per_second",
        "Tokens a second after the first one, of one stream.",
        ("model",),
        [((model,), shown(numbers.speeds)) for model, numbers in metrics.models.items() if numbers.speeds.count],
    )


def _tokens(metrics: "Metrics") -> Iterator[Family]:
    labels = ("direction", "model", "key", "usage_source")
    yield counter(
        "gateway_tokens",
        "Tokens of questions (input) and answers (output), by who counted them.",
        labels,
        [
            ((direction, *key), count)
            for key, numbers in metrics.tokens.items()
            for direction, count in (("input", numbers.input), ("output", numbers.output))
        ],
    )
    yield counter(
        "gateway_answers",
        "Whole answers of backends, by who counted their tokens: none means that nobody told.",
        labels[3:],
        [((source,), count) for source, count in metrics.answers.items()],
    )
    yield counter(
        "gateway_reasoning_tokens",
        "Those of the output tokens that were reasoning.",
        labels[1:],
        [(key, numbers.reasoning) for key, numbers in metrics.tokens.items() if numbers.reasoning],
    )


def _attempts(metrics: "Metrics") -> Iterator[Family]:
    yield counter(
        "gateway_backend_attempts",
        "Requests sent to backends, by how they ended.",
        ("backend", "cause"),
        metrics.attempts.items(),
    )
    yield counter("gateway_backend_retries", "Attempts after the first, by why.", ("cause",), _by_one(metrics.retries))
    yield histogram(
        "gateway_backend_latency_seconds",
        "From sending an attempt to what may be shown of its answer.",
        ("backend",),
        [((backend,), shown(latency)) for backend, latency in metrics.latencies.items()],
    )
    yield counter(
        "gateway_backend_timeouts",
        "Silences of backends, by the clock that ran out.",
        ("backend", "clock"),
        metrics.clocks.items(),
    )
    yield counter(
        "gateway_backend_learned_parameters",
        "Parameters left out since a backend refused them for a model.",
        ("backend",),
        _by_one(metrics.learned),
    )
    yield counter("gateway_breaker_opened", "Breakers that opened.", ("backend",), _by_one(metrics.breakers_opened))
    states: dict[tuple[str, str], int] = {}
    for backend, _, state in metrics.breaker_states():
        states[backend, state] = states.get((backend, state), 0) + 1
    yield gauge(
        "gateway_breaker_state",
        "Models of a backend whose breaker is not closed.",
        ("backend", "state"),
        states.items(),
        fold="max",
    )
    yield counter("gateway_cache_requests", "Looks into the cache of answers.", ("outcome",), _by_one(metrics.cache))


def _backends(metrics: "Metrics") -> Iterator[Family]:
    states = list(metrics.backends())
    yield gauge(
        "gateway_backend_up",
        "1 where the last background probe reached the backend, else 0.",
        ("backend",),
        [((state.name,), int(state.usable)) for state in states],
        fold="min",
    )
    yield gauge(
        "gateway_backend_probe_seconds",
        "How long the last background probe took that got an answer.",
        ("backend",),
        [((state.name,), state.probe_s) for state in states if state.probe_s is not None],
        fold="max",
    )
    yield gauge(
        "gateway_backend_requests_in_flight",
        "Requests that a backend is answering: each holds a connection.",
        ("backend",),
        [((state.name,), state.in_flight) for state in states],
    )
    limit = metrics.connection_limit
    yield one_gauge("gateway_backend_connections_limit", "Most connections to backends; 0: no bound.", limit)
    yield gauge(
        "gateway_backend_list_age_seconds",
        "Since a backend's list of models was read.",
        ("backend",),
        [((backend,), age_s) for backend, age_s in metrics.list_ages_s()],
        fold="min",  # a worker reads it when it is asked; one that is not need not have a new one
    )


def _system(metrics: "Metrics") -> Iterator[Family]:
    """Yield what is said of the machine, where several processes say the same, and of the process."""
    system = metrics.system
    yield one_gauge(
        "gateway_system_cpu_ratio", "Share of the machine's processors in use.", system.cpu_share, fold="max"
    )
    yield gauge(
        "gateway_system_memory_bytes", "Memory of the machine.", ("state",), _by_one(system.memory_bytes), fold="max"
    )
    for name, text, label, found in (
        ("gateway_system_disk_io_bytes", "Read from and written to disks.", "direction", system.disk_io_bytes),
        ("gateway_system_network_bytes", "Received from and sent to networks.", "direction", system.network_bytes),
    ):
        rows = tuple(Row(tuple(names), value) for names, value in _by_one(found))
        yield Family(name, text, "counter", (label,), rows, "max")
    yield gauge(
        "gateway_system_disk_bytes",
        "The file system that the gateway works in.",
        ("state",),
        _by_one(system.disk_bytes),
        fold="max",
    )
    yield one_gauge("gateway_open_descriptors", "Open files and sockets.", system.descriptors)
    yield one_gauge("gateway_threads", "Threads.", system.threads)
    yield histogram(
        "gateway_event_loop_lag_seconds",
        "How late the event loop was, twice a second.",
        (),
        [((), shown(metrics.loop_lags))],
    )


def _process(metrics: "Metrics") -> Iterator[Family]:
    facts = {"python": platform.python_version(), "version": metrics.version}
    yield Family("gateway_build", "What is running.", "info", tuple(facts), (Row(tuple(facts.values()), 1),))
    yield one_gauge("gateway_uptime_seconds", "Seconds since the start.", metrics.uptime_s, fold="max")
    yield one_gauge("gateway_processes", "Processes whose numbers these are.", 1)
    refused = metrics.model_names.refused + metrics.key_names.refused
    yield one_counter(
        "gateway_labels_refused", 'Names that were counted as "other", since there were too many.', refused
    )


def shown(numbers: Histogram) -> Distribution:
    """Return a histogram as it is shown, in the unit of its name."""
    examples: list[Example] = []
    if isinstance(numbers, TracedHistogram):
        offset_s = time() - monotonic_ns() / 1e9
        for bucket, example in enumerate(numbers.examples):
            if example is not None:
                value, request_id, trace_id, at_ns = example
                examples.append(
                    Example(bucket, value / numbers.scale, request_id, trace_id, round(at_ns / 1e9 + offset_s, 3))
                )
    return Distribution(numbers.shown, tuple(numbers.counts), numbers.total / numbers.scale, tuple(examples))


def _by_one(counts: Mapping[str, int]) -> Iterable[tuple[tuple[str], int]]:
    return [((name,), count) for name, count in counts.items()]
