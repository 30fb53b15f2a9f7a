"""Admission: lets a request go on to the backends when its client may, and when its turn is."""

from contextlib import AbstractAsyncContextManager
from time import monotonic_ns
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

from gateway.admission.addresses import client_site
from gateway.admission.fair_queue import FairQueue
from gateway.admission.permissions import allowed
from gateway.admission.rates import RateLimits, Rates
from gateway.admission.supervised import Ask
from gateway.callers import Caller
from gateway.config import Config
from gateway.errors import ForbiddenError, OverloadedError, ProxyException
from gateway.exchange import Exchange

if TYPE_CHECKING:
    from gateway.admission.sharing import Sharing


class Meter(Protocol):
    """What is told of admissions."""

    def admission_waited(self, wait_s: float) -> None:
        """Note how long a request waited that had to, also one that left or was sent away meanwhile."""

    def admission_refused(self, reason: str) -> None:
        """Count a refusal: model, requests, tokens, concurrency or queue."""

    def shared_limits_missed(self) -> None:
        """Count that what keeps the shared counts was asked in vain."""


class Admission:
    """One per process. `ask` reaches a process that counts for several; `worker` is which of how many this one is."""

    def __init__(
        self,
        config: Config,
        *,
        meter: Meter | None = None,
        ask: Ask | None = None,
        worker: tuple[int, int] = (0, 1),
    ) -> None:
        listen, access = config.listen, config.access
        self._meter: Meter = meter if meter is not None else _NoMeter()
        self._rpm, self._tpm, self._redis_url = access.rate_limit_rpm, access.rate_limit_tpm, access.redis_url
        self._ask, self._worker = ask, worker
        self._queue = FairQueue(share(listen.max_concurrent, worker), share(listen.max_queue, worker))
        self._bounded = listen.max_concurrent > 0
        self._open = not (self._rpm or self._tpm or self._bounded)
        self._sharing: Sharing | None = None
        self._limits: RateLimits | None = None
        if self._rpm or self._tpm or access.redis_url is not None or access.keys_file is not None:
            self._rate_limits()  # what counts is loaded now, not while a request waits

    @property
    def waiting(self) -> int:
        """How many requests wait for their turn."""
        return self._queue.waiting

    @property
    def running(self) -> int:
        """How many requests hold a place; those that nothing bounds are not counted."""
        return self._queue.running

    def admitted(self, exchange: Exchange, caller: Caller, model: str) -> AbstractAsyncContextManager[None]:
        """Wait on entering until the caller may ask `model`; on leaving, count what the exchange says it used.

        FREE where nothing is limited. Raises ForbiddenError at once, RateLimitedError and OverloadedError on entering.
        """
        if caller.models is not None and not allowed(caller, model):
            self._meter.admission_refused("model")
            text = f"this key may not use the model {model[:200]!r}"
            raise ForbiddenError(text, param="model", code="model_not_allowed")
        if self._open and caller.rpm is None and caller.tpm is None and caller.concurrency is None:
            return FREE
        return _Admitted(self, exchange, caller)

    async def aclose(self) -> None:
        """Let what is being counted come to its end, and close the connections."""
        if self._sharing is not None:
            await self._sharing.aclose()

    def _rates(self, caller: Caller) -> Rates:
        """Return what a caller may use: what its key says, else what everybody may."""
        return Rates(
            self._rpm if caller.rpm is None else caller.rpm,
            self._tpm if caller.tpm is None else caller.tpm,
        )

    def _rate_limits(self) -> RateLimits:
        """Return what counts. Its library is loaded only where there is something to count."""
        if self._limits is None:
            from gateway.admission.sharing import Sharing

            self._sharing = Sharing(self._redis_url, self._ask, self._meter.shared_limits_missed)
            self._limits = RateLimits(self._sharing.counts, self._meter.admission_refused)
        return self._limits

    async def _turn(self, exchange: Exchange, client: str, bound: int) -> None:
        """Take a place in the queue for a client of which `bound` requests may run at once (0: any number)."""
        if self._queue.try_enter(client, bound):
            return
        exchange.queue_began_ns = began_ns = monotonic_ns()
        try:
            await self._queue.wait(client, bound)
        except ProxyException as refusal:
            self._meter.admission_refused("queue" if isinstance(refusal, OverloadedError) else "concurrency")
            raise
        finally:
            exchange.queued_ns = monotonic_ns() - began_ns
            self._meter.admission_waited(exchange.queued_ns / 1e9)


class _Admitted:
    """One request's way through: its rates, then its turn; back out, its place and its tokens."""

    __slots__ = ("_admission", "_caller", "_client", "_exchange", "_rates", "_seated_ns")

    def __init__(self, admission: Admission, exchange: Exchange, caller: Caller) -> None:
        self._admission = admission
        self._exchange = exchange
        self._caller = caller
        self._client = f"key:{caller.name}" if caller.name else f"address:{client_site(caller.address)}"
        self._rates = Rates()
        self._seated_ns = 0

    async def __aenter__(self) -> None:
        admission, caller = self._admission, self._caller
        self._rates = rates = admission._rates(caller)
        if any(rates):
            await admission._rate_limits().check(self._client, rates)
        bound = -(-(caller.concurrency or 0) // admission._worker[1])
        if bound or admission._bounded:
            await admission._turn(self._exchange, self._client, bound)
            self._seated_ns = monotonic_ns()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._seated_ns:
            self._admission._queue.leave(self._client, (monotonic_ns() - self._seated_ns) / 1e9)
        rates = self._rates
        if rates.tokens and (tokens := used_tokens(self._exchange)):
            await self._admission._rate_limits().debit(self._client, rates, tokens)


class _Free:
    """The way through where nothing is limited."""

    __slots__ = ()

    async def __aenter__(self) -> None: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


FREE = _Free()
"""The place of a request that nothing limits: whoever holds it holds nothing."""


class _NoMeter:
    """Told of admissions where nobody counts them."""

    def admission_waited(self, wait_s: float) -> None: ...

    def admission_refused(self, reason: str) -> None: ...

    def shared_limits_missed(self) -> None: ...


def used_tokens(exchange: Exchange) -> int:
    """Return what an answer cost: as its backend counted, else one for each chunk that was sent.

    So a client that leaves before the backend tells pays for what it saw. A hit of the cache costs nothing.
    """
    if exchange.cache == "hit":
        return 0
    if exchange.prompt_tokens is None and exchange.completion_tokens is None:
        return exchange.chunks
    return (exchange.prompt_tokens or 0) + (exchange.completion_tokens or 0)


def share(total: int, worker: tuple[int, int]) -> int:
    """Return the part of `total` that falls to one of several workers, at least 1 where there is any."""
    number, count = worker
    return max(1, total // count + (number % count < total % count)) if total else 0
