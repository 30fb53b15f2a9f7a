"""The channel between two processes, here over a socket pair within one."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway import channel as module
from gateway.channel import Channel, ChannelError, Topic
from gateway.lifecycle import Lifecycle

PATIENCE_S = 30.0


@asynccontextmanager
async def connected(topics: dict[str, Topic]) -> AsyncIterator[tuple[Channel, Channel, asyncio.Task[None]]]:
    """Yield the end that asks, the end that answers `topics`, and the task in which it does."""
    one, two = socket.socketpair()
    asking, answering = await Channel.over(one, {}), await Channel.over(two, topics)
    tasks = [asyncio.create_task(end.listen()) for end in (asking, answering)]
    try:
        yield asking, answering, tasks[1]
    finally:
        asking.close()
        answering.close()
        await asyncio.gather(*tasks)


async def double(payload: Any) -> Any:
    return payload * 2


async def fail(payload: Any) -> Any:
    raise LookupError("no luck")


async def test_a_question_is_answered_and_many_at_one_time_are_not_mixed_up() -> None:
    async with connected({"double": double}) as (asking, _, _):
        assert await asyncio.gather(*(asking.ask("double", number) for number in range(50))) == [
            number * 2 for number in range(50)
        ]


async def test_who_asks_what_nobody_answers_is_told_so() -> None:
    async with connected({"fail": fail}) as (asking, _, _):
        with pytest.raises(ChannelError, match="nobody answers about 'weather'"):
            await asking.ask("weather")
        with pytest.raises(ChannelError, match="LookupError: no luck"):
            await asking.ask("fail")


async def test_a_slow_answer_is_not_waited_for_and_comes_late_without_harm() -> None:
    go_on = asyncio.Event()

    async def slow(_: Any) -> str:
        await go_on.wait()
        return "late"

    async with connected({"slow": slow, "double": double}) as (asking, _, _):
        with pytest.raises(ChannelError, match=r"no answer about 'slow' within 0\.02 s"):
            await asking.ask("slow", timeout_s=0.02)
        go_on.set()
        assert await asking.ask("double", 2) == 4


async def test_a_notice_is_heard_and_has_no_answer() -> None:
    heard: asyncio.Queue[Any] = asyncio.Queue()

    async def hear(payload: Any) -> None:
        await heard.put(payload)

    async with connected({"news": hear}) as (asking, _, _):
        asking.tell("news", {"a": 1})
        asking.tell("nobody listens to this")
        assert await asyncio.wait_for(heard.get(), PATIENCE_S) == {"a": 1}


async def test_when_the_other_end_closes_nobody_waits_any_longer() -> None:
    async def never(_: Any) -> None:
        await asyncio.Event().wait()

    async with connected({"never": never}) as (asking, answering, _):
        asked = asyncio.create_task(asking.ask("never", timeout_s=PATIENCE_S))
        await asyncio.sleep(0.05)
        answering.close()
        with pytest.raises(ChannelError, match="the other process is gone"):
            await asked
        with pytest.raises(ChannelError, match="gone"):
            await asking.ask("never")
        asking.tell("never")


@pytest.mark.parametrize(
    "sent", [b"this is no frame\n", b'{"id": "one"}\n', b"x" * 9_000_000], ids=["no JSON", "no frame", "long"]
)
async def test_what_is_no_frame_closes_the_channel(sent: bytes) -> None:
    mine, theirs = socket.socketpair()
    channel = await Channel.over(theirs, {})
    _, writer = await asyncio.open_unix_connection(sock=mine)
    writer.write(sent)
    await asyncio.wait_for(channel.listen(), PATIENCE_S)
    with pytest.raises(ChannelError):
        await channel.ask("anything")
    writer.close()


async def test_a_frame_that_is_too_long_is_refused_and_the_channel_goes_on() -> None:
    async def much(_: Any) -> str:
        return "x" * module.FRAME_BYTES

    async with connected({"much": much, "double": double}) as (asking, _, _):
        with pytest.raises(ChannelError, match="the frame is too long"):
            await asking.ask("double", "x" * module.FRAME_BYTES)
        with pytest.raises(ChannelError, match="the frame is too long"):
            await asking.ask("much")
        assert await asking.ask("double", 2) == 4


async def test_the_number_of_questions_that_wait_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 2)

    async def never(_: Any) -> None:
        await asyncio.Event().wait()

    async with connected({"never": never}) as (asking, _, _):
        waiting = [asyncio.create_task(asking.ask("never", timeout_s=PATIENCE_S)) for _ in range(2)]
        await asyncio.sleep(0.05)
        with pytest.raises(ChannelError, match="too many questions wait"):
            await asking.ask("never")
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


# Without a supervisor


async def test_a_process_alone_collects_from_itself_and_has_nobody_to_ask() -> None:
    lifecycle = Lifecycle()
    lifecycle.topics["double"] = double
    assert await lifecycle.collect("double", 2) == [4]
    with pytest.raises(ChannelError, match="there is no supervisor"):
        await lifecycle.ask("double", 2)
