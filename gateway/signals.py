"""Signals: SIGINT or SIGTERM asks to stop, a second one ends at once; SIGHUP reads anew, SIGUSR1 changes the log."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


@contextmanager
def stop_on_signals(at_once: Callable[[], None] = lambda: None) -> Iterator[asyncio.Event]:
    """Set the event at the first signal; the second one calls `at_once` and ends the process."""
    loop, stop, asked = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()

    def on_signal(number: int) -> None:
        # Only signals count: a stop that was asked for in another way must not make the first one the second.
        if asked.is_set():
            at_once()
            # The default action would do, but the kernel withholds it from process 1 of a container.
            sys.stdout.flush()
            os._exit(128 + number)
        asked.set()
        stop.set()

    numbers = (signal.SIGINT, signal.SIGTERM)
    # Windows has no such handlers: there Ctrl-C cancels the task, which drains as well.
    with suppress(NotImplementedError):
        for number in numbers:
            loop.add_signal_handler(number, on_signal, number)
    try:
        yield stop
    finally:
        with suppress(NotImplementedError):
            for number in numbers:
                loop.remove_signal_handler(number)


@contextmanager
def on_hangup(act: Callable[[], None]) -> Iterator[None]:
    """Call `act` in the event loop at each SIGHUP, where there is such a signal."""
    with _on_signal("SIGHUP", act):
        yield


@contextmanager
def on_level_signal(act: Callable[[], object]) -> Iterator[None]:
    """Call `act` in the event loop at each SIGUSR1, where there is such a signal."""
    with _on_signal("SIGUSR1", act):
        yield


@contextmanager
def _on_signal(name: str, act: Callable[[], object]) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    with suppress(NotImplementedError, AttributeError):
        loop.add_signal_handler(getattr(signal, name), act)
    try:
        yield
    finally:
        with suppress(NotImplementedError, AttributeError):
            loop.remove_signal_handler(getattr(signal, name))
