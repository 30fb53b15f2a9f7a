import asyncio
from contextlib import suppress
from time import monotonic_ns, sleep

import pytest

from gateway.exchange import Exchange
from gateway.telemetry.waiting import waiting


async def test_only_the_time_in_which_nothing_runs_is_a_wait() -> None:
    exchange = Exchange("1", "POST")

    async def works_and_waits() -> str:
        sleep(0.03)  # noqa: ASYNC251 - what is computed here is the point
        await asyncio.sleep(0.05)
        sleep(0.03)  # noqa: ASYNC251 - the same
        return "done"

    began_ns = monotonic_ns()
    assert await waiting(exchange, works_and_waits()) == "done"
    passed_ns = monotonic_ns() - began_ns
    # The timer of a loop may be a little early.
    assert exchange.waited_ns >= 45_000_000
    assert passed_ns - exchange.waited_ns >= 60_000_000


async def test_what_is_ready_costs_no_wait() -> None:
    exchange = Exchange("1", "POST")

    async def at_once() -> int:
        return 7

    assert await waiting(exchange, at_once()) == 7
    assert exchange.waited_ns == 0


async def test_errors_and_futures_pass() -> None:
    exchange = Exchange("1", "POST")
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(future.set_result, 5)
    assert await waiting(exchange, future) == 5

    async def fails() -> None:
        await asyncio.sleep(0)
        raise ValueError("as it was")

    with pytest.raises(ValueError, match="as it was"):
        await waiting(exchange, fails())


async def test_a_cancelled_wait_is_counted_and_what_is_awaited_is_told() -> None:
    exchange = Exchange("1", "POST")
    told: list[str] = []

    async def waits() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            told.append("cancelled")
            raise

    async def outer() -> None:
        await waiting(exchange, waits())

    task = asyncio.create_task(outer())
    await asyncio.sleep(0.02)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert task.cancelled()
    assert told == ["cancelled"]
    assert exchange.waited_ns > 0


async def test_a_timeout_around_it_works() -> None:
    exchange = Exchange("1", "POST")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await waiting(exchange, asyncio.sleep(30))
    assert exchange.waited_ns > 0
