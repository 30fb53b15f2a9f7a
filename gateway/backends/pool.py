"""Pool: the one ClientSession, and the one loop that asks backends: send, classify, wait, ask again."""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from types import TracebackType

import aiohttp

from gateway.backend_settings import Timeouts
from gateway.backends.answer import CANCELLED, GUARDED_TOKENS, Answer, connection_error
from gateway.backends.backend import Backend
from gateway.backends.balance import Balancer
from gateway.backends.breaker import Breakers, State
from gateway.backends.learning import Learned, droppable
from gateway.backends.limits import Gate
from gateway.backends.responses import OK, Response, refuse
from gateway.backends.walk import Walk
from gateway.backends.wire import Wire
from gateway.codecs.backend_errors import is_unknown_model
from gateway.codecs.contract import Encoded, Question, Target
from gateway.errors import (
    ProxyException,
    UpstreamConnectionError,
    UpstreamError,
    UpstreamStatusError,
    UpstreamTimeoutError,
)
from gateway.exchange import Exchange
from gateway.telemetry.logging import get_logger
from gateway.telemetry.masking import mask_error
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.waiting import waiting

_log = get_logger("pool")

HARMLESS_CAUSES = frozenset({"refused", "context", "unknown_model", "unsupported", "limit", "status_429"})
"""Failures that say nothing against a place: they come of the question, or pass by themselves."""
HEADERS = "headers"
"""The clock for the headers of a stream, where that is another than the one for the first token."""
MAX_LEARNT = 8
"""How many parameters one request may lose: most backends name one at a time."""


class Pool:
    """The backends by name, and how they are asked. `learned`: which parameters they were found to refuse.

    `session` keeps connections for `keepalive_s`, `unpooled` makes a new one for each request.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        backends: Iterable[Backend],
        *,
        max_retries: int,
        delivery: str = "live",
        guarded_tokens: int = GUARDED_TOKENS,
        keepalive_s: float = 15.0,
        unpooled: aiohttp.ClientSession | None = None,
        learned: Learned | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self._wire = Wire(session)
        self._unpooled = Wire(unpooled) if unpooled is not None else self._wire
        self._keepalive_s = keepalive_s
        self._max_retries = max_retries
        self._delivery = delivery
        self._guarded_tokens = guarded_tokens
        self._metrics = metrics
        self.learned = learned if learned is not None else Learned()
        self.breakers = Breakers(on_change=self._count_breaker)
        self._balancer = Balancer(breakers=self.breakers)
        self._backends: dict[str, Backend] = {}
        self.replace(backends)

    def recovered(self, backend: str) -> None:
        """Note that a backend answers again: it need not rest any longer."""
        self._balancer.load(backend).recovered()
        self.breakers.recovered(backend)

    @property
    def backends(self) -> Mapping[str, Backend]:
        """The backends by name."""
        return self._backends

    def replace(self, backends: Iterable[Backend]) -> None:
        """Ask these backends from now on; requests that run go on where they are.

        What was found out about one that is gone, or is at another address now, is forgotten.
        """
        before, self._backends = self._backends, {backend.name: backend for backend in backends}
        gone = {name for name, old in before.items() if not _is_where(old, self._backends.get(name))}
        self._balancer.forget(set(self._backends) - gone)
        for name in gone:
            self.learned.forget(name)
        for backend in self._backends.values():
            self.learned.seed(backend.name, backend.settings.learned)

    def attempts(self, exchange: Exchange, candidates: Sequence[Target], question: Question) -> "Attempts":
        """Ask until one candidate begins to answer, and hold its connection until the caller is done with the answer.

        On entering it raises the failure of what was asked for when nobody answers: never that of a fallback.
        """
        return Attempts(self, exchange, candidates, question)

    async def _ask(self, exchange: Exchange, candidates: Sequence[Target], question: Question) -> tuple[Answer, Gate]:
        exchange.asked_ns = exchange.asked_ns or time.monotonic_ns()
        backends = self._backends
        ordered, ejected = self._balancer.order(candidates, backends, lambda: question.conversation_key)
        walk = Walk(
            ordered,
            max_retries=self._max_retries,
            last=ejected,
            may_repeat=lambda target: self._may_repeat(backends[target.backend], target),
        )
        cause = None
        while True:
            target, pause = walk.next()
            if pause:
                await waiting(exchange, asyncio.sleep(pause))
            if cause is not None:
                # Only now: a client may have left meanwhile.
                exchange.retry_causes.append(cause)
            backend = backends[target.backend]
            clocks = backend.clocks(target)
            try:
                return await self._visit(exchange, backend, target, clocks, question, walk)
            except ProxyException as error:
                cause = walk.failed(target, error, clocks.first_token_s)
                self._note_failure(exchange, backend, target, error, cause)
                if walk.over:
                    blame = walk.blame or error
                    exchange.clock = blame.clock if isinstance(blame, UpstreamTimeoutError) else None
                    raise self._final(blame, question) from None

    def _may_repeat(self, backend: Backend, target: Target) -> bool:
        """Tell whether a place that failed may be asked once more: it still counts as able, and has budget left."""
        return not self.breakers.blocks(backend.name, target.model) and backend.budget.spend()

    async def _visit(
        self,
        exchange: Exchange,
        backend: Backend,
        target: Target,
        clocks: Timeouts,
        question: Question,
        walk: Walk,
    ) -> tuple[Answer, Gate]:
        """Ask one place, within its limits: who could go elsewhere does not wait for a place at a full one."""
        gate = backend.gate
        longest_s = clocks.first_token_s
        exchange.probe = 0
        if not gate.enter_unbounded():
            await waiting(exchange, gate.enter(0.0 if walk.has_others else longest_s))
        try:
            exchange.backend, exchange.backend_model = target.backend, target.model
            exchange.probe = self.breakers.asked(target.backend, target.model, longest_s)
            if not exchange.attempts:
                backend.budget.offer()
            answer = await self._learn(exchange, backend, target, clocks, question)
        except BaseException as error:
            gate.leave()
            if not isinstance(error, ProxyException):
                self.breakers.left(target.backend, target.model, exchange.probe)
            raise
        return answer, gate

    async def _learn(
        self, exchange: Exchange, backend: Backend, target: Target, clocks: Timeouts, question: Question
    ) -> Answer:
        """Ask, and ask again without each parameter that the backend says it does not take."""
        known = dropped = self.learned.dropped(target.backend, target.model)
        wire = self._wire
        while True:
            began_ns = time.monotonic_ns()
            encoded = question.encode(target, dropped)
            sent_ns = time.monotonic_ns()
            exchange.translation_ns += sent_ns - began_ns
            _trace_attempt(exchange, backend, target, encoded)
            try:
                answer = await self._attempt(exchange, backend, target, clocks, question, encoded, dropped, wire)
            except ProxyException as error:
                self._count(target.backend, error.kind)
                exchange.tries.append((target.backend, error.kind, sent_ns, time.monotonic_ns()))
                if exchange.trace is not None:
                    exchange.trace.failed(error.kind, error.status if isinstance(error, UpstreamStatusError) else None)
                if wire is self._wire is not self._unpooled and self._met_a_closing_connection(backend, error):
                    # Others that were kept may be as stale: the next one is new.
                    wire = self._unpooled
                    exchange.retry_causes.append("race")
                    continue
                refused = droppable(error, question, encoded) - dropped
                if not refused or len(dropped) - len(known) >= MAX_LEARNT:
                    raise
                dropped |= refused
                exchange.retry_causes.append("parameter")
            except asyncio.CancelledError:
                self._count(target.backend, CANCELLED)
                exchange.tries.append((target.backend, CANCELLED, sent_ns, time.monotonic_ns()))
                if exchange.trace is not None:
                    exchange.trace.failed(CANCELLED)
                raise
            else:
                exchange.tries.append((target.backend, "ok", sent_ns, time.monotonic_ns()))
                for parameter in dropped - known:
                    self._note_learnt(target, parameter)
                return answer

    async def _attempt(
        self,
        exchange: Exchange,
        backend: Backend,
        target: Target,
        clocks: Timeouts,
        question: Question,
        encoded: Encoded,
        dropped: frozenset[str],
        wire: Wire,
    ) -> Answer:
        """Send once, and read what must be there first. Raises ProxyException; the connection is then closed."""
        exchange.attempts += 1
        started_s = time.monotonic()
        streams = question.streams(target, dropped)
        wait_s = clocks.first_token_s if streams else clocks.total_s
        clock = HEADERS if streams and clocks.headers_s else "first_token" if streams else "total"
        headers_s = min(wait_s, clocks.headers_s or wait_s) if streams else wait_s
        response = await self._send(wire, exchange, backend, encoded, headers_s, clock)
        answer = Answer(
            exchange,
            target,
            response,
            question.reader(target, exchange.started_ns),
            encoded=encoded,
            idle_s=clocks.idle_s,
            guarded_tokens=self._guarded_tokens,
            total_s=None if streams else wait_s,
            clean=partial(self._mask, exchange=exchange, backend=backend),
        )
        try:
            if response.status != OK:
                await waiting(exchange, refuse(response, clocks.idle_s))
            delivery = "whole" if question.whole else exchange.delivery or target.delivery or self._delivery
            await answer.begin(wait_s, time.monotonic() - started_s, delivery)
        except ProxyException as error:
            await answer.close()
            self._mask(error, exchange, backend)
            raise
        except BaseException:
            answer.drop()
            raise
        backend.answered_s = now_s = time.monotonic()
        self._balancer.load(backend.name).answered(now_s - started_s)
        self.breakers.began(backend.name, target.model)
        return answer

    async def _send(
        self,
        wire: Wire,
        exchange: Exchange,
        backend: Backend,
        encoded: Encoded,
        wait_s: float,
        clock: str,
    ) -> Response:
        headers = backend.headers(exchange.client_key, exchange.request_id)
        headers.update(encoded.headers)
        headers.update(exchange.trace_headers)
        asked = wire.post(
            backend.url(encoded.path),
            headers,
            encoded.body,
            tls=backend.tls,
            connecting=backend.timeout,
            within_s=wait_s,
        )
        try:
            return await waiting(exchange, asked)
        except TimeoutError as error:
            if isinstance(error, aiohttp.ClientError):
                raise connection_error(error, backend.name) from None
            late = "sent no headers" if clock == HEADERS else "did not begin to answer"
            raise UpstreamTimeoutError(f"the backend {late} within {wait_s:g} s", clock=clock) from None
        except (aiohttp.ClientError, ConnectionError) as error:
            raise connection_error(error, backend.name) from None

    def _final(self, error: ProxyException, question: Question) -> ProxyException:
        return question.unknown_model() if is_unknown_model(error) else error

    def _met_a_closing_connection(self, backend: Backend, error: ProxyException) -> bool:
        """Tell whether a request can have met a connection just as the backend closed it for being idle too long.

        Then it received nothing, and is sent again at once: no retry, which is why it is one of the backend's budget.
        """
        if not isinstance(error, UpstreamConnectionError) or error.phase != "reset":
            return False
        recent = time.monotonic() - backend.answered_s < self._keepalive_s
        return recent and backend.budget.spend()

    def _note_end(self, exchange: Exchange, answer: Answer) -> None:
        """Note how an answer ended that had begun well."""
        target = answer.target
        if exchange.trace is not None:
            broken = answer.failure.kind if answer.failure is not None else None
            exchange.trace.answered(broken if answer.complete or broken else CANCELLED)
        self._count(target.backend, answer.outcome)
        if answer.complete:
            self.breakers.succeeded(target.backend, target.model)
        elif isinstance(answer.failure, UpstreamError):
            if isinstance(answer.failure, UpstreamTimeoutError):
                exchange.clock = answer.failure.clock
                if self._metrics is not None:
                    self._metrics.clock_fired(target.backend, answer.failure.clock)
            self.breakers.failed(target.backend, target.model, exchange.probe)

    def _note_failure(
        self, exchange: Exchange, backend: Backend, target: Target, error: ProxyException, cause: str
    ) -> None:
        """Let a backend rest that cannot be reached or asks for it, and count what speaks against the place."""
        # A key that the client brought tells of the client: its refusals must not send others elsewhere.
        if cause in HARMLESS_CAUSES or (cause == "key" and backend.pass_client_key):
            self.breakers.left(target.backend, target.model, exchange.probe)
        else:
            self.breakers.failed(target.backend, target.model, exchange.probe)
        if isinstance(error, UpstreamTimeoutError) and self._metrics is not None:
            self._metrics.clock_fired(backend.name, error.clock)
        load = self._balancer.load(backend.name)
        match error:
            case UpstreamConnectionError(phase="connect") | UpstreamTimeoutError(clock="connect"):
                load.failed(time.monotonic())
            case UpstreamStatusError(retry_after_s=float(asked_s)):
                load.failed(time.monotonic(), asked_s)

    def _note_learnt(self, target: Target, parameter: str) -> None:
        if self.learned.learn(target.backend, target.model, parameter):
            _log.info("parameter left out", backend=target.backend, model=target.model, parameter=parameter)
            if self._metrics is not None:
                self._metrics.parameter_learned(target.backend)

    def _mask(self, error: ProxyException, exchange: Exchange, backend: Backend) -> None:
        """Take our keys out of what a backend said of them."""
        mask_error(error, backend.secrets(exchange.client_key))

    def _count_breaker(self, backend: str, model: str, state: State) -> None:
        if self._metrics is not None and state is State.OPEN:
            self._metrics.breaker_opened(backend)

    def _count(self, backend: str, cause: str) -> None:
        if self._metrics is not None:
            self._metrics.upstream_attempt(backend, cause)


class Attempts:
    """What `Pool.attempts` returns, to be entered once. No generator, which would cost a twentieth of a plain call."""

    __slots__ = ("_answer", "_candidates", "_exchange", "_gate", "_pool", "_question")

    _answer: Answer
    _gate: Gate

    def __init__(self, pool: Pool, exchange: Exchange, candidates: Sequence[Target], question: Question) -> None:
        self._pool = pool
        self._exchange = exchange
        self._candidates = candidates
        self._question = question

    async def __aenter__(self) -> Answer:
        self._answer, self._gate = await self._pool._ask(self._exchange, self._candidates, self._question)
        return self._answer

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._pool._note_end(self._exchange, self._answer)
            await self._answer.close()
        finally:
            self._gate.leave()


def _is_where(old: Backend, new: Backend | None) -> bool:
    """Tell whether a backend is the server that it was, whatever else is configured of it now."""
    return new is not None and new.base_url == old.base_url


def _trace_attempt(exchange: Exchange, backend: Backend, target: Target, encoded: Encoded) -> None:
    """Begin the span of an attempt, where there are spans: the backend is told its id."""
    if exchange.trace is not None:
        url = backend.base_url
        exchange.trace_headers = exchange.trace.attempt(
            backend=target.backend, model=target.model, host=url.host, port=url.port, path=encoded.path
        )
