import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import ExitStack

import pytest

from gateway.errors import OverloadedError
from gateway.web import feed as feed_module
from gateway.web.feed import MOST_POINTS, Feed, Viewer
from gateway.web.view import Moment
from tests.web.made import moment

SOON_S = 0.005
LONG_S = 20


class Looks:
    """Counts how often it is looked; `at_s` of a moment is its number."""

    def __init__(self) -> None:
        self.count = 0
        self.broken = False

    def __call__(self) -> Moment:
        self.count += 1
        if self.broken:
            raise ValueError("a look that fails")
        return moment(float(self.count))


@pytest.fixture
def looks() -> Looks:
    return Looks()


@pytest.fixture(autouse=True)
async def bounded() -> AsyncIterator[None]:
    """No test waits for ever."""
    async with asyncio.timeout(LONG_S):
        yield


def feed_of(looks: Looks, *, over: bool = False, most_viewers: int = 3) -> Feed:
    return Feed(looks, over=lambda: over, interval_s=SOON_S, most_viewers=most_viewers)


async def number(viewer: Viewer) -> int:
    said = await viewer.next()
    assert said is not None
    return int(json.loads(said)["at_s"])


async def test_one_look_serves_all_viewers(looks: Looks) -> None:
    feed = feed_of(looks)
    with feed.viewer() as one, feed.viewer() as two, feed.viewer() as three:
        for _ in range(5):
            assert len({await viewer.next() for viewer in (one, two, three)}) <= 2
        newest = await number(one)
    assert looks.count == newest


async def test_a_viewer_gets_each_moment_once_and_the_newest(looks: Looks) -> None:
    feed = feed_of(looks)
    with feed.viewer() as quick, feed.viewer() as slow:
        seen = [await number(quick) for _ in range(6)]
        assert seen == sorted(set(seen))
        assert await number(slow) >= seen[-1]


async def test_nobody_looks_where_nobody_watches(looks: Looks) -> None:
    feed = feed_of(looks)
    with feed.viewer() as viewer:
        await viewer.next()
    left = looks.count
    await asyncio.sleep(10 * SOON_S)
    assert looks.count == left
    with feed.viewer() as viewer:
        assert await number(viewer) == left + 1


async def test_more_viewers_than_there_may_be_are_refused_until_one_leaves(looks: Looks) -> None:
    feed = feed_of(looks, most_viewers=2)
    with ExitStack() as stack:
        stack.enter_context(feed.viewer())
        with feed.viewer(), pytest.raises(OverloadedError) as refused, feed.viewer():
            pass
        assert refused.value.headers is not None
        assert refused.value.headers["Retry-After"] == "10"
        with feed.viewer() as viewer:
            await viewer.next()


async def test_who_comes_later_gets_the_points_so_far(looks: Looks) -> None:
    feed = feed_of(looks)
    with feed.viewer() as viewer:
        assert json.loads(viewer.history) == []
        for _ in range(3):
            await viewer.next()
    with feed.viewer() as viewer:
        assert [point["at_s"] for point in json.loads(viewer.history)] == list(range(1, looks.count + 1))


async def test_the_points_that_are_kept_are_bounded(looks: Looks) -> None:
    feed = Feed(looks, over=lambda: False, interval_s=0)
    with feed.viewer() as viewer:
        while await number(viewer) <= MOST_POINTS + 5:
            pass
        assert len(json.loads(viewer.history)) == MOST_POINTS


async def test_a_look_that_fails_ends_nothing(looks: Looks) -> None:
    feed = feed_of(looks)
    with feed.viewer() as viewer:
        await viewer.next()
        looks.broken = True
        before = looks.count
        while looks.count < before + 2:
            await asyncio.sleep(SOON_S)
        looks.broken = False
        assert await number(viewer) > before


async def test_the_view_ends_when_the_process_stops(looks: Looks) -> None:
    stopping = asyncio.Event()
    feed = Feed(looks, over=stopping.is_set, interval_s=SOON_S)
    with feed.viewer() as viewer, feed.viewer() as waiting:
        await viewer.next()
        asyncio.get_running_loop().call_later(3 * SOON_S, stopping.set)
        while await waiting.next() is not None:
            pass
        assert await viewer.next() is None
    with feed.viewer() as late:
        assert await late.next() is None


async def test_the_view_ends_after_a_while(looks: Looks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "LONGEST_VIEW_S", 0.0)
    with feed_of(looks).viewer() as viewer:
        assert await viewer.next() is None


async def test_a_viewer_that_is_cancelled_takes_nothing_from_others(looks: Looks) -> None:
    feed = feed_of(looks)
    with feed.viewer() as stays:
        await stays.next()

        async def watch() -> None:
            with feed.viewer() as viewer:
                while await viewer.next() is not None:
                    pass

        task = asyncio.create_task(watch())
        await asyncio.sleep(3 * SOON_S)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        before = await number(stays)
        assert await number(stays) > before
