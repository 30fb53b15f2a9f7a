"""Walk: the way of one request from place to place, until one answers or there is nowhere left to ask."""

from collections import deque
from collections.abc import Callable, Sequence

from gateway.backends.retries import Verdict, judge, pause_s
from gateway.codecs.contract import Target
from gateway.errors import ModelNotFoundError, ProxyException

LONGEST_PAUSE_S = 2.0
"""Where there is a fallback, nobody waits longer than this for the model that was asked for."""


class Walk:
    """Goes through `targets` in their order: each place that serves the model once, at once.

    Then those places again that may be, after a pause, where `may_repeat` allows it; then the fallbacks, each once;
    then `last`. `max_retries` bounds the attempts after the first, fallbacks and `last` apart.
    """

    __slots__ = (
        "_again",
        "_failures",
        "_fallbacks",
        "_first",
        "_last",
        "_may_repeat",
        "_next",
        "_retries",
        "_served",
        "blame",
    )

    def __init__(
        self,
        targets: Sequence[Target],
        *,
        max_retries: int,
        last: Sequence[Target] = (),
        may_repeat: Callable[[Target], bool] = lambda _: True,
    ) -> None:
        if targets and targets[-1].fallback:
            self._first = deque(target for target in targets if not target.fallback)
            self._fallbacks = deque(target for target in targets if target.fallback)
        else:  # fallbacks come last
            self._first, self._fallbacks = deque(targets), deque()
        self._last = deque(last)
        self._again: deque[tuple[Target, ProxyException]] = deque()
        self._failures: dict[str, int] = {}
        self._retries = max_retries
        self._may_repeat = may_repeat
        # Who was left out because it fails was asked for, all the same.
        self._served = not self._first
        self.blame: ProxyException | None = None
        """The failure to tell the client when nobody answers: the last of the places that serve what was asked for."""
        self._next: tuple[Target, float] | None = None
        for places in (self._first, self._fallbacks, self._last):
            if places:
                self._next = places.popleft(), 0.0
                break

    @property
    def over(self) -> bool:
        """Whether there is nowhere left to ask."""
        return self._next is None

    @property
    def has_others(self) -> bool:
        """Whether there is another place to ask at once, should this one not do."""
        return bool(self._first and self._retries) or bool(self._fallbacks) or bool(self._last)

    def next(self) -> tuple[Target, float]:
        """Return where to ask now, and after how many seconds. Raises ProxyException when there is no place."""
        if self._next is None:
            raise self.blame or ModelNotFoundError("no backend serves this model any more")
        chosen, self._next = self._next, None
        return chosen

    def failed(self, target: Target, error: ProxyException, longest_pause_s: float) -> str:
        """Note that `target` failed, choose where to go next, and return the cause as a label."""
        verdict, cause = judge(error)
        if target.fallback:
            # What a fallback says is not what the client asked about: it only means that the next one is to be asked.
            self._go_to_fallback()
            self.blame = self.blame or error
            return cause
        self.blame = error
        if verdict is Verdict.NOWHERE:
            return cause
        self._served = self._served or verdict is not Verdict.NOT_HERE
        if verdict is Verdict.OTHER_MODEL:
            self._first.clear()
            self._again.clear()
            self._last = deque(place for place in self._last if place.fallback)
        elif verdict is Verdict.AGAIN:
            self._again.append((target, error))
        self._go_on(longest_pause_s)
        return cause

    def _go_on(self, longest_pause_s: float) -> None:
        if self._retries and self._first:
            self._retries -= 1
            self._next = self._first.popleft(), 0.0
            return
        while self._retries and self._again:
            target, error = self._again.popleft()
            failures = self._failures[target.backend] = self._failures.get(target.backend, 0) + 1
            pause = pause_s(error, failures, LONGEST_PAUSE_S if self._fallbacks else longest_pause_s)
            if pause is not None and self._may_repeat(target):
                self._retries -= 1
                self._next = target, pause
                return
        self._go_to_fallback()

    def _go_to_fallback(self) -> None:
        self._first.clear()
        self._again.clear()
        # A name that nobody knows is the client's mistake: a fallback would hide it.
        if self._fallbacks and self._served:
            self._next = self._fallbacks.popleft(), 0.0
        elif self._last:
            self._next = self._last.popleft(), 0.0
