"""Feed: what the status page is told, looked up once a second for all who watch, and not at all while nobody does."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context
from time import monotonic

import msgspec

from gateway.errors import OverloadedError
from gateway.telemetry.logging import get_logger
from gateway.web.rates import Point
from gateway.web.view import Moment

INTERVAL_S = 1.0
MOST_VIEWERS = 32
MOST_POINTS = 180
LONGEST_VIEW_S = 600.0
"""How long one viewer is told before it must ask again: a key that was taken away is noticed by then."""
_FULL = "too many status pages are open already"

_log = get_logger("status_page")


class Feed:
    """Calls `look` every `interval_s` while there are viewers. `over` tells that the process is stopping.

    `most_viewers`: how many there may be, MOST_VIEWERS where it is None.
    """

    def __init__(
        self,
        look: Callable[[], Moment],
        *,
        over: Callable[[], bool],
        interval_s: float = INTERVAL_S,
        most_viewers: int | None = None,
    ) -> None:
        self._look = look
        self._over = over
        self._interval_s = interval_s
        self._most_viewers = MOST_VIEWERS if most_viewers is None else most_viewers
        self._viewers = 0
        self._points: deque[Point] = deque(maxlen=MOST_POINTS)
        self._task: asyncio.Task[None] | None = None
        self._said: str | None = None
        self._number = 0
        self._tick = asyncio.Event()

    @contextmanager
    def viewer(self) -> Iterator["Viewer"]:
        """Have the feed run for one viewer. Raises OverloadedError where there are too many."""
        if self._viewers >= self._most_viewers:
            raise OverloadedError(_FULL, headers={"Retry-After": "10"})
        self._viewers += 1
        if self._task is None:
            # An empty context: it serves all viewers, so it must not carry the first one's request id.
            self._task = asyncio.create_task(self._run(), name="status-page", context=Context())
        try:
            yield Viewer(self)
        finally:
            self._viewers -= 1
            if not self._viewers:
                self._task.cancel()
                self._task = self._said = None

    @property
    def history(self) -> str:
        """The points of the last minutes in which anybody watched, as JSON."""
        return msgspec.json.encode(list(self._points)).decode()

    async def next(self, seen: int) -> tuple[int, str] | None:
        """Return the newest moment after number `seen`, with its number; None where the process stops."""
        while self._said is None or self._number == seen:
            if self._over():
                return None
            await self._tick.wait()
        return None if self._over() else (self._number, self._said)

    async def _run(self) -> None:
        while not self._over():
            try:
                self._publish(self._look())
            except Exception:  # noqa: BLE001 - not foreseen; but viewers would wait for ever for a loop that ended
                _log.exception("status page failed")
            await asyncio.sleep(self._interval_s)
        self._wake()

    def _publish(self, moment: Moment) -> None:
        if moment["point"] is not None:
            self._points.append(moment["point"])
        self._said = msgspec.json.encode(moment).decode()
        self._number += 1
        self._wake()

    def _wake(self) -> None:
        tick, self._tick = self._tick, asyncio.Event()
        tick.set()


class Viewer:
    """One who watches: gets the newest moment each time, so that a slow one skips some and holds up nobody."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._seen = -1
        self._until_s = monotonic() + LONGEST_VIEW_S

    @property
    def history(self) -> str:
        """What a plot can begin with."""
        return self._feed.history

    async def next(self) -> str | None:
        """Wait for the next moment and return it as JSON; None at the end."""
        if monotonic() >= self._until_s or (told := await self._feed.next(self._seen)) is None:
            return None
        self._seen, said = told
        return said
