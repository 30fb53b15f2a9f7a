"""Tells how long a request waited for others, so that what is left is the time in the gateway alone."""

from collections.abc import Awaitable, Generator
from time import monotonic_ns
from types import coroutine
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gateway.exchange import Exchange


@coroutine
def waiting[T](exchange: "Exchange", awaitable: Awaitable[T]) -> Generator[Any, Any, T]:
    """Await, and add to `exchange.waited_ns` the time in which nothing ran for it: `await waiting(exchange, ...)`.

    What `awaitable` computes itself is no wait. Costs half a microsecond, and as much for every time it waits.
    """
    steps = awaitable.__await__()
    try:
        yielded = next(steps)
        while True:
            since_ns = monotonic_ns()
            try:
                sent = yield yielded
            except GeneratorExit:
                steps.close()
                raise
            except BaseException as error:  # noqa: BLE001 - a cancellation above all: it is for what is awaited
                exchange.waited_ns += monotonic_ns() - since_ns
                yielded = steps.throw(error)
            else:
                exchange.waited_ns += monotonic_ns() - since_ns
                yielded = steps.send(sent)
    except StopIteration as end:
        value: T = end.value
        return value
