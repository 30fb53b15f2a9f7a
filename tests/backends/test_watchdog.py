"""The one timer of an answer."""

import asyncio

import pytest

from gateway.backends.watchdog import Watchdog
from gateway.errors import UpstreamTimeoutError
from tests.support.backend import LONG_S


class Expired:
    """Keeps what a watchdog reported."""

    def __init__(self) -> None:
        self.errors: list[UpstreamTimeoutError] = []
        self._event = asyncio.Event()

    def __call__(self, error: UpstreamTimeoutError) -> None:
        self.errors.append(error)
        self._event.set()

    async def first(self) -> UpstreamTimeoutError:
        """Wait for the report."""
        async with asyncio.timeout(LONG_S):
            await self._event.wait()
        return self.errors[0]


@pytest.mark.parametrize(
    ("clock", "text"),
    [
        ("first_token", "the backend did not begin to answer within 0.02 s"),
        ("idle", "the backend fell silent in its answer for 0.02 s"),
        ("total", "the backend did not finish its answer within 0.02 s"),
    ],
)
async def test_the_error_names_the_clock_that_ran_out(clock: str, text: str) -> None:
    expired = Expired()
    watchdog = Watchdog(expired)
    watchdog.expect(clock, 0.02)
    watchdog.watch()
    error = await expired.first()
    assert (error.clock, error.message, error.status) == (clock, text, 504)
    watchdog.close()


async def test_it_expires_once() -> None:
    expired = Expired()
    watchdog = Watchdog(expired)
    watchdog.expect("idle", 0.01)
    watchdog.watch()
    await expired.first()
    await asyncio.sleep(0.05)
    assert len(expired.errors) == 1
    watchdog.close()


async def test_a_deadline_that_is_moved_expires_at_its_new_time() -> None:
    loop, expired = asyncio.get_running_loop(), Expired()
    watchdog = Watchdog(expired)
    watchdog.expect("idle", 0.05)
    watchdog.watch()
    started = loop.time()
    watchdog.expect("idle", 0.2)
    watchdog.watch()
    await expired.first()
    assert loop.time() - started > 0.15
    watchdog.close()


async def test_a_shorter_clock_takes_the_place_of_a_longer_one() -> None:
    expired = Expired()
    watchdog = Watchdog(expired)
    watchdog.expect("first_token", 1000)
    watchdog.watch()
    watchdog.expect("idle", 0.01)
    assert (await expired.first()).clock == "idle"
    watchdog.close()


async def test_a_paused_clock_does_not_run_out() -> None:
    expired = Expired()
    watchdog = Watchdog(expired)
    watchdog.expect("idle", 0.01)
    watchdog.watch()
    watchdog.pause()
    await asyncio.sleep(0.05)
    assert expired.errors == []
    watchdog.expect("idle", 0.01)
    watchdog.watch()
    assert (await expired.first()).clock == "idle"
    watchdog.close()


async def test_a_closed_one_does_not_expire() -> None:
    expired = Expired()
    watchdog = Watchdog(expired)
    watchdog.expect("idle", 0.01)
    watchdog.watch()
    watchdog.close()
    watchdog.close()
    await asyncio.sleep(0.05)
    assert expired.errors == []


async def test_moving_a_deadline_makes_no_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    made: list[float] = []
    call_at = loop.call_at

    def counting(when: float, *args: object) -> asyncio.TimerHandle:
        made.append(when)
        return call_at(when, *args)  # type: ignore[arg-type]  # handed through as they came

    monkeypatch.setattr(loop, "call_at", counting)
    watchdog = Watchdog(Expired())
    for _ in range(1000):
        watchdog.expect("idle", 60)
        watchdog.watch()
        watchdog.pause()
    assert len(made) == 1
    watchdog.close()


async def test_nothing_runs_out_before_somebody_waits() -> None:
    expired = Expired()
    watchdog = Watchdog(expired)
    watchdog.expect("total", 0.01)
    await asyncio.sleep(0.05)
    assert not expired.errors
    watchdog.watch()
    assert (await expired.first()).clock == "total"
    watchdog.close()
