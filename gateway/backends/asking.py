"""What handlers ask, whoever answers: the pool of backends itself, or the cache before it."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from gateway.codecs.contract import Question, Target
from gateway.codecs.events import Event
from gateway.exchange import Exchange


class ReaderState(Protocol):
    """What is known of an answer once its first events are there."""

    @property
    def plain(self) -> bool:
        """Whether it is one plain JSON body."""
        ...


class Taker(Protocol):
    """Takes batches of events while somebody waits for the next one, without being waited for."""

    @property
    def ready(self) -> bool:
        """Whether a batch can be taken now."""
        ...

    def take(self, events: list[Event], now_ns: int) -> int:
        """Take a batch without Finish or Failure; return when that was done but for sending it, monotonic ns."""
        ...


class Answering(Protocol):
    """One answer being read: a batch of events at a time."""

    @property
    def target(self) -> Target:
        """Who answers."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers of the backend's answer; empty where no backend was asked."""
        ...

    @property
    def reader(self) -> ReaderState:
        """What is known of its form."""
        ...

    async def next(self) -> list[Event] | None:
        """Return the next batch of events, None after the last. A Failure is an event here, never raised."""
        ...

    def pass_to(self, taker: Taker) -> None:
        """Let `taker` have what comes while `next` waits, where that costs less; `next` returns what it did not get."""
        ...

    def end(self) -> None:
        """Stop because the process stops: the next batch is a failure that says so."""
        ...


class Asks(Protocol):
    """Gets an answer to a question from one of its candidates."""

    def attempts(
        self, exchange: Exchange, candidates: Sequence[Target], question: Question
    ) -> AbstractAsyncContextManager[Answering]:
        """Return the answer, to be read inside the context. Raises ProxyException when there is none."""
        ...
