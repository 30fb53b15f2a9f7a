"""Counts of a minute that slides: in memory, and in a real Redis."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis

from gateway.admission.counts import (
    REDIS_PREFIX,
    BoundedMemory,
    Counts,
    WindowCounts,
    local_counts,
    redis_counts,
    window_wait_s,
)
from gateway.redis_connections import redis_connections
from tests.admission.clock import Clock
from tests.support.redis_server import RedisServer


async def taken(counts: Counts, times: int, limit: int, name: str = "a") -> int:
    """Return how many of so many may be taken."""
    return sum([not await counts.take(name, limit) for _ in range(times)])


async def test_no_more_is_given_in_a_minute_than_the_limit() -> None:
    counts = local_counts(Clock())
    assert await taken(counts, 10, 3) == 3
    assert await taken(counts, 10, 3, "somebody else") == 3


async def test_a_minute_slides_so_that_its_edge_is_no_second_helping() -> None:
    clock = Clock(now_s=59.0)
    counts = local_counts(clock)
    assert await taken(counts, 10, 10) == 10
    clock.now_s = 61.0
    assert await taken(counts, 10, 10) == 1
    clock.now_s = 90.0
    assert await taken(counts, 10, 10) == 4
    clock.now_s = 240.0
    assert await taken(counts, 20, 10) == 10


@pytest.mark.parametrize("now_s", [0.0, 7.3, 30.0, 59.9])
@pytest.mark.parametrize("limit", [1, 2, 7, 60])
async def test_who_waits_as_long_as_it_is_told_is_served_and_hardly_sooner(now_s: float, limit: int) -> None:
    clock = Clock(now_s)
    counts = local_counts(clock)
    assert await taken(counts, limit, limit) == limit
    for _ in range(4):
        wait_s = await counts.take("a", limit)
        assert 0 < wait_s <= 120
        clock.now_s += wait_s - 0.01
        assert await counts.wait_s("a", limit) > 0
        clock.now_s += 0.02
        assert await counts.take("a", limit) == 0


async def test_more_than_the_limit_can_be_added_and_is_to_be_waited_for() -> None:
    clock = Clock()
    counts = local_counts(clock)
    assert await counts.wait_s("a", 100) == 0
    await counts.add("a", 100, 99)
    assert await counts.wait_s("a", 100) == 0, "something is left: the next may overshoot"
    await counts.add("a", 100, 901)
    wait_s = await counts.wait_s("a", 100)
    assert 60 < wait_s <= 120
    clock.now_s += wait_s
    assert await counts.wait_s("a", 100) == 0


@given(
    limit=st.integers(1, 1000),
    previous=st.integers(0, 5000),
    current=st.integers(0, 5000),
    left_s=st.floats(0.01, 60),
)
def test_the_wait_is_never_longer_than_two_minutes_and_nothing_where_something_is_left(
    limit: int, previous: int, current: int, left_s: float
) -> None:
    wait_s = window_wait_s(limit, previous, left_s if previous else 0.0, current, left_s + 60)
    assert 0 <= wait_s <= 120.01
    assert (wait_s == 0) == (int(previous * left_s / 60) + current < limit)


async def test_only_so_many_clients_are_remembered_and_the_oldest_are_forgotten() -> None:
    memory = BoundedMemory(max_clients=100, clock=Clock())
    counts = WindowCounts(memory)
    for number in range(1000):
        assert await counts.take(f"address:{number}", 1) == 0
        assert (await counts.take("address:0", 5) == 0) == (number < 5)
    assert len(memory) == 100
    assert await counts.take("address:999", 1) > 0
    assert await counts.take("address:500", 1) == 0


async def test_redis_counts_as_memory_does_and_forgets_after_two_minutes(
    redis_server: RedisServer, patience: None
) -> None:
    connections = redis_connections(redis_server.url, "REDIS_URL")
    counts = redis_counts(connections)
    assert await taken(counts, 10, 3) == 3
    assert 0 < await counts.wait_s("a", 3) <= 61
    await counts.add("b", 100, 1000)
    assert 60 < await counts.wait_s("b", 100) <= 120
    async with Redis.from_url(redis_server.url) as client:
        keys = await client.keys(f"{REDIS_PREFIX}:*")
        assert len(keys) == await client.dbsize() == 2
        for key in keys:
            assert 0 < await client.ttl(key) <= 120
    await connections.disconnect()
