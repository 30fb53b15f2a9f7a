"""What the breakers of several processes tell each other: a failure counts for all of them, and one probe is enough."""

import asyncio
import os
from collections.abc import Callable, Iterator
from contextvars import Context, copy_context
from typing import Annotated, Any

import msgspec

from gateway.backends.breaker import WINDOW, Breakers, Place, Standing, State

TELL_EVERY_S = 0.01
"""Notices are at least this far apart, each with all that happened since: a flood of failures makes few of them."""
HEARD_WITHIN_S = 1.0
"""How long a notice may take to come back until what it tells is announced all the same."""
_LATEST = (1 << WINDOW) - 1


class Told(msgspec.Struct, array_like=True):
    """What happened at a place: its new standing, if it has one, then `answers`, the bits of which are set in `failed`.

    `news`: the breaker opened or closed.
    """

    backend: str
    model: str
    standing: Standing | None = None
    answers: Annotated[int, msgspec.Meta(ge=0, le=WINDOW)] = 0
    failed: Annotated[int, msgspec.Meta(ge=0, le=_LATEST)] = 0
    news: bool = False

    @property
    def place(self) -> Place:
        """The backend and the model."""
        return self.backend, self.model


class Notice(msgspec.Struct, omit_defaults=True):
    """What one process, `who`, tells all of them. `gone`: it is no longer there, as whoever passes notices on tells."""

    who: int
    places: tuple[Told, ...] = ()
    gone: bool = False


class _Untold:
    """What happened at a place since the last notice."""

    __slots__ = ("answers", "changed", "failed", "news")

    def __init__(self) -> None:
        self.answers = self.failed = 0
        self.changed = self.news = False


class SharedBreakers:
    """Tells all processes what `breakers` learn, by `tell`, and `breakers` what others do, by `hear`.

    `tell` sends a notice to all, this process included, in one order, or loses it: nothing fails for it, and until it
    arrives each process goes by what it has seen itself. That a notice comes back says who was first where several
    processes open a breaker at one time: that one alone writes and counts it.

    `known` tells whether a backend is one of ours: others may have read the configuration earlier, or later.
    """

    def __init__(
        self,
        breakers: Breakers,
        tell: Callable[[Notice], None],
        *,
        known: Callable[[str], bool] = lambda _: True,
        who: int | None = None,
    ) -> None:
        self._breakers = breakers
        self._tell = tell
        self._known = known
        self._who = who if who is not None else os.getpid()
        self._untold: dict[Place, _Untold] = {}
        self._unannounced: dict[Place, tuple[State, Context]] = {}
        self._telling: asyncio.TimerHandle | None = None
        self._announcing: asyncio.TimerHandle | None = None
        self._told_s = 0.0
        breakers.others = self

    def answered(self, place: Place, *, failed: bool) -> None:
        """Take an answer that a closed breaker counted."""
        untold = self._untold_of(place)
        untold.answers = min(WINDOW, untold.answers + 1)
        untold.failed = (untold.failed << 1 | failed) & _LATEST

    def changed(self, place: Place, *, news: bool) -> None:
        """Take another standing: the answers before it no longer count."""
        untold = self._untold_of(place)
        untold.answers = untold.failed = 0
        untold.changed = True
        if news and (breaker := self._breakers.get(place)) is not None:
            untold.news = True
            self._announce(place)
            self._unannounced[place] = breaker.state, copy_context()
            if self._announcing is None:
                loop = asyncio.get_running_loop()
                self._announcing = loop.call_later(HEARD_WITHIN_S, self._announce_all, context=Context())

    async def hear(self, payload: Any) -> None:
        """Take a notice. Raises msgspec.ValidationError for what is none, and nothing has changed."""
        notice = msgspec.convert(payload, Notice)
        if notice.gone:
            self._breakers.gone(notice.who)
        for told in notice.places:
            if told.news and told.standing is not None:
                self._hear_news(told.place, told.standing.state, own=notice.who == self._who)
            if notice.who != self._who:
                self._hear(told)

    async def now(self, _payload: Any = None) -> tuple[Told, ...]:
        """Return what a process is to know that begins now."""
        return tuple(self._all())

    def learn(self, payload: Any) -> None:
        """Begin with what another process answered about `now`.

        Raises msgspec.ValidationError for what is no such answer, and nothing has changed.
        """
        for told in msgspec.convert(payload, tuple[Told, ...]):
            self._hear(told)

    def close(self) -> None:
        """Tell and announce what is left, and stop."""
        if self._telling is not None:
            self._telling.cancel()
            self._tell_all()
        self._announce_all()

    def _untold_of(self, place: Place) -> _Untold:
        untold = self._untold.get(place)
        if untold is None:
            untold = self._untold[place] = _Untold()
            if self._telling is None:
                loop = asyncio.get_running_loop()
                at_s = max(loop.time(), self._told_s + TELL_EVERY_S)
                self._telling = loop.call_at(at_s, self._tell_all, context=Context())
        return untold

    def _tell_all(self) -> None:
        self._telling = None
        self._told_s = asyncio.get_running_loop().time()
        untold, self._untold = self._untold, {}
        self._tell(Notice(self._who, tuple(self._told(place, one) for place, one in untold.items())))

    def _told(self, place: Place, untold: _Untold) -> Told:
        # One that was forgotten meanwhile has nothing to tell.
        breaker = self._breakers.get(place) if untold.changed else None
        standing = breaker.standing(self._who) if breaker is not None else None
        return Told(*place, standing, untold.answers, untold.failed, untold.news)

    def _all(self) -> Iterator[Told]:
        for place, breaker in self._breakers.not_clean():
            if breaker.state is State.CLOSED:
                yield Told(*place, answers=WINDOW, failed=breaker.recent)
            else:
                yield Told(*place, breaker.standing(self._who))

    def _hear(self, told: Told) -> None:
        if self._known(told.backend):
            self._breakers.hear(told.place, told.standing, told.answers, told.failed)

    def _hear_news(self, place: Place, state: State, *, own: bool) -> None:
        """Announce what this process told, unless another one told the same before: that one announces it."""
        waiting = self._unannounced.get(place)
        if waiting is None or waiting[0] is not state:
            return
        if own:
            self._announce(place)
        else:
            del self._unannounced[place]
            self._settle()

    def _announce(self, place: Place) -> None:
        if (waiting := self._unannounced.pop(place, None)) is not None:
            state, context = waiting
            context.run(self._breakers.announce, *place, state)
            self._settle()

    def _settle(self) -> None:
        if self._announcing is not None and not self._unannounced:
            self._announcing.cancel()
            self._announcing = None

    def _announce_all(self) -> None:
        for place in tuple(self._unannounced):
            self._announce(place)
