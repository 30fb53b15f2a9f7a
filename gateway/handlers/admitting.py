"""An answer for whoever is let in: the place that a request was given is held until its answer is written."""

import sys
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Protocol

from aiohttp import web

from gateway.admission import FREE
from gateway.backends.asking import Answering, Asks
from gateway.callers import CALLER, Caller
from gateway.codecs.contract import Question, Target
from gateway.exchange import EXCHANGE, Exchange


class Admits(Protocol):
    """Who lets requests in."""

    def admitted(self, exchange: Exchange, caller: Caller, model: str) -> AbstractAsyncContextManager[None]:
        """Hold a place for a request. Raises ForbiddenError, RateLimitedError or OverloadedError."""
        ...


def served_name(question: Question, candidates: Sequence[Target]) -> str:
    """Return the name that a client's rights are held against: what is served where DEFAULT_MODEL stands in."""
    first = candidates[0]
    return first.stand_in if first.stand_in and not first.fallback else question.model


def place_for(
    request: web.Request, admission: Admits, question: Question, candidates: Sequence[Target]
) -> AbstractAsyncContextManager[None]:
    """Return a place for a request, whose body is in memory and whose model is known."""
    return admission.admitted(request[EXCHANGE], request[CALLER], served_name(question, candidates))


class AdmittedAttempts:
    """A place, then an answer, entered once: both are held until the caller is done with the answer.

    Two `async with` in one, without the generator that would cost more than they do.
    """

    __slots__ = ("_attempts", "_place")

    def __init__(
        self, place: AbstractAsyncContextManager[None], attempts: AbstractAsyncContextManager[Answering]
    ) -> None:
        self._place = place
        self._attempts = attempts

    async def __aenter__(self) -> Answering:
        await self._place.__aenter__()
        try:
            return await self._attempts.__aenter__()
        except BaseException:
            await self._place.__aexit__(*sys.exc_info())
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self._attempts.__aexit__(kind, error, trace)
        finally:
            await self._place.__aexit__(kind, error, trace)


def admitted_attempts(
    request: web.Request, admission: Admits, pool: Asks, question: Question, candidates: Sequence[Target]
) -> AbstractAsyncContextManager[Answering]:
    """Return what waits for a place, where one is needed, then for an answer. Raises ForbiddenError at once."""
    exchange = request[EXCHANGE]
    place = admission.admitted(exchange, request[CALLER], served_name(question, candidates))
    attempts = pool.attempts(exchange, candidates, question)
    return attempts if place is FREE else AdmittedAttempts(place, attempts)
