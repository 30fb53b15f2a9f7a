"""Breakers: when they open, whom they let through, when they close."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.backends.breaker import IN_A_ROW, LONGEST_S, MAX_BREAKERS, WINDOW, Breakers, State


class Clock:
    """A clock that the test moves."""

    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def changes() -> list[tuple[str, str, State]]:
    return []


@pytest.fixture
def breakers(clock: Clock, changes: list[tuple[str, str, State]]) -> Breakers:
    return Breakers(clock, lambda *change: changes.append(change))


def fail(breakers: Breakers, times: int = IN_A_ROW) -> None:
    for _ in range(times):
        breakers.failed("a", "m")


def test_some_failures_in_a_row_open_it_and_fewer_do_not(breakers: Breakers, changes: list[Any]) -> None:
    fail(breakers, IN_A_ROW - 1)
    assert not breakers.blocks("a", "m")
    fail(breakers, 1)
    assert breakers.blocks("a", "m")
    assert changes == [("a", "m", State.OPEN)]


def test_a_success_in_between_starts_the_row_anew(breakers: Breakers) -> None:
    fail(breakers, IN_A_ROW - 1)
    breakers.succeeded("a", "m")
    fail(breakers, IN_A_ROW - 1)
    assert not breakers.blocks("a", "m")


def test_failing_every_second_time_opens_it_as_well(breakers: Breakers) -> None:
    for _ in range(WINDOW // 2):
        assert not breakers.blocks("a", "m")
        breakers.succeeded("a", "m")
        breakers.failed("a", "m")
    assert breakers.blocks("a", "m")


def test_other_models_and_backends_are_not_concerned(breakers: Breakers) -> None:
    fail(breakers)
    assert not breakers.blocks("a", "n")
    assert not breakers.blocks("b", "m")


def test_after_its_time_one_request_probes_and_a_good_answer_closes_it(
    breakers: Breakers, clock: Clock, changes: list[Any]
) -> None:
    fail(breakers)
    clock.now_s += 1.1
    assert not breakers.blocks("a", "m")
    breakers.asked("a", "m", 60)
    assert breakers.blocks("a", "m"), "a second request goes there while the probe is under way"
    assert [state for *_, state in breakers.not_closed()] == [State.HALF_OPEN]
    breakers.began("a", "m")
    assert not breakers.blocks("a", "m")
    assert list(breakers.not_closed()) == []
    assert [state for *_, state in changes] == [State.OPEN, State.CLOSED]


def test_a_probe_that_fails_doubles_the_time_up_to_a_bound(breakers: Breakers, clock: Clock) -> None:
    fail(breakers)
    waits = []
    for _ in range(8):
        began_s = clock.now_s
        clock.now_s = breakers.opens_again_s("a", "m")
        waits.append(clock.now_s - began_s)
        assert not breakers.blocks("a", "m")
        breakers.failed("a", "m", breakers.asked("a", "m", 60))
        assert breakers.blocks("a", "m")
    assert waits == [1.0, 2.0, 4.0, 8.0, *[LONGEST_S] * 4]


def test_a_probe_whose_client_left_makes_room_for_another(breakers: Breakers, clock: Clock) -> None:
    fail(breakers)
    clock.now_s += 2
    probe = breakers.asked("a", "m", 60)
    assert breakers.blocks("a", "m")
    breakers.left("a", "m", probe)
    assert not breakers.blocks("a", "m")


def test_only_one_request_is_the_probe_and_only_it_decides(breakers: Breakers, clock: Clock) -> None:
    fail(breakers)
    older = breakers.asked("a", "m", 60)
    clock.now_s += 2
    probe = breakers.asked("a", "m", 60)
    assert probe
    later = breakers.asked("a", "m", 60)
    assert older == later == 0, "what goes there all the same, since it is the only place, is no probe"
    again_s = breakers.opens_again_s("a", "m")
    for other in (older, later):
        breakers.left("a", "m", other)
        assert breakers.blocks("a", "m"), "a second probe passes while the first is under way"
        breakers.failed("a", "m", other)
        breakers.succeeded("a", "m")
        assert (breakers.opens_again_s("a", "m"), breakers.blocks("a", "m")) == (again_s, True)
    breakers.failed("a", "m", probe)
    assert breakers.opens_again_s("a", "m") == clock.now_s + 2


def test_a_probe_that_took_too_long_no_longer_decides(breakers: Breakers, clock: Clock) -> None:
    fail(breakers)
    clock.now_s += 2
    first = breakers.asked("a", "m", 60)
    clock.now_s += 61
    second = breakers.asked("a", "m", 60)
    breakers.left("a", "m", first)
    breakers.failed("a", "m", first)
    assert breakers.blocks("a", "m")
    breakers.began("a", "m")
    assert second != first
    assert not breakers.blocks("a", "m")


def test_failures_before_the_probe_prolong_nothing(breakers: Breakers, clock: Clock) -> None:
    fail(breakers)
    clock.now_s += 2
    fail(breakers, 3)
    assert not breakers.blocks("a", "m")
    assert breakers.asked("a", "m", 60)


def test_a_stream_that_ends_well_does_not_close_what_opened_since_it_began(breakers: Breakers) -> None:
    fail(breakers)
    breakers.succeeded("a", "m")
    assert breakers.blocks("a", "m")


def test_a_probe_that_never_ends_does_not_block_for_ever(breakers: Breakers, clock: Clock) -> None:
    fail(breakers)
    clock.now_s += 2
    breakers.asked("a", "m", 60)
    clock.now_s += 61
    assert not breakers.blocks("a", "m")


def test_failures_of_requests_that_were_under_way_prolong_nothing(breakers: Breakers) -> None:
    fail(breakers)
    again_s = breakers.opens_again_s("a", "m")
    fail(breakers, 50)
    assert breakers.opens_again_s("a", "m") == again_s


def test_a_backend_that_answers_a_check_is_probed_at_once(breakers: Breakers) -> None:
    fail(breakers)
    breakers.recovered("b")
    assert breakers.blocks("a", "m")
    breakers.recovered("a")
    assert not breakers.blocks("a", "m")


def test_a_healthy_place_leaves_nothing_behind_and_the_number_is_bounded(breakers: Breakers) -> None:
    breakers.succeeded("a", "m")
    breakers.began("a", "m")
    assert not breakers._breakers
    for number in range(MAX_BREAKERS + 100):
        breakers.failed("a", f"m{number}")
    assert len(breakers._breakers) == MAX_BREAKERS
    breakers.keep({"b"})
    assert not breakers._breakers


@given(st.lists(st.sampled_from(["ask", "fail", "begin", "succeed", "leave", "wait"]), max_size=200))
def test_whatever_happens_a_place_that_answers_again_is_used_again(story: list[str]) -> None:
    clock = Clock()
    breakers = Breakers(clock)
    running = [0]
    for number, event in enumerate(story):
        match event:
            case "ask":
                running.append(breakers.asked("a", "m", 60))
            case "fail":
                breakers.failed("a", "m", running[number % len(running)])
            case "begin":
                breakers.began("a", "m")
            case "succeed":
                breakers.succeeded("a", "m")
            case "leave":
                breakers.left("a", "m", running[number % len(running)])
            case "wait":
                clock.now_s += 3.0
    clock.now_s += 61.0
    assert not breakers.blocks("a", "m")
    breakers.asked("a", "m", 60)
    breakers.began("a", "m")
    breakers.succeeded("a", "m")
    assert not breakers.blocks("a", "m")
