"""Breakers of several processes: a failure counts for all, one probe is enough, and one of them tells people."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from itertools import count
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.backends import shared_breakers
from gateway.backends.breaker import IN_A_ROW, LONGEST_S, MAX_BREAKERS, WINDOW, Breakers, State
from gateway.backends.shared_breakers import Notice, SharedBreakers


class Clock:
    """A clock that the test moves, and that every look moves by a little."""

    now_s = 1000.0

    def __call__(self) -> float:
        self.now_s += 1e-6
        return self.now_s


class Member:
    """One process. `told` are its notices as they went out, `changes` what its people were told."""

    def __init__(self, family: "Family", who: int) -> None:
        self.changes: list[State] = []
        self.told: list[Notice] = []
        self.breakers = Breakers(family.clock, lambda _backend, _model, state: self.changes.append(state))
        self._family = family
        self.shared = SharedBreakers(self.breakers, self._tell, known=family.known.__contains__, who=who)

    def _tell(self, notice: Notice) -> None:
        self.told.append(notice)
        self._family.sent.append(msgspec.json.encode(notice))

    def fail(self, times: int = 1, probe: int = 0) -> None:
        for _ in range(times):
            self.breakers.failed("a", "m", probe)

    def ask(self) -> int:
        return self.breakers.asked("a", "m", 60)

    @property
    def blocks(self) -> bool:
        return self.breakers.blocks("a", "m")

    @property
    def states(self) -> list[State]:
        return [state for *_, state in self.breakers.not_closed()]


class Family:
    """Some processes, and what they sent that nobody heard yet; `deaf`: whatever is sent is lost."""

    def __init__(self, members: int = 2) -> None:
        self.clock = Clock()
        self.known = {"a", "b"}
        self.sent: list[bytes] = []
        self.deaf = False
        self.members = [Member(self, number) for number in range(1, members + 1)]

    async def talk(self) -> None:
        """Have all say what they have to say, and hear it, until nobody has anything to say."""
        quiet = 0
        while quiet < 2:
            await asyncio.sleep(2 * shared_breakers.TELL_EVERY_S)
            quiet = 0 if self.sent else quiet + 1
            await self.hear()

    async def hear(self) -> None:
        sent, self.sent = self.sent, []
        for data in sent if not self.deaf else ():
            for member in self.members:
                await member.shared.hear(msgspec.json.decode(data))


@pytest.fixture(autouse=True, scope="module")
def _in_quick_succession() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shared_breakers, "TELL_EVERY_S", 0.0005)
        yield


@pytest.fixture
async def family() -> AsyncIterator[Family]:
    made = Family()
    yield made
    for member in made.members:
        member.shared.close()


async def opened(family: Family) -> tuple[Member, Member]:
    """Have the first one open it; return both."""
    first, second = family.members
    first.fail(IN_A_ROW)
    await family.talk()
    return first, second


async def test_failures_spread_over_processes_open_all_of_them_and_one_tells(family: Family) -> None:
    first, second = family.members
    for member in (first, second, first, second):
        member.fail()
        await family.talk()
        assert not first.blocks
        assert not second.blocks
    first.fail()
    assert first.blocks
    await family.talk()
    assert second.blocks
    assert not second.breakers.all_closed
    assert (first.changes, second.changes) == ([State.OPEN], [])
    assert first.breakers.opens_again_s("a", "m") == second.breakers.opens_again_s("a", "m")


async def test_failures_at_one_time_open_it_once(family: Family) -> None:
    first, second = family.members
    first.fail(3)
    second.fail(3)
    await family.talk()
    assert first.blocks
    assert second.blocks
    assert first.changes + second.changes == [State.OPEN]


async def test_processes_that_open_it_at_one_time_say_so_once(family: Family) -> None:
    first, second = family.members
    first.fail(50)
    second.fail(50)
    await family.talk()
    assert first.changes + second.changes == [State.OPEN]
    assert sum(len(member.told) for member in family.members) == 2


async def test_a_good_answer_of_one_starts_the_row_of_all_anew(family: Family) -> None:
    first, second = family.members
    first.fail(IN_A_ROW - 1)
    await family.talk()
    second.breakers.succeeded("a", "m")
    await family.talk()
    first.fail(IN_A_ROW - 1)
    await family.talk()
    assert not first.blocks
    assert not second.blocks
    second.fail()
    assert second.blocks


async def test_good_answers_of_all_thin_out_what_failed(family: Family) -> None:
    first, second = family.members
    for _ in range(3 * WINDOW):
        first.fail()
        await family.talk()
        for _ in range(2):
            second.breakers.succeeded("a", "m")
        await family.talk()
        assert not first.blocks
        assert not second.blocks


async def test_one_probes_for_all_and_a_good_answer_closes_all(family: Family) -> None:
    first, second = await opened(family)
    family.clock.now_s += 1.1
    assert not second.blocks
    assert second.ask()
    assert not first.blocks, "not heard yet"
    await family.talk()
    assert first.blocks
    assert first.ask() == 0
    assert first.states == second.states == [State.HALF_OPEN]
    second.breakers.began("a", "m")
    await family.talk()
    assert first.states == second.states == []
    assert first.breakers.all_closed
    assert second.breakers.all_closed
    assert (first.changes, second.changes) == ([State.OPEN], [State.CLOSED])


async def test_a_probe_of_another_that_fails_doubles_the_time_of_all(family: Family) -> None:
    waits = []
    members = await opened(family)
    for number in range(6):
        prober, other = members[number % 2], members[1 - number % 2]
        began_s = family.clock.now_s
        family.clock.now_s = other.breakers.opens_again_s("a", "m")
        waits.append(round(family.clock.now_s - began_s))
        probe = prober.ask()
        await family.talk()
        prober.fail(probe=probe)
        await family.talk()
        assert other.blocks
    assert waits == [1, 2, 4, 8, 15, 15]
    assert sum(len(member.changes) for member in members) == 7


async def test_a_probe_that_was_left_can_be_made_by_another(family: Family) -> None:
    first, second = await opened(family)
    family.clock.now_s += 1.1
    probe = first.ask()
    await family.talk()
    first.breakers.left("a", "m", probe)
    await family.talk()
    assert not second.blocks
    assert second.ask()


async def test_a_probe_of_a_process_that_is_gone_can_be_made_by_another(family: Family) -> None:
    first, second = await opened(family)
    family.clock.now_s += 1.1
    assert first.ask()
    await family.talk()
    assert second.blocks
    await second.shared.hear({"who": 7, "gone": True})
    assert second.blocks, "another one is gone"
    await second.shared.hear({"who": 1, "gone": True})
    assert not second.blocks
    assert second.ask()
    await second.shared.hear({"who": 1, "gone": True})
    assert second.blocks, "it is not that one's probe any more"


async def test_two_that_probe_at_one_time_each_decide_and_end_up_alike(family: Family) -> None:
    first, second = await opened(family)
    family.clock.now_s += 1.1
    probes = first.ask(), second.ask()
    assert all(probes)
    await family.talk()
    first.fail(probe=probes[0])
    assert first.states == [State.OPEN]
    await family.talk()
    assert second.states == [State.OPEN]
    second.breakers.began("a", "m")
    await family.talk()
    assert not first.blocks
    assert not second.blocks


async def test_what_was_asked_before_another_probed_no_longer_decides(family: Family) -> None:
    first, second = await opened(family)
    family.clock.now_s += 1.1
    old = first.ask()
    await family.talk()
    family.clock.now_s += 61
    assert second.ask()
    await family.talk()
    again_s = second.breakers.opens_again_s("a", "m")
    first.fail(probe=old)
    first.breakers.left("a", "m", old)
    await family.talk()
    assert first.blocks
    assert second.blocks
    assert second.breakers.opens_again_s("a", "m") == again_s


async def test_an_older_change_does_not_undo_a_newer_one(family: Family) -> None:
    first, second = await opened(family)
    family.clock.now_s += 1.1
    assert first.ask()
    second.breakers.began("a", "m")
    await family.talk()
    assert first.states == second.states == []


async def test_a_closing_that_is_heard_before_an_older_opening_holds_for_who_knew_of_neither() -> None:
    family = Family(3)
    first, second, third = family.members
    first.fail(IN_A_ROW)
    second.fail(IN_A_ROW)
    first.breakers.began("a", "m")
    await family.talk()
    assert first.states == second.states == third.states == []


async def test_a_check_that_finds_the_backend_again_is_enough_for_all(family: Family) -> None:
    first, second = await opened(family)
    first.breakers.recovered("a")
    await family.talk()
    assert not second.blocks
    before = len(first.told)
    first.breakers.recovered("a")
    await family.talk()
    assert len(first.told) == before


async def test_nobody_tells_on_what_it_heard(family: Family) -> None:
    first, second = await opened(family)
    assert second.told == []
    family.clock.now_s += 1.1
    first.breakers.left("a", "m", first.ask())
    await family.talk()
    first.breakers.began("a", "m")
    await family.talk()
    assert second.told == []


async def test_healthy_places_tell_nothing(family: Family) -> None:
    first, second = family.members
    for _ in range(10):
        first.ask()
        first.breakers.began("a", "m")
        first.breakers.succeeded("a", "m")
    await family.talk()
    first.fail()
    await family.talk()
    for _ in range(WINDOW):
        first.breakers.succeeded("a", "m")
    await family.talk()
    told = len(first.told)
    for _ in range(10):
        second.breakers.succeeded("a", "m")
        first.breakers.succeeded("a", "m")
    await family.talk()
    assert len(first.told) == told, "what failed is forgotten, and good answers tell nothing any more"
    assert second.told == []


async def test_a_flood_of_failures_is_a_few_notices(family: Family, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = family.members
    monkeypatch.setattr(shared_breakers, "TELL_EVERY_S", 0.05)
    began_s = asyncio.get_running_loop().time()
    for number in range(2000):
        first.breakers.failed("a", f"m{number % 100}")
        first.breakers.succeeded("a", f"m{number % 100}")
        if not number % 20:
            await asyncio.sleep(0)
            await family.hear()
    await family.talk()
    lasted_s = asyncio.get_running_loop().time() - began_s
    assert len(first.told) <= lasted_s / shared_breakers.TELL_EVERY_S + 2
    assert second.states == first.states


async def test_notices_that_are_lost_harm_nobody(family: Family, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_breakers, "HEARD_WITHIN_S", 0.02)
    family.deaf = True
    first, second = await opened(family)
    assert first.blocks
    assert not second.blocks
    await asyncio.sleep(0.03)
    assert first.changes == [State.OPEN], "announced, though nobody said who was first"
    family.deaf = False
    second.fail(IN_A_ROW)
    await family.talk()
    assert second.changes == [State.OPEN]
    family.clock.now_s += 1.1
    second.ask()
    second.breakers.began("a", "m")
    await family.talk()
    assert first.states == second.states == []


async def test_what_opens_and_closes_at_once_is_told_in_this_order(family: Family) -> None:
    first, second = family.members
    first.fail(IN_A_ROW)
    first.breakers.began("a", "m")
    await family.talk()
    assert first.changes == [State.OPEN, State.CLOSED]
    assert second.changes == second.states == []


async def test_other_news_of_another_do_not_silence_the_own(family: Family) -> None:
    first, _ = family.members
    first.fail(IN_A_ROW)
    await first.shared.hear({"who": 9, "places": [["a", "m", ["closed", 1.0, 0.0, 0.0, 0, 9], 0, 0, True]]})
    await family.talk()
    assert first.changes == [State.OPEN]
    assert first.blocks


async def test_good_answers_of_others_make_no_breaker(family: Family) -> None:
    first, second = family.members
    first.fail()
    await family.talk()
    second.breakers.keep({"b"})
    first.breakers.succeeded("a", "m")
    await family.talk()
    assert second.breakers.get(("a", "m")) is None


async def test_the_end_tells_what_is_left(family: Family) -> None:
    first, second = family.members
    first.fail(IN_A_ROW)
    first.shared.close()
    await family.hear()
    assert first.changes == [State.OPEN]
    assert second.blocks


STANDING = ["open", 1.0, 2.0, 0.0, 1, 9]


@pytest.mark.parametrize(
    "payload",
    [
        None,
        7,
        [],
        {},
        {"who": "x"},
        {"who": 9, "places": [["a", "m", ["ajar", *STANDING[1:]]]]},
        {"who": 9, "places": [["a", "m", STANDING[:3]]]},
        {"who": 9, "places": [["a", "m", None, WINDOW + 1, 1]]},
        {"who": 9, "places": [["a", "m", None, 1, -1]]},
        {"who": 9, "places": [["a", "m", None, 5, 31], ["a"]]},
        {"who": 9, "places": [["a", None]]},
    ],
)
async def test_what_is_no_notice_changes_nothing(family: Family, payload: Any) -> None:
    first, _ = family.members
    with pytest.raises(msgspec.ValidationError):
        await first.shared.hear(payload)
    if payload != []:
        with pytest.raises(msgspec.ValidationError):
            first.shared.learn(payload)
    assert list(first.breakers.not_clean()) == []


async def test_times_of_another_clock_do_not_close_a_place_for_good(family: Family) -> None:
    first, second = family.members
    await first.shared.hear({"who": 9, "places": [["a", "m", ["open", 9e9, 9e9, 0.0, 10**9, 9], 0, 0, True]]})
    assert first.blocks
    family.clock.now_s += LONGEST_S + 1
    assert not first.blocks
    second.fail(IN_A_ROW)
    second.breakers.began("a", "m")
    await family.talk()
    assert first.states == []


async def test_a_notice_of_a_later_version_is_read_as_far_as_it_is_known(family: Family) -> None:
    first, _ = family.members
    told = ["a", "m", [*STANDING, "more"], 0, 0, True, "more"]
    await first.shared.hear({"who": 9, "more": 1, "places": [told]})
    assert first.states == [State.HALF_OPEN]


async def test_backends_of_others_that_are_not_ours_are_left_alone(family: Family) -> None:
    first, second = family.members
    family.known = {"b"}
    first.shared = SharedBreakers(first.breakers, first._tell, known=family.known.__contains__, who=1)
    second.fail(IN_A_ROW)
    await family.talk()
    assert first.states == []
    assert second.blocks


async def test_what_a_reload_drops_is_no_longer_told(family: Family) -> None:
    first, second = family.members
    first.fail(IN_A_ROW)
    first.breakers.keep({"b"})
    await family.talk()
    first.breakers.failed("b", "m")
    first.breakers.keep(set())
    await family.talk()
    assert first.states == second.states == []
    first.fail(IN_A_ROW)
    await family.talk()
    assert second.blocks, "a breaker that began anew is believed"


async def test_the_number_of_breakers_is_bounded_by_what_is_heard_too(family: Family) -> None:
    first, second = family.members
    for number in range(MAX_BREAKERS + 100):
        second.breakers.failed("a", f"m{number}")
    await family.talk()
    assert len(first.breakers._breakers) == MAX_BREAKERS


async def test_one_that_starts_later_knows_what_the_others_know(family: Family) -> None:
    first, _ = await opened(family)
    first.breakers.failed("b", "m")
    first.breakers.failed("b", "n")
    await family.talk()
    late = Member(family, 3)
    family.members.append(late)
    known = msgspec.json.decode(msgspec.json.encode(await first.shared.now()))
    first.breakers.failed("b", "n")
    await family.talk()
    late.shared.learn(known)
    assert late.blocks
    assert late.changes == []
    for _ in range(IN_A_ROW - 1):
        late.breakers.failed("b", "m")
    assert late.breakers.blocks("b", "m")
    assert {place for place, _ in late.breakers.not_clean()} == {("b", "n"), ("a", "m"), ("b", "m")}


EVENTS = ["ask", "fail", "begin", "succeed", "leave", "wait", "hear", "gone"]


@given(st.lists(st.tuples(st.sampled_from(EVENTS), st.integers(0, 2)), max_size=120))
def test_whatever_happens_all_end_up_alike_and_use_a_place_that_answers_again(story: list[tuple[str, int]]) -> None:
    asyncio.run(told(story))


async def told(story: list[tuple[str, int]]) -> None:
    family = Family(3)
    for member in family.members:
        # As soon as it is due: what is tested is the order, not the pace.
        member.shared._told_s = float("-inf")
    running: list[list[int]] = [[0], [0], [0]]
    for number, (event, who) in zip(count(), story):
        member, asked = family.members[who], running[who]
        match event:
            case "ask":
                asked.append(member.ask())
            case "fail":
                member.fail(probe=asked[number % len(asked)])
            case "begin":
                member.breakers.began("a", "m")
            case "succeed":
                member.breakers.succeeded("a", "m")
            case "leave":
                member.breakers.left("a", "m", asked[number % len(asked)])
            case "wait":
                family.clock.now_s += 3.0
            case "hear":
                await asyncio.sleep(0)
                await family.hear()
            case "gone":
                for other in family.members:
                    await other.shared.hear({"who": who + 1, "gone": True})
    await family.talk()
    assert len({tuple(member.states) for member in family.members}) == 1
    family.clock.now_s += 61.0
    for member in family.members:
        assert not member.blocks
    family.members[0].ask()
    family.members[0].breakers.began("a", "m")
    family.members[0].breakers.succeeded("a", "m")
    await family.talk()
    assert all(member.states == [] and not member.blocks for member in family.members)
    for member in family.members:
        member.shared.close()
