"""How long a slot waits before it starts another worker."""

from itertools import pairwise

import pytest

from gateway.slot import LONGEST_PAUSE_S, pause_s


def test_a_worker_that_had_served_is_replaced_at_once() -> None:
    assert pause_s(0) == 0


def test_pauses_double_and_are_bounded() -> None:
    pauses = [pause_s(deaths) for deaths in range(1, 9)]
    assert pauses[:3] == [0.5, 1.0, 2.0]
    assert all(after == min(2 * before, LONGEST_PAUSE_S) for before, after in pairwise(pauses))


@pytest.mark.parametrize("deaths", [100, 100_000])
def test_many_deaths_wait_no_longer(deaths: int) -> None:
    assert pause_s(deaths) == LONGEST_PAUSE_S
