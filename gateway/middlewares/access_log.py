"""One log line per request, at its end. Its route is the label of the table, never the path or query a client sent."""

import logging
from time import monotonic_ns

from gateway.exchange import Exchange
from gateway.telemetry.logging import CURRENT, FrequentLog, is_logged

_NAME_LENGTH = 200
_METHOD_LENGTH = 20
_SECOND_NS = 1_000_000_000


class Sampler:
    """Lets `per_second` successes of each second through (0: all) and counts those it leaves out."""

    __slots__ = ("_let_through", "_per_second", "_second", "left_out")

    def __init__(self, per_second: int) -> None:
        self._per_second = per_second
        self._second = 0
        self._let_through = 0
        self.left_out = 0

    def lets_through(self, now_ns: int) -> bool:
        """Tell whether a success at this time is logged."""
        if not self._per_second:
            return True
        second = now_ns // _SECOND_NS
        if second != self._second:
            self._second, self._let_through = second, 0
        if self._let_through >= self._per_second:
            self.left_out += 1
            return False
        self._let_through += 1
        return True

    def take(self) -> int:
        """Return how many were left out since the last call."""
        count, self.left_out = self.left_out, 0
        return count


class AccessLog:
    """An observer. Where lines go is looked up when it is made: configure logging before; its level may change.

    `detail` is LOG_DETAIL, `per_second` LOG_SAMPLE.
    """

    def __init__(self, *, detail: str = "normal", per_second: int = 0) -> None:
        self._log = FrequentLog("access")
        self._sampler = Sampler(per_second)
        self._detail = detail
        self._verbose = detail == "verbose"

    def began(self, exchange: Exchange) -> None:
        """Have what is logged meanwhile carry the ids of the request."""
        CURRENT.set(exchange)
        exchange.wants_facts = self._verbose

    def ended(self, exchange: Exchange, status: int, sent_bytes: int, request_bytes: int) -> None:
        """Write the line, where there is to be one."""
        if is_logged(logging.INFO):
            self._write(exchange, status, sent_bytes, request_bytes)
        CURRENT.set(None)

    def _write(self, exchange: Exchange, status: int, sent_bytes: int, request_bytes: int) -> None:
        sampler = self._sampler
        ended_ns = exchange.ended_ns or monotonic_ns()
        if exchange.error_kind is None and status < 400 and not sampler.lets_through(ended_ns):
            return
        record = self._log.beginning("request")
        add_access(record, exchange, status, sent_bytes, ended_ns, detail=self._detail)
        if self._verbose:
            record["request_bytes"] = request_bytes
        if sampler.left_out:
            record["left_out"] = sampler.take()
        self._log.write(record)


def add_access(
    record: dict[str, object],
    exchange: Exchange,
    status: int,
    sent_bytes: int,
    now_ns: int,
    *,
    detail: str = "normal",
) -> None:
    """Add what the line says; what did not happen is left out. Times in milliseconds."""
    record["request_id"] = exchange.request_id
    record["method"] = exchange.method[:_METHOD_LENGTH]
    record["route"] = exchange.route
    record["status"] = status
    record["duration_ms"] = _ms(now_ns - exchange.started_ns)
    if exchange.trace_id is not None:
        record["trace_id"] = exchange.trace_id
    if exchange.error_kind is not None:
        record["error"] = exchange.error_kind
    if detail != "minimal":
        record["stream"] = exchange.stream
        record["bytes"] = sent_bytes
        record["attempts"] = exchange.attempts
        _add_who(record, exchange)
        _add_course(record, exchange)
    if detail == "verbose":
        _add_all(record, exchange, now_ns)


def _add_who(record: dict[str, object], exchange: Exchange) -> None:
    """Add which model, which backend, which key."""
    if exchange.model is not None:
        record["model"] = exchange.model[:_NAME_LENGTH]
    if exchange.backend is not None:
        record["backend"] = exchange.backend
    if exchange.key_name is not None:
        record["key"] = exchange.key_name


def _add_course(record: dict[str, object], exchange: Exchange) -> None:
    """Add how it went."""
    if exchange.queued_ns is not None:
        record["queued_ms"] = _ms(exchange.queued_ns)
    if exchange.retry_causes:
        record["retries"] = list(exchange.retry_causes)
    if exchange.clock is not None:
        record["clock"] = exchange.clock
    if exchange.cache is not None:
        record["cache"] = exchange.cache
    if exchange.first_chunk_ns is not None:
        record["ttfc_ms"] = _ms(exchange.first_chunk_ns - exchange.started_ns)
    if exchange.prompt_tokens is not None:
        record["prompt_tokens"] = exchange.prompt_tokens
    if exchange.completion_tokens is not None:
        record["completion_tokens"] = exchange.completion_tokens
    if exchange.reasoning_tokens is not None:
        record["reasoning_tokens"] = exchange.reasoning_tokens


def _add_all(record: dict[str, object], exchange: Exchange, now_ns: int) -> None:
    """Add sizes, times inside the gateway, and what was asked for."""
    duration_ns = now_ns - exchange.started_ns
    record |= {
        "dialect": exchange.dialect.value,
        "chunks": exchange.chunks,
        "heartbeats": exchange.heartbeats,
        "received_bytes": exchange.received_bytes,
        "overhead_ms": _ms(max(0, duration_ns - exchange.waited_ns - (exchange.queued_ns or 0))),
        "translation_ms": _ms(exchange.translation_ns),
    }
    if exchange.backend_model is not None:
        record["backend_model"] = exchange.backend_model[:_NAME_LENGTH]
    if exchange.delivery is not None:
        record["delivery"] = exchange.delivery
    if exchange.facts is not None:
        record["asked"] = exchange.facts


def _ms(time_ns: int) -> float:
    return (time_ns + 500) // 1000 / 1000  # `round` to three digits goes by way of text
