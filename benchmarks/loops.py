"""How the programs of the benchmarks are run: on uvloop, where there is one, as the gateway is."""

import asyncio
from collections.abc import Coroutine


def run[T](main: Coroutine[None, None, T]) -> T:
    """Run a coroutine to its end."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(main)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)
