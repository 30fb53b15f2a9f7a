"""What may be said of figures that scatter."""

from math import isnan

import pytest

from benchmarks.guard import BETTER, PASSED, REGRESSED, UNDECIDED, judged
from benchmarks.noise import percentile, ratio, spread

NINE = [1.0, 1.1, 0.9, 1.05, 0.95, 1.02, 0.98, 1.01, 0.99]


def test_one_odd_round_of_nine_does_not_widen_the_interval() -> None:
    quiet, disturbed = spread([1.0] * 9), spread([1.0] * 8 + [50.0])
    assert (quiet.low, quiet.high) == (disturbed.low, disturbed.high) == (1.0, 1.0)


def test_ratios_are_taken_round_by_round() -> None:
    slow_and_fast_rounds = [1.0, 5.0, 2.0, 9.0, 3.0, 7.0]
    twice = ratio([2 * value for value in slow_and_fast_rounds], slow_and_fast_rounds)
    assert (twice.median, twice.noise) == (2.0, 0.0)
    assert twice.significant


def test_a_difference_smaller_than_the_noise_is_not_significant() -> None:
    close = ratio([1.02 * value for value in NINE], NINE[::-1])
    assert not close.significant
    assert "no difference" in close.verdict


def test_few_rounds_are_never_significant() -> None:
    twice = ratio([2.0] * 5, [1.0] * 5)
    assert not twice.significant
    assert "5 rounds" in twice.verdict


def test_rounds_that_were_not_measured_do_not_count() -> None:
    assert ratio([1.0, float("nan"), 3.0], [1.0, 1.0, 0.0]).rounds == 1
    assert isnan(ratio([], []).median)
    assert isnan(percentile([], 0.5))


@pytest.mark.parametrize(
    ("costs", "verdict"),
    [
        ([1.2] * 9, REGRESSED),
        ([1.02] * 9, PASSED),
        ([0.8] * 9, BETTER),
        ([1.2] * 5, UNDECIDED),
        ([0.6, 0.7, 0.8, 0.9, 1.04, 1.2, 1.3, 1.4, 1.5], UNDECIDED),
    ],
)
def test_the_guard_fails_beyond_the_noise_and_does_not_pass_within_it(costs: list[float], verdict: str) -> None:
    assert judged(ratio(costs, [1.0] * len(costs))) == verdict
