"""FairQueue: how many requests are worked on at once, and whose turn is next when there are more."""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from math import ceil

from gateway.errors import BUSY, OverloadedError, RateLimitedError

_LONGEST_RETRY_S = 60
_SMOOTHING = 8
"""Over how many of the latest requests their duration is averaged."""

type _Turn = asyncio.Future[bool]


class _Line:
    """The waiting requests of one client, the oldest first; `bound` is how many of its requests may run at once."""

    __slots__ = ("bound", "turns")

    def __init__(self) -> None:
        self.bound: int | None = None
        self.turns: OrderedDict[_Turn, None] = OrderedDict()


class FairQueue:
    """Lets in `places` requests at a time (0: any number), and keeps up to `max_waiting` more.

    Clients take turns, however many requests each has waiting. When all places to wait are taken, whoever has most of
    them gives up its latest to a client that has fewer: one greedy client cannot keep the others out.
    """

    def __init__(self, places: int, max_waiting: int) -> None:
        self.running = 0
        self.waiting = 0
        self._places = places
        self._max_waiting = max_waiting
        self._running_of: dict[str, int] = {}
        self._lines: OrderedDict[str, _Line] = OrderedDict()
        self._held_s = 0.0

    @property
    def lines(self) -> Mapping[str, int]:
        """How many requests of each client are waiting, whose turn is next first."""
        return {client: len(line.turns) for client, line in self._lines.items()}

    def try_enter(self, client: str, bound: int | None = None) -> bool:
        """Take a place if there is one now. `bound`: how many requests of this client may run at once."""
        # Who waits while a place is free waits for its own bound: nobody is overtaken.
        if (self._places and self.running >= self._places) or not self._is_below(client, bound):
            return False
        self._seat(client)
        return True

    async def wait(self, client: str, bound: int | None = None) -> None:
        """Wait for a place, and take it. A request that is cancelled meanwhile leaves at once and takes nothing.

        Raises OverloadedError where none may wait, RateLimitedError where only its own `bound` is in the way.
        """
        if self.waiting >= self._max_waiting and not self._push_out(client):
            raise self._full(client, bound)
        turn: _Turn = asyncio.get_running_loop().create_future()
        line = self._lines.setdefault(client, _Line())
        line.bound = bound
        line.turns[turn] = None
        self.waiting += 1
        try:
            seated = await turn
        except BaseException:
            if turn.done() and not turn.cancelled() and turn.result():
                self.leave(client)
            else:
                self._take_out(client, turn)
            raise
        if not seated:
            raise self._full(client, bound)

    def leave(self, client: str, held_s: float | None = None) -> None:
        """Give a place back, and let the next one in. `held_s`: how long it was taken."""
        if held_s is not None:
            self._held_s += (held_s - self._held_s) / _SMOOTHING
        self.running -= 1
        self._running_of[client] -= 1
        if not self._running_of[client]:
            del self._running_of[client]
        self._let_in()

    def _seat(self, client: str) -> None:
        self.running += 1
        self._running_of[client] = self._running_of.get(client, 0) + 1

    def _is_below(self, client: str, bound: int | None) -> bool:
        return not bound or self._running_of.get(client, 0) < bound

    def _let_in(self) -> None:
        while self._lines and (not self._places or self.running < self._places):
            client = next((one for one, line in self._lines.items() if self._is_below(one, line.bound)), None)
            if client is None:
                return
            self._lines.move_to_end(client)
            turn, _ = self._lines[client].turns.popitem(last=False)
            self._forget(client)
            if not turn.done():
                self._seat(client)
                turn.set_result(True)

    def _push_out(self, client: str) -> bool:
        """Send the latest request of the longest line away; False where this client's would be as long."""
        longest = max(self._lines, key=lambda one: len(self._lines[one].turns), default=client)
        own = len(self._lines[client].turns) if client in self._lines else 0
        if longest == client or len(self._lines[longest].turns) <= own + 1:
            return False
        turn, _ = self._lines[longest].turns.popitem()
        self._forget(longest)
        if not turn.done():
            turn.set_result(False)
        return True

    def _take_out(self, client: str, turn: _Turn) -> None:
        if client in self._lines and turn in self._lines[client].turns:
            del self._lines[client].turns[turn]
            self._forget(client)

    def _forget(self, client: str) -> None:
        """Note that one request less waits."""
        self.waiting -= 1
        if not self._lines[client].turns:
            del self._lines[client]

    def _full(self, client: str, bound: int | None) -> OverloadedError | RateLimitedError:
        headers = {"Retry-After": str(self._retry_after_s())}
        if self._is_below(client, bound):
            return OverloadedError(BUSY, headers=headers)
        text = f"rate limit reached: {bound} requests at once, and no more may wait"
        return RateLimitedError(text, code="rate_limit_exceeded", headers=headers)

    def _retry_after_s(self) -> int:
        """Return about how long those who wait will take, in whole seconds."""
        drained_s = self._held_s * self.waiting / (self._places or self.running or 1)
        return min(max(1, ceil(drained_s)), _LONGEST_RETRY_S)
