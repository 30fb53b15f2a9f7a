from gateway.exchange import Exchange
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.summary import Latest, Summary, Totals, presented, quantile, shared, summary_of
from tests.telemetry.test_metrics import MILLISECOND_NS, finish, stream


def test_the_summary_has_counts_rates_and_percentiles_of_the_latest_requests() -> None:
    metrics = Metrics("1.2.3")
    for duration_ms in range(1, 101):
        finish(metrics, Exchange("1", "POST"), duration_ns=duration_ms * MILLISECOND_NS)
    finish(metrics, stream(error_kind="backend"), 502, 100 * MILLISECOND_NS)
    metrics.request_started("/api/chat")
    summary = presented([summary_of(metrics)])
    assert (summary["requests"], summary["errors"], summary["in_flight"]) == (101, 1, 1)
    assert summary["error_share"] == round(1 / 101, 6)
    assert summary["tokens"] == {"input": 5, "output": 11}
    assert summary["duration_s"] == {"p50": 0.051, "p95": 0.096, "p99": 0.1}
    assert summary["first_chunk_s"] == {"p50": 0.2, "p95": 0.2, "p99": 0.2}


def test_rates_are_of_the_time_since_they_were_last_noted() -> None:
    now, before = Totals(at_s=70.0, requests=1000, output_tokens=5000), Totals(at_s=10.0, requests=400, errors=0)
    summary = presented([Summary(now, before, 0, Latest())])
    rates = summary["per_second"]
    assert isinstance(rates, dict)
    assert (rates["requests"], rates["output_tokens"], rates["errors"]) == (10.0, 83.333, 0.0)


def test_rates_forget_what_is_long_ago() -> None:
    metrics = Metrics("1.2.3")
    finish(metrics, Exchange("1", "POST"))
    for _ in range(3):
        metrics.rates.note(metrics)
    assert metrics.rates.before.requests == 1


def test_the_summaries_of_several_processes_are_one() -> None:
    one = Summary(Totals(10.0, 4, 1), Totals(), 1, Latest((0.1, 0.2), (), ()))
    other = Summary(Totals(20.0, 6, 1), Totals(), 2, Latest((0.3,), (), ()))
    summary = presented([one, other])
    assert (summary["requests"], summary["errors"], summary["in_flight"], summary["processes"]) == (10, 2, 3, 2)
    assert (summary["error_share"], summary["uptime_s"]) == (0.2, 20.0)
    assert summary["duration_s"] == {"p50": 0.2, "p95": 0.3, "p99": 0.3}


def test_the_buffer_of_durations_has_its_size_and_no_more() -> None:
    metrics = Metrics("1.2.3", buffer_size=7)
    for number in range(50):
        finish(metrics, stream(), duration_ns=number)
    assert list(metrics.recent_ns) == list(range(43, 50))
    assert len(metrics.recent_first_ns) == len(metrics.recent_overhead_ns) == 7


def test_what_is_told_to_others_is_bounded() -> None:
    times = tuple(map(float, range(100_000)))
    latest = shared(Summary(Totals(), Totals(), 0, Latest(times, times, times))).latest
    assert len(latest.duration) == len(latest.overhead) == 4096
    assert latest.duration[-1] == 99_999.0


def test_percentiles_of_nothing_are_unknown() -> None:
    assert quantile([], 0.5) is None
    assert quantile([3.0], 0.99) == 3.0
