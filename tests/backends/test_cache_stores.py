"""Where answers are kept: for how long, how many, and what happens when Redis is away."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.backends.cache_stores import REDIS_PREFIX, CacheStore, MemoryStore, RedisStore, open_store
from gateway.reach import REST_S
from tests.support.backend import LONG_S
from tests.support.redis_server import RedisServer
from tests.telemetry.capture import captured_logging

ONE, TWO, THREE = b"1" * 32, b"2" * 32, b"3" * 32
PASSWORD = "redis-password-8b4f"


class Clock:
    """Seconds that only the test moves."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def counted() -> list[str]:
    """What a store counted."""
    return []


@pytest.fixture
async def store(redis_server: RedisServer, counted: list[str]) -> AsyncIterator[RedisStore]:
    """A store in that Redis; its clock stands still."""
    store = open_store(redis_server.url, ttl_s=60, max_bytes=1, count=counted.append)
    assert isinstance(store, RedisStore)
    yield store
    await store.aclose()


async def test_memory_keeps_what_was_written_until_its_time_is_over() -> None:
    clock = Clock()
    store = MemoryStore(ttl_s=10, max_bytes=10_000, clock=clock)
    await store.write(ONE, b"first")
    assert await store.read([TWO, ONE]) == [None, b"first"]
    clock.now_s += 9
    assert await store.read([ONE]) == [b"first"]
    clock.now_s += 1
    assert await store.read([ONE]) == [None]


async def test_memory_is_bounded_in_bytes_and_what_was_not_asked_for_longest_goes_first() -> None:
    store = MemoryStore(ttl_s=10, max_bytes=10_000)
    for key in (ONE, TWO):
        await store.write(key, b"x" * 4000)
    await store.read([ONE])
    await store.write(THREE, b"x" * 4000)
    assert [value is not None for value in await store.read([ONE, TWO, THREE])] == [True, False, True]
    for number in range(200):
        await store.write(b"%032d" % number, b"")
    assert store.size_bytes <= 10_000


async def test_memory_takes_nothing_that_is_larger_than_all_its_room() -> None:
    store = MemoryStore(ttl_s=10, max_bytes=1000)
    await store.write(ONE, b"x")
    await store.write(TWO, b"x" * 1000)
    assert await store.read([ONE, TWO]) == [b"x", None]


async def test_redis_keeps_what_was_written_for_its_time(store: RedisStore, redis_server: RedisServer) -> None:
    await store.write(ONE, b"\x00first\xff")
    assert await store.read([TWO, ONE]) == [None, b"\x00first\xff"]
    from redis.asyncio import Redis

    async with Redis.from_url(redis_server.url) as client:
        assert await client.keys() == [REDIS_PREFIX + ONE.hex().encode()]
        assert 0 < await client.pttl(REDIS_PREFIX + ONE.hex().encode()) <= 60_000


async def test_redis_forgets_what_is_too_old(redis_server: RedisServer) -> None:
    store = open_store(redis_server.url, ttl_s=0.02, max_bytes=1)
    await store.write(ONE, b"first")
    async with asyncio.timeout(LONG_S):
        while await store.read([ONE]) != [None]:
            await asyncio.sleep(0.01)
    await store.aclose()


async def test_redis_that_is_away_is_no_error_and_is_warned_of_once_a_minute(
    redis_server: RedisServer, counted: list[str]
) -> None:
    clock = Clock()
    store = open_store(redis_server.url, ttl_s=60, max_bytes=1, count=counted.append, clock=clock)
    await store.write(ONE, b"first")
    redis_server.stop()
    with captured_logging("INFO") as log:
        for asked in range(3):
            assert await store.read([ONE]) == [None]
            await store.write(ONE, b"second")
            assert counted == ["error"] * (asked + 1), "the write came while Redis was left alone"
            clock.now_s += REST_S
        assert len(log.getvalue().splitlines()) == 1
        clock.now_s += 60
        assert await store.read([ONE]) == [None]
        assert len(log.getvalue().splitlines()) == 2
        redis_server.start()
        clock.now_s += REST_S
        await store.write(ONE, b"third")
        assert await store.read([ONE]) == [b"third"]
        said = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [line["level"] for line in said] == ["warning", "warning", "info"]
    await store.aclose()


async def test_redis_that_was_restarted_is_used_at_once(store: RedisStore, redis_server: RedisServer) -> None:
    await store.write(ONE, b"first")
    redis_server.stop()
    redis_server.start()
    await store.write(TWO, b"second")
    assert await store.read([ONE, TWO]) == [None, b"second"]


async def test_redis_that_never_answers_is_left_alone(counted: list[str]) -> None:
    connections = 0

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.read()
        writer.close()

    async with await asyncio.start_server(hang, "127.0.0.1", 0) as server:
        clock = Clock()
        url = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        store = open_store(url, ttl_s=60, max_bytes=1, count=counted.append, clock=clock)
        async with asyncio.timeout(LONG_S):
            assert await store.read([ONE]) == [None]
            before = connections
            for _ in range(50):
                assert await store.read([ONE]) == [None]
            assert (connections, counted) == (before, ["error"])
            clock.now_s += REST_S
            await asyncio.gather(*(store.read([ONE]) for _ in range(5)))
        assert counted == ["error"] * 2, "only one asks whether it is back"
        await store.aclose()


async def test_redis_that_refuses_the_password_is_no_error(tmp_path: Path, counted: list[str]) -> None:
    server = RedisServer(tmp_path, password=PASSWORD)
    server.start()
    try:
        for url, kept in ((server.url, b"first"), (server.url.replace(PASSWORD, "wrong"), None)):
            with captured_logging("INFO") as log:
                store = open_store(url, ttl_s=60, max_bytes=1, count=counted.append)
                await store.write(ONE, b"first")
                assert await store.read([ONE]) == [kept]
                await store.aclose()
            assert PASSWORD.encode() not in log.getvalue()
        assert counted == ["error"]
    finally:
        server.stop()


async def test_a_read_that_is_cancelled_leaves_no_answer_behind_for_the_next(store: RedisStore) -> None:
    await store.write(ONE, b"x" * 1_000_000)
    await store.write(TWO, b"second")
    for turns in range(20):
        task = asyncio.ensure_future(store.read([ONE]))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert await store.read([TWO]) == [b"second"]


async def test_a_write_goes_on_when_its_request_ends(redis_server: RedisServer) -> None:
    store = open_store(redis_server.url, ttl_s=60, max_bytes=1)
    write = asyncio.ensure_future(store.write(ONE, b"first"))
    await asyncio.sleep(0)
    write.cancel()
    await asyncio.gather(write, return_exceptions=True)
    assert write.cancelled()
    await store.aclose()
    again = open_store(redis_server.url, ttl_s=60, max_bytes=1)
    assert await again.read([ONE]) == [b"first"]
    await again.aclose()


@pytest.mark.parametrize(
    "url", [f"http://:{PASSWORD}@h", "memory", f"redis://:{PASSWORD}@h:port", f"redis://:{PASSWORD}@h/0?nonsense=1", ""]
)
async def test_an_address_that_cannot_be_used_is_refused_without_being_quoted(url: str) -> None:
    with pytest.raises(ValueError, match="CACHE_URL") as refusal:
        open_store(url, ttl_s=60, max_bytes=1)
    assert PASSWORD not in str(refusal.value)


async def test_redis_without_its_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)
    with pytest.raises(ValueError, match=r"install ollama-openai-proxy\[redis\]"):
        open_store("redis://127.0.0.1:1", ttl_s=60, max_bytes=1)


async def test_memory_in_any_case_is_memory() -> None:
    store: CacheStore = open_store("Memory://", ttl_s=60, max_bytes=1000)
    assert isinstance(store, MemoryStore)
    await store.write(ONE, b"x")
    await store.aclose()
    assert await store.read([ONE]) == [None]
