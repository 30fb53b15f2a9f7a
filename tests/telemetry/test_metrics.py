from prometheus_client import generate_latest

from gateway.errors import RequestError
from gateway.exchange import Dialect, Exchange
from gateway.telemetry.metrics import Metrics, quantile

MILLISECOND_NS = 1_000_000


def sample(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def finish(metrics: Metrics, exchange: Exchange, status: int = 200, duration_ns: int = 40 * MILLISECOND_NS) -> None:
    metrics.request_started(exchange.route)
    metrics.request_finished(exchange, status, duration_ns)


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


def test_the_time_to_the_first_chunk_is_only_there_where_there_was_one() -> None:
    metrics = Metrics("1.2.3")
    finish(metrics, Exchange("1", "GET", route="/plain"))
    finish(metrics, Exchange("2", "POST", route="/r", started_ns=0, first_chunk_ns=200 * MILLISECOND_NS))
    name = "gateway_time_to_first_chunk_seconds_bucket"
    assert sample(metrics, name, route="/r", le="0.1") == 0
    assert sample(metrics, name, route="/r", le="0.25") == 1
    assert sample(metrics, name, route="/plain", le="+Inf") is None


def test_errors_are_counted_by_kind() -> None:
    metrics = Metrics("1.2.3")
    finish(metrics, Exchange("1", "POST", route="/r", error_kind=RequestError.kind), 400)
    assert sample(metrics, "gateway_request_errors_total", route="/r", kind="bad_request") == 1


def test_chunks_tokens_and_attempts_add_up() -> None:
    metrics = Metrics("1.2.3")
    for _ in range(2):
        finish(metrics, Exchange("1", "POST", chunks=3, prompt_tokens=5, completion_tokens=7))
    finish(metrics, Exchange("2", "POST"))
    metrics.upstream_attempt("main", "ok")
    metrics.upstream_attempt("main", "backend_timeout")
    metrics.upstream_attempt("main", "ok")
    assert sample(metrics, "gateway_stream_chunks_total") == 6
    assert sample(metrics, "gateway_tokens_total", direction="prompt") == 10
    assert sample(metrics, "gateway_tokens_total", direction="completion") == 14
    assert sample(metrics, "gateway_backend_attempts_total", backend="main", cause="ok") == 2
    assert sample(metrics, "gateway_backend_attempts_total", backend="main", cause="backend_timeout") == 1


def test_the_build_and_the_uptime_are_told() -> None:
    text = generate_latest(Metrics("1.2.3").registry).decode()
    assert 'gateway_build_info{python="' in text
    assert 'version="1.2.3"' in text
    assert "gateway_uptime_seconds " in text


def test_the_summary_has_counts_and_percentiles_of_the_latest_requests() -> None:
    metrics = Metrics("1.2.3")
    for duration_ms in range(1, 101):
        finish(metrics, Exchange("1", "POST"), duration_ns=duration_ms * MILLISECOND_NS)
    finish(metrics, Exchange("1", "POST", error_kind="backend", prompt_tokens=4), 502, 100 * MILLISECOND_NS)
    metrics.request_started("/api/chat")
    summary = metrics.summary()
    assert (summary["requests"], summary["errors"], summary["in_flight"]) == (101, 1, 1)
    assert summary["tokens"] == {"prompt": 4, "completion": 0}
    assert summary["duration_s"] == {"p50": 0.051, "p95": 0.096, "p99": 0.1}


def test_the_buffer_of_durations_is_bounded() -> None:
    metrics = Metrics("1.2.3")
    for _ in range(5000):
        finish(metrics, Exchange("1", "POST"))
    assert len(metrics.recent_s) < 5000


def test_percentiles_of_nothing_are_unknown() -> None:
    assert quantile([], 0.5) is None
    assert quantile([3.0], 0.99) == 3.0
