"""Times are RFC 3339 in UTC, new for every chunk."""

from gateway.codecs.timestamps import Timestamps


def test_times_have_microseconds_and_follow_the_second() -> None:
    times = Timestamps()
    assert times.format(1_767_225_599_999_999_999) == "2025-12-31T23:59:59.999999Z"
    assert times.format(1_767_225_600_000_001_000) == "2026-01-01T00:00:00.000001Z"
    assert times.format(1_767_225_600_000_002_000) == "2026-01-01T00:00:00.000002Z"
