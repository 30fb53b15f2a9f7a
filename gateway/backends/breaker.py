"""Breakers: a backend that keeps failing at a model is left alone for a while, then tried with one request."""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from enum import StrEnum
from time import monotonic
from typing import Protocol

import msgspec

from gateway.telemetry.logging import get_logger

IN_A_ROW = 5
"""So many failures one after the other open a breaker."""
WINDOW = 20
MOST_FAILED = 0.5
"""Or this share of the last `WINDOW` answers."""
SHORTEST_S = 1.0
LONGEST_S = 15.0
"""How long it stays open: doubles with every probe that fails."""
MAX_BREAKERS = 2048

_log = get_logger("breaker")


type Place = tuple[str, str]
"""A backend and a model."""


class State(StrEnum):
    """Closed: all requests pass. Open: none. Half open: one, and the others wait for what becomes of it."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Standing(msgspec.Struct, frozen=True, array_like=True):
    """Where a breaker stands, as processes tell each other. Times are those of one clock, which all of them read.

    `opened`: how often it opened since it was closed. `prober`: the process whose probe is under way.
    """

    state: State
    changed_s: float
    open_until_s: float
    probing_until_s: float
    opened: int
    prober: int


class Breaker:
    """What the last answers of one backend for one model tell. Times are seconds of the clock that is passed in.

    `changed_s`: when it last changed as others are to see it, where there are others.
    """

    __slots__ = (
        "_failed",
        "_in_a_row",
        "_opened",
        "_probe",
        "_prober",
        "_probing_until_s",
        "changed_s",
        "open_until_s",
        "state",
    )

    def __init__(self) -> None:
        self.state = State.CLOSED
        self.open_until_s = 0.0
        self.changed_s = 0.0
        self._failed = 0  # one bit for each of the last answers, set where it failed
        self._in_a_row = 0
        self._opened = 0
        self._probe = 0  # the number of the latest probe
        self._prober = 0  # the process that makes it, 0 for this one
        self._probing_until_s = 0.0

    @property
    def failed_before(self) -> bool:
        """Whether it is closed, and yet some of its last answers failed: then a good one changes it, too."""
        return self._failed != 0 and self.state is State.CLOSED

    @property
    def recent(self) -> int:
        """One bit for each of the last `WINDOW` answers, the latest one lowest, set where it failed."""
        return self._failed

    def blocks(self, now_s: float) -> bool:
        """Tell whether a request should rather go elsewhere."""
        if self.state is State.CLOSED:
            return False
        return now_s < self.open_until_s or self._is_probed(now_s)

    def asked(self, now_s: float, longest_s: float) -> int:
        """Note that a request goes there; return its number where it is the probe, for `longest_s`, and else 0.

        The probe is the first one after the time of an open breaker.
        """
        if self.state is State.CLOSED or now_s < self.open_until_s or self._is_probed(now_s):
            return 0
        self.state = State.HALF_OPEN
        self._probe += 1
        self._prober = 0
        self._probing_until_s = now_s + longest_s
        return self._probe

    def left(self, probe: int = 0) -> bool:
        """Note that a request told nothing: its client left, or it was refused for what it asked.

        After a probe that did, the next request is one. Return whether it was the probe.
        """
        if probe == self._probe:
            self._probing_until_s = 0.0
            return True
        return False

    def began(self) -> bool:
        """Note that an answer began well, which is enough for a probe; return whether that closed the breaker."""
        if self.state is State.CLOSED:
            return False
        self.state = State.CLOSED
        self._failed = self._in_a_row = self._opened = 0
        return True

    def succeeded(self) -> None:
        """Note a good answer. One that began before the breaker opened does not close it."""
        self._failed = self._failed << 1 & (1 << WINDOW) - 1
        self._in_a_row = 0

    def failed(self, now_s: float, probe: int = 0) -> bool:
        """Note a failure; return whether the breaker opened because of it.

        While it is not closed only the probe decides: others were under way before, and tell of back then.
        """
        self._failed = (self._failed << 1 | 1) & (1 << WINDOW) - 1
        self._in_a_row += 1
        if self.state is State.CLOSED:
            if self._in_a_row < IN_A_ROW and self._failed.bit_count() < MOST_FAILED * WINDOW:
                return False
        elif self.state is State.OPEN or probe != self._probe:
            return False
        self.state = State.OPEN
        self.open_until_s = now_s + min(LONGEST_S, SHORTEST_S * 2.0 ** min(self._opened, 10))
        self._opened += 1
        self._probing_until_s = 0.0
        return True

    def recovered(self, now_s: float) -> bool:
        """Note that the backend answers again: it may be probed at once. Return whether that is any sooner."""
        if self.state is State.CLOSED or self.open_until_s <= now_s:
            return False
        self.open_until_s = now_s
        return True

    def heard(self, answers: int, failed: int, now_s: float) -> bool:
        """Note answers that another process got, the bits of `failed` as those of `recent`; return as `failed` does."""
        opened = False
        for at in reversed(range(answers)):
            if failed >> at & 1:
                opened = self.failed(now_s) or opened
            else:
                self.succeeded()
        return opened

    def standing(self, own: int) -> Standing:
        """Return what other processes are to know; `own` is what they know this one by."""
        prober = self._prober or own
        return Standing(self.state, self.changed_s, self.open_until_s, self._probing_until_s, self._opened, prober)

    def adopt(self, told: Standing, now_s: float) -> None:
        """Stand where the breaker of another process stands, unless this one has changed since."""
        if told.changed_s < self.changed_s:
            return
        self.changed_s = min(told.changed_s, now_s)
        if told.state is State.CLOSED:
            self.began()
            return
        if told.state is State.HALF_OPEN and not self._prober and self._is_probed(now_s):
            return  # two began a probe at one time: the own one still decides here
        self.state = told.state
        self.open_until_s = min(told.open_until_s, now_s + LONGEST_S)
        self._probing_until_s = told.probing_until_s if told.state is State.HALF_OPEN else 0.0
        self._opened = told.opened
        self._prober = told.prober
        self._probe += 1  # whatever this process asked before no longer decides

    def gone(self, prober: int) -> None:
        """Note that another process is no longer there: nobody will tell of its probe."""
        if self._prober == prober:
            self._probing_until_s = 0.0

    def _is_probed(self, now_s: float) -> bool:
        return self.state is State.HALF_OPEN and now_s < self._probing_until_s


class Others(Protocol):
    """Tells other processes what becomes of the breakers of this one; `SharedBreakers` does."""

    def answered(self, place: Place, *, failed: bool) -> None:
        """Take an answer that a closed breaker counted."""
        ...

    def changed(self, place: Place, *, news: bool) -> None:
        """Take another standing. `news`: it opened or closed, which is told to people: once, whoever did it."""
        ...


class Breakers:
    """The breakers of all backends and models, the latest `MAX_BREAKERS` of those that were ever needed.

    A breaker comes into being with the first failure: a healthy place costs one look into a dictionary.
    `on_change` is told (backend, model, state). `others` is None where there is no other process.
    """

    def __init__(
        self,
        clock: Callable[[], float] = monotonic,
        on_change: Callable[[str, str, State], None] | None = None,
    ) -> None:
        self.others: Others | None = None
        self._clock = clock
        self._on_change = on_change
        self._breakers: OrderedDict[Place, Breaker] = OrderedDict()
        self._not_closed: set[Place] = set()

    @property
    def all_closed(self) -> bool:
        """Whether nobody is to be spared."""
        return not self._not_closed

    def blocks(self, backend: str, model: str) -> bool:
        """Tell whether a request should rather go elsewhere."""
        breaker = self._breakers.get((backend, model))
        return breaker is not None and breaker.blocks(self._clock())

    def opens_again_s(self, backend: str, model: str) -> float:
        """Return when the place can be probed, for choosing the one that has waited longest."""
        breaker = self._breakers.get((backend, model))
        return breaker.open_until_s if breaker is not None else 0.0

    def asked(self, backend: str, model: str, longest_s: float) -> int:
        """Note that a request goes there, over after `longest_s` at most; return its number where it is the probe.

        That number, else 0, is what `left` and `failed` want to be told.
        """
        if self._breakers and (breaker := self._breakers.get((backend, model))) is not None:
            if probe := breaker.asked(self._clock(), longest_s):
                self._changed((backend, model), breaker)
            return probe
        return 0

    def left(self, backend: str, model: str, probe: int = 0) -> None:
        """Note that a request told nothing about the place."""
        if probe and (breaker := self._breakers.get((backend, model))) is not None and breaker.left(probe):
            self._changed((backend, model), breaker)

    def began(self, backend: str, model: str) -> None:
        """Note that an answer began well."""
        if self._breakers and (breaker := self._breakers.get((backend, model))) is not None and breaker.began():
            self._not_closed.discard((backend, model))
            self._changed((backend, model), breaker, news=True)

    def succeeded(self, backend: str, model: str) -> None:
        """Note a good answer, read to its end."""
        if self._breakers and (breaker := self._breakers.get((backend, model))) is not None:
            if self.others is not None and breaker.failed_before:
                self.others.answered((backend, model), failed=False)
            breaker.succeeded()

    def failed(self, backend: str, model: str, probe: int = 0) -> None:
        """Note a failure."""
        place = backend, model
        breaker = self._needed(place)
        counted = breaker.state is State.CLOSED
        if breaker.failed(self._clock(), probe):
            self._opened(place, breaker)
        elif counted and self.others is not None:
            self.others.answered(place, failed=True)

    def recovered(self, backend: str) -> None:
        """Let the places of a backend be probed at once: it answers again."""
        now_s = self._clock()
        for place, breaker in self._breakers.items():
            if place[0] == backend and breaker.recovered(now_s):
                self._changed(place, breaker)

    def not_closed(self) -> Iterator[tuple[str, str, State]]:
        """Yield (backend, model, state) of every breaker that is open or half open."""
        now_s = self._clock()
        for (backend, model), breaker in self._breakers.items():
            if breaker.state is not State.CLOSED:
                yield backend, model, State.OPEN if now_s < breaker.open_until_s else State.HALF_OPEN

    def keep(self, backends: set[str]) -> None:
        """Forget the breakers of all backends but these."""
        for place in [place for place in self._breakers if place[0] not in backends]:
            del self._breakers[place]
            self._not_closed.discard(place)

    def get(self, place: Place) -> Breaker | None:
        """Return the breaker of a place, None where none was needed."""
        return self._breakers.get(place)

    def not_clean(self) -> Iterator[tuple[Place, Breaker]]:
        """Yield the breakers that are not closed, or that some of the last answers speak against."""
        for place, breaker in self._breakers.items():
            if breaker.state is not State.CLOSED or breaker.failed_before:
                yield place, breaker

    def hear(self, place: Place, standing: Standing | None, answers: int, failed: int) -> None:
        """Take what another process tells of a place: its standing, then answers that came after it.

        Nobody is told that this one's breaker now stands there, too; but where it opens because of those answers.
        """
        breaker = self._breakers.get(place)
        if breaker is None:
            if standing is None and not failed:
                return
            breaker = self._needed(place)
        if standing is not None:
            breaker.adopt(standing, self._clock())
            (self._not_closed.discard if breaker.state is State.CLOSED else self._not_closed.add)(place)
        if breaker.heard(answers, failed, self._clock()):
            self._opened(place, breaker)

    def gone(self, prober: int) -> None:
        """Note that another process is no longer there: what it probed can be probed by others."""
        for place in self._not_closed:
            self._breakers[place].gone(prober)

    def announce(self, backend: str, model: str, state: State) -> None:
        """Tell people that a breaker opened or closed."""
        breaker = self._breakers.get((backend, model))
        left_s = max(0.0, breaker.open_until_s - self._clock()) if breaker is not None else 0.0
        _log.warning("breaker", backend=backend, model=model, state=state, open_s=round(left_s, 3))
        if self._on_change is not None:
            self._on_change(backend, model, state)

    def _needed(self, place: Place) -> Breaker:
        """Return the breaker of a place that failed, which makes it the latest one."""
        breaker = self._breakers.get(place)
        if breaker is None:
            breaker = self._breakers[place] = Breaker()
            if len(self._breakers) > MAX_BREAKERS:
                self._not_closed.discard(self._breakers.popitem(last=False)[0])
        self._breakers.move_to_end(place)
        return breaker

    def _opened(self, place: Place, breaker: Breaker) -> None:
        self._not_closed.add(place)
        self._changed(place, breaker, news=True)

    def _changed(self, place: Place, breaker: Breaker, *, news: bool = False) -> None:
        if self.others is not None:
            breaker.changed_s = self._clock()
            self.others.changed(place, news=news)
        elif news:
            self.announce(*place, breaker.state)
