"""Places, and whose turn is next: fair among clients, and no place is ever lost."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.admission.fair_queue import FairQueue
from gateway.errors import BUSY, OverloadedError, RateLimitedError
from tests.support.backend import LONG_S


class Requests:
    """Requests of clients before one queue, each a task that holds its place until it is told to leave."""

    def __init__(self, queue: FairQueue) -> None:
        self.queue = queue
        self.tasks: list[asyncio.Task[None]] = []
        self.seated: list[tuple[str, asyncio.Event]] = []

    async def come(self, client: str, bound: int | None = None, times: int = 1) -> None:
        for _ in range(times):
            self.tasks.append(asyncio.create_task(self._request(client, bound)))
            await asyncio.sleep(0)

    async def leave(self, index: int = 0) -> str:
        """Have one of the running requests end; return its client."""
        client, leave = self.seated.pop(index)
        leave.set()
        await settled()
        return client

    async def _request(self, client: str, bound: int | None) -> None:
        if not self.queue.try_enter(client, bound):
            await self.queue.wait(client, bound)
        place = (client, asyncio.Event())
        self.seated.append(place)
        try:
            await place[1].wait()
        finally:
            if place in self.seated:
                self.seated.remove(place)
            self.queue.leave(client, 0.0)

    async def aclose(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


@asynccontextmanager
async def requests(places: int, max_waiting: int) -> AsyncIterator[Requests]:
    all_of_them = Requests(FairQueue(places, max_waiting))
    try:
        yield all_of_them
    finally:
        await all_of_them.aclose()
        queue = all_of_them.queue
        assert (queue.running, queue.waiting, queue.lines) == (0, 0, {})


async def settled() -> None:
    """Let everything run that can."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_as_many_run_as_there_are_places_and_the_others_follow_in_their_order() -> None:
    async with requests(2, 10) as ones:
        for client in "abcd":
            await ones.come(client)
        assert ([client for client, _ in ones.seated], list(ones.queue.lines)) == (["a", "b"], ["c", "d"])
        await ones.leave()
        assert [client for client, _ in ones.seated] == ["b", "c"]


async def test_a_thousand_waiting_requests_of_one_client_do_not_hold_up_another() -> None:
    async with requests(1, 2000) as ones:
        await ones.come("greedy", times=1001)
        await ones.come("modest", times=3)
        served = [await ones.leave() for _ in range(7)]
        assert served == ["greedy", *["greedy", "modest"] * 3]


async def test_clients_take_turns_however_many_requests_each_has_waiting() -> None:
    async with requests(1, 100) as ones:
        await ones.come("first")
        for client, times in (("a", 4), ("b", 1), ("c", 2)):
            await ones.come(client, times=times)
        served = [await ones.leave() for _ in range(8)]
        assert "".join(served[1:]) == "abcacaa"


async def test_a_full_queue_refuses_in_the_words_of_ollama_and_says_when_to_come_again() -> None:
    queue = FairQueue(1, 0)
    assert queue.try_enter("a")
    with pytest.raises(OverloadedError, match="maximum pending requests exceeded") as refusal:
        await queue.wait("b")
    assert (refusal.value.message, refusal.value.status) == (BUSY, 503)
    assert int(refusal.value.headers["Retry-After"]) >= 1


@pytest.mark.parametrize(("held_s", "said"), [(0.0, "1"), (10.0, "20"), (10_000.0, "60")])
async def test_who_is_refused_is_told_to_wait_about_as_long_as_the_queue_takes(held_s: float, said: str) -> None:
    async with requests(2, 4) as ones:
        for _ in range(100):
            assert ones.queue.try_enter("slow")
            ones.queue.leave("slow", held_s)
        await ones.come("greedy", times=6)
        with pytest.raises(OverloadedError) as refusal:
            await ones.queue.wait("greedy")
        assert refusal.value.headers["Retry-After"] == said


async def test_when_all_places_to_wait_are_taken_the_longest_line_makes_room() -> None:
    async with requests(1, 4) as ones:
        await ones.come("greedy", times=5)
        await ones.come("modest", times=2)
        await settled()
        assert ones.queue.lines == {"greedy": 2, "modest": 2}
        pushed_out = [task.exception() for task in ones.tasks[:5] if task.done()]
        assert [type(error) for error in pushed_out] == [OverloadedError, OverloadedError]
        assert [task.done() for task in ones.tasks[:5]] == [False, False, False, True, True], "the latest go first"
        for client in ("modest", "greedy"):
            with pytest.raises(OverloadedError):
                await ones.queue.wait(client)


async def test_a_client_that_leaves_while_it_waits_leaves_the_queue_at_once() -> None:
    async with requests(1, 10) as ones:
        await ones.come("a")
        await ones.come("b", times=2)
        await ones.come("c")
        ones.tasks[1].cancel()
        await settled()
        assert ones.queue.lines == {"b": 1, "c": 1}
        ones.tasks[2].cancel()
        assert [await ones.leave() for _ in range(2)] == ["a", "c"]


async def test_a_client_that_leaves_when_its_turn_has_just_come_hands_it_on() -> None:
    async with requests(1, 10) as ones:
        for client in "abc":
            await ones.come(client)
        ones.seated[0][1].set()
        await asyncio.sleep(0)
        assert ones.queue.lines == {"c": 1}, "b was let in, and does not know yet"
        ones.tasks[1].cancel()
        await settled()
        assert [client for client, _ in ones.seated] == ["c"]


async def test_a_client_waits_for_its_own_bound_while_others_pass() -> None:
    async with requests(3, 10) as ones:
        await ones.come("bound", bound=1, times=3)
        await ones.come("free", times=2)
        assert ([client for client, _ in ones.seated], ones.queue.waiting) == (["bound", "free", "free"], 2)
        assert await ones.leave(1) == "free"
        assert ones.queue.waiting == 2
        assert await ones.leave(0) == "bound"
        assert [client for client, _ in ones.seated] == ["free", "bound"]


async def test_a_bound_of_a_client_holds_where_there_is_no_other() -> None:
    async with requests(0, 10) as ones:
        await ones.come("bound", bound=2, times=5)
        await ones.come("free", times=20)
        assert (ones.queue.running, ones.queue.lines) == (22, {"bound": 3})


async def test_who_may_not_wait_for_its_own_bound_is_told_of_that_bound() -> None:
    queue = FairQueue(0, 0)
    assert queue.try_enter("a", 1)
    with pytest.raises(RateLimitedError, match="1 requests at once") as refusal:
        await queue.wait("a", 1)
    assert (refusal.value.status, refusal.value.headers) == (429, {"Retry-After": "1"})


STEPS = st.lists(
    st.tuples(st.sampled_from(["come", "come", "leave", "cancel", "tick"]), st.integers(0, 30), st.integers(0, 3)),
    max_size=80,
)


@given(steps=STEPS, places=st.integers(0, 3), max_waiting=st.integers(0, 6))
@settings(deadline=None, max_examples=300)
def test_no_place_is_lost_or_left_empty_however_clients_come_and_go(
    steps: list[tuple[str, int, int]], places: int, max_waiting: int
) -> None:
    asyncio.run(come_and_go(steps, places, max_waiting))


async def come_and_go(steps: list[tuple[str, int, int]], places: int, max_waiting: int) -> None:
    bounds = [0, 0, 1, 2]
    async with asyncio.timeout(LONG_S), requests(places, max_waiting) as ones:
        queue = ones.queue
        for step, index, client in steps:
            match step:
                case "come":
                    task = ones._request(str(client), bounds[client])
                    ones.tasks.append(asyncio.create_task(task))
                case "leave" if ones.seated:
                    ones.seated[index % len(ones.seated)][1].set()
                case "cancel" if ones.tasks:
                    ones.tasks[index % len(ones.tasks)].cancel()
                case "tick":
                    await asyncio.sleep(0)
            assert queue.waiting == sum(queue.lines.values()) <= max_waiting
            assert not places or queue.running <= places
        await settled()
        running = [client for client, _ in ones.seated]
        assert queue.running == len(running)
        assert all(not bound or running.count(str(client)) <= bound for client, bound in enumerate(bounds))
        assert (places and len(running) == places) or all(
            bounds[int(client)] and running.count(client) == bounds[int(client)] for client in queue.lines
        ), "a place is free, and somebody waits for it"
