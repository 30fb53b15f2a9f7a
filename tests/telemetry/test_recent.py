from gateway.exchange import Exchange
from gateway.telemetry.recent import Recent
from tests.telemetry.test_metrics import MILLISECOND_NS, stream


def test_the_ring_holds_the_latest_and_no_more() -> None:
    recent = Recent(3)
    for number in range(5):
        recent.began(Exchange(f"req_{number}", "GET"))
    assert len(recent) == 3
    assert [exchange.request_id for exchange in recent] == ["req_4", "req_3", "req_2"]
    assert recent.find("req_1") is None


def test_a_timeline_tells_what_happened_in_order() -> None:
    recent = Recent()
    tries = [
        ("a", "backend_timeout", 12 * MILLISECOND_NS, 50 * MILLISECOND_NS),
        ("b", "ok", 51 * MILLISECOND_NS, 99 * MILLISECOND_NS),
    ]
    recent.began(
        stream(
            queued_ns=5 * MILLISECOND_NS, tries=tries, ended_ns=300 * MILLISECOND_NS, status=200, trace_id="ab" * 16,
            retry_causes=["backend_timeout"], waited_ns=40 * MILLISECOND_NS,
        )
    )  # fmt: skip
    found = recent.find("req_1")
    assert found is not None
    assert (found["state"], found["status"], found["duration_ms"], found["waited_ms"]) == ("ended", 200, 300.0, 45.0)
    assert found["events"] == [
        {"at_ms": 0.0, "event": "received"},
        {"at_ms": 0.0, "event": "queued", "for_ms": 5.0},
        {"at_ms": 10.0, "event": "asked"},
        {"at_ms": 12.0, "event": "attempt", "backend": "a", "outcome": "backend_timeout", "for_ms": 38.0},
        {"at_ms": 51.0, "event": "attempt", "backend": "b", "outcome": "ok", "for_ms": 48.0},
        {"at_ms": 100.0, "event": "first output"},
        {"at_ms": 200.0, "event": "first chunk"},
        {"at_ms": 300.0, "event": "ended"},
    ]


def test_a_request_that_runs_is_found_too_and_of_two_the_newest() -> None:
    recent = Recent()
    recent.began(Exchange("same", "GET", route="/old"))
    recent.began(Exchange("same", "GET", route="/new"))
    found = recent.find("same")
    assert found is not None
    assert (found["route"], found["state"]) == ("/new", "running")
    assert "status" not in found
