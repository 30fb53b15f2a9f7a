"""Gates: who may ask a backend now, who waits, and who is sent away."""

import asyncio

import pytest

from gateway.backends.limits import Gate
from gateway.errors import OverloadedError, RateLimitedError


async def test_without_limits_everybody_goes_in() -> None:
    gate = Gate()
    for _ in range(1000):
        await gate.enter(0)
    assert (gate.in_flight, gate.full) == (1000, False)
    gate.leave()
    assert gate.in_flight == 999


async def test_at_most_so_many_are_in_at_once() -> None:
    gate = Gate(concurrency=3)
    most = 0

    async def visit() -> None:
        nonlocal most
        await gate.enter(10)
        most = max(most, gate.in_flight)
        await asyncio.sleep(0)
        gate.leave()

    await asyncio.gather(*(visit() for _ in range(50)))
    assert (most, gate.in_flight, gate.full) == (3, 0, False)


async def test_those_who_wait_go_in_in_their_order() -> None:
    gate = Gate(concurrency=1)
    await gate.enter(10)
    arrived: list[int] = []

    async def visit(number: int) -> None:
        await gate.enter(10)
        arrived.append(number)
        gate.leave()

    visits = [asyncio.create_task(visit(number)) for number in range(5)]
    await asyncio.sleep(0)
    gate.leave()
    await asyncio.gather(*visits)
    assert arrived == [0, 1, 2, 3, 4]


async def test_who_waits_too_long_gets_ollamas_words() -> None:
    gate = Gate(concurrency=1)
    await gate.enter(0)
    assert gate.full
    with pytest.raises(OverloadedError, match="server busy, please try again") as refused:
        await gate.enter(0.01)
    assert refused.value.headers["Retry-After"]
    gate.leave()
    await gate.enter(0)
    assert gate.in_flight == 1


async def test_who_leaves_the_queue_takes_no_place_with_him() -> None:
    gate = Gate(concurrency=1)
    await gate.enter(0)
    waiting = [asyncio.create_task(gate.enter(10)) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    gate.leave()  # hands the place to the first who still waits
    waiting[1].cancel()  # and he leaves at the very moment it was given to him
    await asyncio.wait(waiting)
    assert waiting[2].done()
    assert not waiting[2].cancelled()
    assert gate.in_flight == 1
    gate.leave()
    assert gate.in_flight == 0


async def test_a_rate_is_held() -> None:
    gate = Gate(requests_per_minute=3)
    for _ in range(3):
        assert not gate.full
        await gate.enter(0)
    assert gate.full
    with pytest.raises(RateLimitedError, match="3 requests a minute") as refused:
        await gate.enter(1)
    assert 15 <= int(refused.value.headers["Retry-After"]) <= 21
    assert gate.in_flight == 3


async def test_who_may_wait_for_the_rate_does(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr("gateway.backends.limits.asyncio.sleep", sleep)
    gate = Gate(requests_per_minute=60)
    for _ in range(62):
        await gate.enter(5)
    assert len(slept) == 2
    assert 0.9 < slept[0] < slept[1] < 2.1
