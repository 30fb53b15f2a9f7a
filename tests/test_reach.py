"""What may be away: waited for shortly, left alone, said once a minute."""

import asyncio
import json

import pytest

from gateway.reach import REST_S, Reach
from tests.admission.clock import Clock
from tests.support.backend import LONG_S
from tests.telemetry.capture import captured_logging


class Distant:
    """Answers, fails, or is silent, and counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.error: Exception | None = None

    async def __call__(self) -> str:
        self.asked += 1
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        return "answer"


async def test_what_answers_is_asked_every_time() -> None:
    distant, reach = Distant(), Reach("it", "without", longest_s=LONG_S)
    assert [await reach.ask(distant) for _ in range(3)] == ["answer"] * 3
    assert distant.asked == 3


async def test_what_fails_is_left_alone_and_then_one_asks_for_all() -> None:
    clock, missed = Clock(), list[None]()
    distant = Distant()
    reach = Reach("it", "without", longest_s=LONG_S, missed=lambda: missed.append(None), clock=clock)
    distant.error = ConnectionResetError()
    assert [await reach.ask(distant) for _ in range(3)] == [None] * 3
    assert (distant.asked, len(missed)) == (1, 1)
    clock.now_s += REST_S
    await asyncio.gather(*(reach.ask(distant) for _ in range(5)))
    assert (distant.asked, len(missed)) == (2, 2)
    distant.error = None
    clock.now_s += REST_S
    assert [await reach.ask(distant) for _ in range(3)] == ["answer"] * 3


async def test_what_is_silent_is_given_up() -> None:
    reach = Reach("it", "without", longest_s=0.01)

    async def silent() -> str:
        await asyncio.Event().wait()
        return "never"

    async with asyncio.timeout(LONG_S):
        assert await reach.ask(silent) is None


async def test_a_request_that_is_cancelled_meanwhile_says_nothing_about_it() -> None:
    distant, reach = Distant(), Reach("it", "without", longest_s=LONG_S)
    task = asyncio.create_task(reach.ask(distant))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await reach.ask(distant) == "answer"


async def test_the_log_says_once_a_minute_that_it_is_away_without_its_words_and_once_that_it_is_back() -> None:
    clock, distant = Clock(), Distant()
    reach = Reach("the shared count", "counting alone", longest_s=LONG_S, clock=clock)
    distant.error = ConnectionResetError("redis://:password-of-it@host")
    with captured_logging("INFO") as log:
        for _ in range(int(120 / REST_S) - 1):
            await reach.ask(distant)
            clock.now_s += REST_S
        distant.error = None
        await reach.ask(distant)
        await reach.ask(distant)
        lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [(line["level"], line["event"]) for line in lines] == [
        ("warning", "the shared count not reached: counting alone"),
        ("warning", "the shared count not reached: counting alone"),
        ("info", "the shared count is back"),
    ]
    assert b"password-of-it" not in log.getvalue()
