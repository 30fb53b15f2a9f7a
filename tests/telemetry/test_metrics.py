from prometheus_client import generate_latest

from gateway.errors import RequestError
from gateway.exchange import Dialect, Exchange
from gateway.telemetry.labels import MAX_MODELS, MAX_PAIRS
from gateway.telemetry.metrics import MAX_ROUTES, BackendState, Metrics

MILLISECOND_NS = 1_000_000
SECOND_NS = 1000 * MILLISECOND_NS


def sample(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def finish(metrics: Metrics, exchange: Exchange, status: int = 200, duration_ns: int = 40 * MILLISECOND_NS) -> None:
    metrics.request_started(exchange.route)
    metrics.request_finished(exchange, status, duration_ns)


def stream(**known: object) -> Exchange:
    """Return a request that streamed: first output after 100 ms, first chunk after 200."""
    exchange = Exchange(
        "req_1", "POST", route="/api/chat", model="asked-for", stream=True, attempts=1, chunks=11, backend="main",
        backend_model="llama3", asked_ns=10 * MILLISECOND_NS, first_output_ns=100 * MILLISECOND_NS,
        first_chunk_ns=200 * MILLISECOND_NS, prompt_tokens=5, completion_tokens=11, started_ns=0, prepared=True,
    )  # fmt: skip
    for name, value in known.items():
        setattr(exchange, name, value)
    return exchange


# HTTP


def test_requests_are_counted_by_route_method_status_and_dialect() -> None:
    metrics = Metrics("1.2.3")
    finish(metrics, Exchange("1", "POST", route="/api/chat"))
    finish(metrics, Exchange("2", "POST", route="/api/chat"))
    finish(metrics, Exchange("3", "POST", route="/v1/models", dialect=Dialect.OPENAI), 404)
    labels = {"route": "/api/chat", "method": "POST", "status": "200", "dialect": "ollama"}
    assert sample(metrics, "gateway_requests_total", **labels) == 2
    labels = {"route": "/v1/models", "method": "POST", "status": "404", "dialect": "openai"}
    assert sample(metrics, "gateway_requests_total", **labels) == 1


def test_an_unknown_method_is_counted_as_other() -> None:
    metrics = Metrics("1.2.3")
    finish(metrics, Exchange("1", "BREW"), 405)
    labels = {"route": "other", "method": "other", "status": "405", "dialect": "ollama"}
    assert sample(metrics, "gateway_requests_total", **labels) == 1


def test_requests_in_flight_go_up_and_down() -> None:
    metrics = Metrics("1.2.3")
    metrics.request_started("/api/chat")
    assert sample(metrics, "gateway_requests_in_flight", route="/api/chat") == 1
    metrics.request_finished(Exchange("1", "POST", route="/api/chat"), 200, 1)
    assert sample(metrics, "gateway_requests_in_flight", route="/api/chat") == 0


def test_durations_fall_into_cumulative_buckets() -> None:
    metrics = Metrics("1.2.3")
    for duration_ms in (4, 40, 700_000):
        finish(metrics, Exchange("1", "POST", route="/r"), duration_ns=duration_ms * MILLISECOND_NS)
    name = "gateway_request_duration_seconds"
    assert sample(metrics, f"{name}_bucket", route="/r", le="0.005") == 1
    assert sample(metrics, f"{name}_bucket", route="/r", le="0.05") == 2
    assert sample(metrics, f"{name}_bucket", route="/r", le="600.0") == 2
    assert sample(metrics, f"{name}_bucket", route="/r", le="+Inf") == 3
    assert sample(metrics, f"{name}_count", route="/r") == 3
    assert sample(metrics, f"{name}_sum", route="/r") == 700.044


def test_the_sizes_of_requests_and_answers_are_told() -> None:
    metrics = Metrics("1.2.3")
    metrics.request_started("/r")
    metrics.request_finished(Exchange("1", "POST", route="/r"), 200, 1, sent_bytes=5000, body_bytes=300)
    assert sample(metrics, "gateway_request_size_bytes_sum") == 300
    assert sample(metrics, "gateway_request_size_bytes_bucket", le="256.0") == 0
    assert sample(metrics, "gateway_request_size_bytes_bucket", le="1024.0") == 1
    assert sample(metrics, "gateway_response_size_bytes_sum") == 5000


def test_errors_are_counted_by_kind() -> None:
    metrics = Metrics("1.2.3")
    finish(metrics, Exchange("1", "POST", route="/r", error_kind=RequestError.kind), 400)
    assert sample(metrics, "gateway_request_errors_total", route="/r", kind="bad_request") == 1


def test_refusals_are_counted_once_whoever_refuses() -> None:
    metrics = Metrics("1.2.3")
    metrics.admission_refused("model")
    finish(metrics, Exchange("1", "POST", error_kind="forbidden", model="secret-model"), 403)
    finish(metrics, Exchange("2", "POST", error_kind="forbidden"), 403)
    finish(metrics, Exchange("3", "POST", error_kind="unauthorized"), 401)
    reasons = {"model": 1, "forbidden": 1, "unauthorized": 1}
    assert {name: sample(metrics, "gateway_requests_rejected_total", reason=name) for name in reasons} == reasons


# Streams


def test_a_stream_is_counted_with_its_model_chunks_bytes_and_times() -> None:
    metrics = Metrics("1.2.3")
    metrics.request_started("/api/chat")
    metrics.request_finished(stream(), 200, 1200 * MILLISECOND_NS, sent_bytes=999)
    name = "gateway_time_to_first_chunk_seconds"
    assert sample(metrics, f"{name}_bucket", model="llama3", le="0.1") == 0
    assert sample(metrics, f"{name}_bucket", model="llama3", le="0.25") == 1
    assert sample(metrics, f"{name}_sum", model="llama3") == 0.2
    assert sample(metrics, "gateway_stream_chunks_total") == 11
    assert sample(metrics, "gateway_stream_bytes_total") == 999
    assert sample(metrics, "gateway_stream_duration_seconds_sum") == 1.0


def test_what_is_no_stream_has_no_first_chunk() -> None:
    metrics = Metrics("1.2.3")
    finish(metrics, Exchange("1", "GET", route="/plain"))
    assert metrics.models == {}
    assert sample(metrics, "gateway_stream_duration_seconds_count") == 0


def test_gaps_between_chunks_are_taken_in_nanoseconds_and_shown_in_seconds() -> None:
    metrics = Metrics("1.2.3")
    metrics.streams.gaps.observe(20 * MILLISECOND_NS)
    assert sample(metrics, "gateway_time_between_chunks_seconds_sum") == 0.02
    assert sample(metrics, "gateway_time_between_chunks_seconds_bucket", le="0.01") == 0
    assert sample(metrics, "gateway_time_between_chunks_seconds_bucket", le="0.02") == 1


def test_streams_that_clients_left_are_told_apart_by_what_they_waited_for() -> None:
    metrics = Metrics("1.2.3")
    finish(metrics, stream(error_kind="client_gone"), 499)
    finish(metrics, stream(error_kind="client_gone", first_chunk_ns=None), 499)
    finish(metrics, stream(error_kind="client_gone", first_chunk_ns=None, asked_ns=None), 499)
    finish(metrics, Exchange("1", "POST", error_kind="client_gone"), 499)
    for phase in ("streaming", "waiting", "queued"):
        assert sample(metrics, "gateway_streams_cancelled_total", phase=phase) == 1


def test_a_stream_is_broken_once_something_of_it_was_shown() -> None:
    metrics = Metrics("1.2.3")
    finish(metrics, stream(error_kind="backend_timeout"))
    finish(metrics, stream(error_kind="backend_timeout", first_chunk_ns=None, heartbeats=2))
    finish(metrics, stream(error_kind="backend_timeout", first_chunk_ns=None), 504)
    assert sample(metrics, "gateway_streams_broken_total", cause="backend_timeout") == 2
    assert sample(metrics, "gateway_heartbeats_total") == 2


# Performance


def test_the_overhead_is_the_duration_without_all_waits() -> None:
    metrics = Metrics("1.2.3")
    finish(metrics, stream(waited_ns=25 * MILLISECOND_NS, queued_ns=10 * MILLISECOND_NS))
    assert sample(metrics, "gateway_overhead_seconds_sum", route="/api/chat") == 0.005


def test_fifty_milliseconds_more_in_the_gateway_are_fifty_in_the_sum() -> None:
    metrics = Metrics("1.2.3")
    finish(metrics, stream(waited_ns=39 * MILLISECOND_NS))
    before = sample(metrics, "gateway_overhead_seconds_sum", route="/api/chat") or 0.0
    finish(metrics, stream(waited_ns=39 * MILLISECOND_NS), duration_ns=90 * MILLISECOND_NS)
    after = sample(metrics, "gateway_overhead_seconds_sum", route="/api/chat") or 0.0
    assert round(after - 2 * before, 9) == 0.05


def test_the_overhead_of_a_chunk_is_the_mean_of_those_after_the_first() -> None:
    metrics = Metrics("1.2.3")
    waits = {"waited_ns": 999 * MILLISECOND_NS, "waited_first_ns": 0}
    finish(metrics, stream(**waits), duration_ns=1200 * MILLISECOND_NS)
    name = "gateway_overhead_per_chunk_seconds"
    assert sample(metrics, f"{name}_count") == 10
    assert sample(metrics, f"{name}_sum") == 0.001
    assert sample(metrics, f"{name}_bucket", le="5e-05") == 0
    assert sample(metrics, f"{name}_bucket", le="0.0001") == 10


def test_translation_is_told_by_codec() -> None:
    metrics = Metrics("1.2.3")
    finish(metrics, stream(translation_ns=2 * MILLISECOND_NS))
    finish(metrics, stream(translation_ns=3 * MILLISECOND_NS, dialect=Dialect.OPENAI))
    assert sample(metrics, "gateway_translation_seconds_sum", codec="ollama") == 0.002
    assert sample(metrics, "gateway_translation_seconds_sum", codec="openai") == 0.003


def test_the_speed_of_a_model_is_that_after_its_first_token() -> None:
    metrics = Metrics("1.2.3")
    finish(metrics, stream(), duration_ns=1100 * MILLISECOND_NS)
    assert sample(metrics, "gateway_tokens_per_second_sum", model="llama3") == 10
    finish(metrics, stream(completion_tokens=None), duration_ns=1100 * MILLISECOND_NS)
    finish(metrics, stream(cache="hit"), duration_ns=1100 * MILLISECOND_NS)
    assert sample(metrics, "gateway_tokens_per_second_count", model="llama3") == 1


# Tokens and backends


def test_tokens_are_told_by_model_key_and_who_counted() -> None:
    metrics = Metrics("1.2.3")
    for _ in range(2):
        finish(metrics, stream(key_name="alice", reasoning_tokens=4))
    finish(metrics, stream(cache="hit"))
    finish(metrics, stream(prompt_tokens=None, completion_tokens=None, key_name="bob"))
    finish(metrics, Exchange("2", "POST"))
    who = {"model": "llama3", "key": "alice", "usage_source": "backend"}
    assert sample(metrics, "gateway_tokens_total", direction="input", **who) == 10
    assert sample(metrics, "gateway_tokens_total", direction="output", **who) == 22
    assert sample(metrics, "gateway_reasoning_tokens_total", **who) == 8
    kept = {"model": "llama3", "key": "", "usage_source": "cache"}
    assert sample(metrics, "gateway_tokens_total", direction="output", **kept) == 11
    counted = {"model": "llama3", "key": "bob", "usage_source": "none"}
    assert sample(metrics, "gateway_tokens_total", direction="output", **counted) == 11
    assert sample(metrics, "gateway_tokens_total", direction="input", **counted) == 0


def test_attempts_retries_and_latencies_add_up() -> None:
    metrics = Metrics("1.2.3")
    metrics.upstream_attempt("main", "ok")
    metrics.upstream_attempt("main", "backend_timeout")
    metrics.upstream_attempt("main", "ok")
    tries = [("main", "backend_timeout", 0, SECOND_NS), ("main", "ok", SECOND_NS, 3 * SECOND_NS)]
    finish(metrics, stream(tries=tries, retry_causes=["backend_timeout"], attempts=2))
    assert sample(metrics, "gateway_backend_attempts_total", backend="main", cause="ok") == 2
    assert sample(metrics, "gateway_backend_attempts_total", backend="main", cause="backend_timeout") == 1
    assert sample(metrics, "gateway_backend_retries_total", cause="backend_timeout") == 1
    assert sample(metrics, "gateway_backend_latency_seconds_count", backend="main") == 1
    assert sample(metrics, "gateway_backend_latency_seconds_sum", backend="main") == 2


def test_the_state_of_backends_is_asked_for_when_somebody_scrapes() -> None:
    metrics = Metrics("1.2.3")
    metrics.backends = lambda: [
        BackendState("one", usable=True, probe_s=0.2, in_flight=3),
        BackendState("two", usable=False),
    ]
    metrics.list_ages_s = lambda: [("one", 12.0)]
    metrics.connection_limit = 1000
    metrics.breaker_states = lambda: [("two", "a", "open"), ("two", "b", "open")]
    assert sample(metrics, "gateway_backend_up", backend="one") == 1
    assert sample(metrics, "gateway_backend_up", backend="two") == 0
    assert sample(metrics, "gateway_backend_probe_seconds", backend="one") == 0.2
    assert sample(metrics, "gateway_backend_probe_seconds", backend="two") is None
    assert sample(metrics, "gateway_backend_requests_in_flight", backend="one") == 3
    assert sample(metrics, "gateway_backend_connections_limit") == 1000
    assert sample(metrics, "gateway_backend_list_age_seconds", backend="one") == 12
    assert sample(metrics, "gateway_breaker_state", backend="two", state="open") == 2


# Bounds


def test_ten_thousand_names_make_no_more_series_than_there_may_be() -> None:
    metrics = Metrics("1.2.3")
    for number in range(10_000):
        exchange = stream(backend_model=f"model-{number}", model=f"asked-{number}", key_name=f"key-{number}")
        exchange.route = f"/made-up/{number}"
        exchange.method = f"M{number}"
        finish(metrics, exchange)
    assert len(metrics.models) == MAX_MODELS + 1
    assert len(metrics.tokens) <= MAX_PAIRS + 1
    assert len(metrics.routes) <= MAX_ROUTES + 1
    assert sample(metrics, "gateway_time_to_first_chunk_seconds_count", model="other") == 10_000 - MAX_MODELS
    assert (sample(metrics, "gateway_labels_refused_total") or 0) >= 10_000 - MAX_MODELS
    text = generate_latest(metrics.registry)
    assert b"asked-" not in text, "the name that a client sent is no label"
    assert len(text) < 2_000_000


def test_pairs_of_model_and_key_are_bounded_too() -> None:
    metrics = Metrics("1.2.3")
    for model in range(MAX_MODELS):
        for key in range(20):
            finish(metrics, stream(backend_model=f"model-{model}", key_name=f"key-{key}"))
    assert len(metrics.tokens) == MAX_PAIRS + 1
    assert sum(numbers.output for numbers in metrics.tokens.values()) == 11 * 20 * MAX_MODELS


def test_names_that_cannot_be_shown_are_other() -> None:
    metrics = Metrics("1.2.3")
    for name in ("x" * 500, "line\nend", "lone\ud800surrogate", "", None):
        finish(metrics, stream(backend_model=name))
    assert list(metrics.models) == ["other"]
    generate_latest(metrics.registry)


def test_requests_in_flight_come_back_to_nothing_on_routes_that_are_other() -> None:
    metrics = Metrics("1.2.3")
    for number in range(2 * MAX_ROUTES):
        finish(metrics, Exchange("1", "GET", route=f"/made-up/{number}"))
    assert {numbers.in_flight for numbers in metrics.routes.values()} == {0}


# The rest


def test_the_build_and_the_uptime_are_told() -> None:
    text = generate_latest(Metrics("1.2.3").registry).decode()
    assert 'gateway_build_info{python="' in text
    assert 'version="1.2.3"' in text
    assert "gateway_uptime_seconds " in text


def test_every_family_has_a_name_of_ours_a_help_and_a_unit_at_its_end() -> None:
    metrics = Metrics("1.2.3")
    families = list(metrics.registry.collect())
    assert len({family.name for family in families}) == len(families)
    for family in families:
        assert family.name.startswith("gateway_")
        assert family.documentation.endswith(".")
        assert not family.name.endswith(("_total", "_count", "_sum", "_bucket", "_ms", "_milliseconds"))
