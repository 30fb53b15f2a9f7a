import pytest

from gateway.web.rates import LONGEST_GAP_S, Point, Rates
from tests.web.made import totals


def second(first: dict[str, object], then: dict[str, object], passed_s: float = 2.0) -> Point | None:
    rates = Rates()
    assert rates.point(totals(**first), 100.0, 1.0) is None
    return rates.point(totals(**then), 100.0 + passed_s, 9.0)


def test_rates_are_what_was_added_by_the_time_it_took() -> None:
    found = second(
        {"requests": 10, "errors": 1, "output_tokens": 5}, {"requests": 16, "errors": 2, "output_tokens": 205}
    )
    assert found is not None
    assert (found["at_s"], found["requests"], found["errors"], found["tokens"]) == (9.0, 3.0, 0.5, 100.0)


def test_what_is_in_flight_or_waits_is_told_as_it_is() -> None:
    found = second({"in_flight": 7, "waiting": 2}, {"in_flight": 3, "waiting": 1})
    assert found is not None
    assert (found["in_flight"], found["waiting"]) == (3, 1)


def test_times_and_speeds_are_means_of_those_that_were_added() -> None:
    found = second(
        {"first_chunks": 2, "first_chunk_s": 8.0, "speeds": 1, "speeds_sum": 99.0},
        {"first_chunks": 6, "first_chunk_s": 9.0, "speeds": 3, "speeds_sum": 119.0},
    )
    assert found is not None
    assert (found["first_chunk_s"], found["speed"]) == (0.25, 10.0)


def test_where_no_stream_began_or_ended_there_is_no_mean() -> None:
    same: dict[str, object] = {"first_chunks": 2, "first_chunk_s": 8.0, "speeds": 1, "speeds_sum": 99.0}
    found = second(same, same)
    assert found is not None
    assert (found["first_chunk_s"], found["speed"]) == (None, None)


@pytest.mark.parametrize("passed_s", [LONGEST_GAP_S + 0.1, 0.0, -1.0])
def test_looks_too_far_apart_or_too_near_make_no_point(passed_s: float) -> None:
    assert second({"requests": 1}, {"requests": 2}, passed_s) is None


def test_after_a_gap_the_next_look_counts_from_there() -> None:
    rates = Rates()
    rates.point(totals(requests=0), 0.0, 0.0)
    rates.point(totals(requests=1000), 60.0, 60.0)
    found = rates.point(totals(requests=1004), 61.0, 61.0)
    assert found is not None
    assert found["requests"] == 4.0
