"""What one worker tells all of them through their supervisor."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from gateway.channel import Channel
from gateway.lifecycle import Lifecycle
from gateway.relay import Relay


class Worker:
    """The worker's end of a channel, and what it heard."""

    def __init__(self, who: int) -> None:
        self.who = who
        self.heard: list[Any] = []
        self.channel: Channel

    async def hear(self, payload: Any) -> None:
        self.heard.append(payload)


@asynccontextmanager
async def workers(relay: Relay, count: int) -> AsyncIterator[list[Worker]]:
    """Yield workers that are linked with a supervisor."""
    made = [Worker(number) for number in range(count)]
    ends: list[Channel] = []
    tasks: list[asyncio.Task[None]] = []
    for worker in made:
        mine, theirs = socket.socketpair()
        ends.append(end := await Channel.over(mine, {"t": relay.pass_on}))
        worker.channel = await Channel.over(theirs, {"t": worker.hear})
        relay.join(worker.who, end)
        tasks += [asyncio.create_task(channel.listen()) for channel in (end, worker.channel)]
    yield made
    for channel in [*ends, *(worker.channel for worker in made)]:
        channel.close()
    await asyncio.gather(*tasks)


async def heard(made: list[Worker], count: int) -> list[list[Any]]:
    """Wait until each has heard so much; return it."""
    async with asyncio.timeout(10):
        while any(len(worker.heard) < count for worker in made):
            await asyncio.sleep(0.001)
    return [worker.heard for worker in made]


async def test_all_hear_the_same_in_the_same_order_whoever_told_it() -> None:
    async with workers(Relay("t"), 3) as made:
        for number in range(50):
            for worker in made:
                worker.channel.tell("t", [worker.who, number])
            await asyncio.sleep(0)
        first, *others = await heard(made, 150)
        assert others == [first, first]
        assert [number for who, number in first if who == 1] == list(range(50))


async def test_the_others_hear_that_one_is_gone_once() -> None:
    relay = Relay("t")
    async with workers(relay, 2) as made:
        relay.leave(1)
        relay.leave(1)
        relay.leave(7)
        made[0].channel.tell("t", "after")
        assert (await heard(made[:1], 2))[0] == [{"who": 1, "gone": True}, "after"]
        assert made[1].heard == []


async def test_one_that_has_closed_its_end_keeps_nobody_from_hearing() -> None:
    async with workers(Relay("t"), 2) as made:
        made[1].channel.close()
        made[0].channel.tell("t", 1)
        await asyncio.sleep(0.01)
        made[0].channel.tell("t", 2)
        assert (await heard(made[:1], 2))[0] == [1, 2]


async def test_without_a_supervisor_nobody_hears() -> None:
    Lifecycle().tell("t", 1)
