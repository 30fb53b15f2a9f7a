"""An answer for whoever is let in: the place that a request was given is held until its answer is written."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

from aiohttp import web

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


@asynccontextmanager
async def admitted_attempts(
    request: web.Request, admission: Admits, pool: Asks, question: Question, candidates: Sequence[Target]
) -> AsyncIterator[Answering]:
    """Wait for a place, then for an answer; hold both until the caller is done with it."""
    async with (
        place_for(request, admission, question, candidates),
        pool.attempts(request[EXCHANGE], candidates, question) as answer,
    ):
        yield answer
