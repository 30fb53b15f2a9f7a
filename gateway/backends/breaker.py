"""Breakers: a backend that keeps failing at a model is left alone for a while, then tried with one request."""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from enum import StrEnum
from time import monotonic

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


class State(StrEnum):
    """Closed: all requests pass. Open: none. Half open: one, and the others wait for what becomes of it."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Breaker:
    """What the last answers of one backend for one model tell. Times are seconds of the clock that is passed in."""

    __slots__ = ("_failed", "_in_a_row", "_opened", "_probe", "_probing_until_s", "open_until_s", "state")

    def __init__(self) -> None:
        self.state = State.CLOSED
        self.open_until_s = 0.0
        self._failed = 0  # one bit for each of the last answers, set where it failed
        self._in_a_row = 0
        self._opened = 0
        self._probe = 0  # the number of the latest probe
        self._probing_until_s = 0.0

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
        self._probing_until_s = now_s + longest_s
        return self._probe

    def left(self, probe: int = 0) -> None:
        """Note that a request told nothing: its client left, or it was refused for what it asked.

        After a probe that did, the next request is one.
        """
        if probe == self._probe:
            self._probing_until_s = 0.0

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

    def _is_probed(self, now_s: float) -> bool:
        return self.state is State.HALF_OPEN and now_s < self._probing_until_s


class Breakers:
    """The breakers of all backends and models, the latest `MAX_BREAKERS` of those that were ever needed.

    A breaker comes into being with the first failure: a healthy place costs one look into a dictionary.
    `on_change` is told (backend, model, state).
    """

    def __init__(
        self,
        clock: Callable[[], float] = monotonic,
        on_change: Callable[[str, str, State], None] | None = None,
    ) -> None:
        self._clock = clock
        self._on_change = on_change
        self._breakers: OrderedDict[tuple[str, str], Breaker] = OrderedDict()
        self._not_closed: set[tuple[str, str]] = set()

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
            return breaker.asked(self._clock(), longest_s)
        return 0

    def left(self, backend: str, model: str, probe: int = 0) -> None:
        """Note that a request told nothing about the place."""
        if probe and (breaker := self._breakers.get((backend, model))) is not None:
            breaker.left(probe)

    def began(self, backend: str, model: str) -> None:
        """Note that an answer began well."""
        if self._breakers and (breaker := self._breakers.get((backend, model))) is not None and breaker.began():
            self._not_closed.discard((backend, model))
            self._tell(backend, model, breaker)

    def succeeded(self, backend: str, model: str) -> None:
        """Note a good answer, read to its end."""
        if self._breakers and (breaker := self._breakers.get((backend, model))) is not None:
            breaker.succeeded()

    def failed(self, backend: str, model: str, probe: int = 0) -> None:
        """Note a failure."""
        key = backend, model
        breaker = self._breakers.get(key)
        if breaker is None:
            breaker = self._breakers[key] = Breaker()
            if len(self._breakers) > MAX_BREAKERS:
                self._not_closed.discard(self._breakers.popitem(last=False)[0])
        self._breakers.move_to_end(key)
        if breaker.failed(self._clock(), probe):
            self._not_closed.add(key)
            self._tell(backend, model, breaker)

    def recovered(self, backend: str) -> None:
        """Let the places of a backend be probed at once: it answers again."""
        now_s = self._clock()
        for (name, _), breaker in self._breakers.items():
            if name == backend:
                breaker.open_until_s = min(breaker.open_until_s, now_s)

    def not_closed(self) -> Iterator[tuple[str, str, State]]:
        """Yield (backend, model, state) of every breaker that is open or half open."""
        now_s = self._clock()
        for (backend, model), breaker in self._breakers.items():
            if breaker.state is not State.CLOSED:
                yield backend, model, State.OPEN if now_s < breaker.open_until_s else State.HALF_OPEN

    def keep(self, backends: set[str]) -> None:
        """Forget the breakers of all backends but these."""
        for key in [key for key in self._breakers if key[0] not in backends]:
            del self._breakers[key]
            self._not_closed.discard(key)

    def _tell(self, backend: str, model: str, breaker: Breaker) -> None:
        left_s = max(0.0, breaker.open_until_s - self._clock())
        _log.warning("breaker", backend=backend, model=model, state=breaker.state, open_s=round(left_s, 3))
        if self._on_change is not None:
            self._on_change(backend, model, breaker.state)
