"""Turns are shared by weight, exactly, and nobody makes up for long."""

from collections import Counter

import pytest

from gateway.backends.turns import Turns


def taken(turns: Turns, times: int) -> Counter[int]:
    """Take whose turn it is, so many times."""
    found: Counter[int] = Counter()
    for _ in range(times):
        at = turns.next()
        turns.take(at)
        found[at] += 1
    return found


@pytest.mark.parametrize(
    ("weights", "unit"),
    [([1], 1), ([1, 1], 1), ([3, 1], 1), ([5, 3, 2], 1), ([0.5, 0.25], 0.25), ([1] * 100, 1), ([100, 1], 1)],
)
def test_every_round_has_each_as_often_as_it_weighs(weights: list[float], unit: float) -> None:
    turns = Turns(weights)
    for _ in range(50):
        found = taken(turns, round(sum(weights) / unit))
        assert [found[at] for at in range(len(weights))] == [round(weight / unit) for weight in weights]


def test_heavy_ones_take_turns_with_the_others_rather_than_all_theirs_at_once() -> None:
    turns = Turns([5, 1, 1])
    row = ""
    for _ in range(14):
        at = turns.next()
        turns.take(at)
        row += "abc"[at]
    assert "aaaaaa" not in row
    assert row[:7] != "aaaaabc"


def test_who_was_passed_over_is_next_but_makes_up_for_two_turns_at_most() -> None:
    turns = Turns([1, 1, 1])
    for _ in range(1000):
        assert turns.next() == 0
        turns.take(1)
    assert taken(turns, 6)[0] <= 4
    assert all(abs(times - 100) <= 1 for times in taken(turns, 300).values())


def test_turns_taken_out_of_turn_are_held_against_one_for_two_turns_at_most() -> None:
    turns = Turns([1, 1])
    for _ in range(1000):
        turns.take(1)
    assert taken(turns, 8)[1] >= 2


def test_another_one_is_another_one_by_weight() -> None:
    turns = Turns([1, 2, 5])
    found = Counter(turns.other(2) for _ in range(6000))
    assert set(found) == {0, 1}
    assert found[1] / found[0] == pytest.approx(2, rel=0.2)
    assert {turns.other(0) for _ in range(500)} == {1, 2}
    assert {Turns([1, 1]).other(at) for at in (0, 1) for _ in range(50)} == {0, 1}


@pytest.mark.parametrize("chance", [0.0, 0.999999999999, 1.0])
@pytest.mark.parametrize("weights", [[0.1] * 10, [1, 1], [0.3, 0.1, 0.2]])
def test_no_rounding_makes_another_one_the_same(
    monkeypatch: pytest.MonkeyPatch, weights: list[float], chance: float
) -> None:
    monkeypatch.setattr("gateway.backends.turns.random.random", lambda: chance)
    turns = Turns(weights)
    for at in range(len(weights)):
        other = turns.other(at)
        assert other != at
        assert 0 <= other < len(weights)


def test_what_is_kept_does_not_grow_with_the_turns() -> None:
    turns = Turns([1] * 10)
    for _ in range(10_000):
        turns.take(turns.other(turns.next()))
    assert len(turns._heap) <= 41
