"""Ends requests whose client has seen nothing yet when the process stops: 503 in their dialect, not a cut."""

import asyncio
from typing import Any

from gateway.errors import OverloadedError
from gateway.exchange import Exchange
from gateway.lifecycle import STOPPING

RETRY_AFTER_S = 1


class Unshown:
    """A request before its answer was prepared; afterwards its stream is told itself, and this does nothing."""

    __slots__ = ("_exchange", "_task", "ended")

    def __init__(self, exchange: Exchange, task: asyncio.Task[Any] | None) -> None:
        self._exchange = exchange
        self._task = task
        self.ended = False

    def end(self) -> None:
        """Stop what the request waits for, whatever it is."""
        if not self._exchange.prepared and self._task is not None:
            self.ended = True
            self._task.cancel()

    def is_only_reason(self) -> bool:
        """Take the own cancellation back; tell whether there was no other, such as a client that left."""
        return self._task is not None and self._task.uncancel() == 0


def stopped() -> OverloadedError:
    """Return the error for a request that was ended like this."""
    return OverloadedError(STOPPING, headers={"Retry-After": str(RETRY_AFTER_S), "Connection": "close"})
