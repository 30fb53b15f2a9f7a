"""How a process stops serving: it takes nothing new, lets run what runs, and has the rest end honestly."""

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import hdrs, web

from gateway.lifecycle import Lifecycle

LINGER_S = 1.0
"""How long connections that are open, but idle, may still bring a request: it is answered, and then they are closed."""
LAST_WORDS_S = 2.0
"""How long answers that are told to end have for an honest last line."""
MARGIN_S = 8.0
"""How long cleaning up may take on a busy machine."""
LOOK_EVERY_S = 0.05
"""How often what still runs is looked at."""
FIRST_LOOK_S = 0.05
"""How long what was accepted just now takes to show as a connection."""


def longest_end_s(grace_s: float) -> float:
    """Return how long the end of a process may take, with a margin for a busy machine."""
    return grace_s + LAST_WORDS_S + MARGIN_S


def shutdown_timeout_s(grace_s: float) -> float:
    """Return what the runner is to wait for running requests: a little longer than `drain` lets it."""
    return grace_s + 2 * LAST_WORDS_S


def say_close(lifecycle: Lifecycle) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    """Return a function for `on_response_prepare`: answers begun while stopping end their connection, and say so."""

    async def on_prepare(_: web.Request, response: web.StreamResponse) -> None:
        """End the connection of an answer that begins while the process stops."""
        if lifecycle.stopping:
            # The first alone comes too late for the header.
            response.force_close()
            response.headers[hdrs.CONNECTION] = "close"

    return on_prepare


async def drain(runner: web.AppRunner, lifecycle: Lifecycle, grace_s: float, *, tls: bool) -> None:
    """Accept nothing more, let running requests finish, tell the rest to end, clean up.

    Connections are closed only a moment after the last request: a client that has just connected, or sends on one it
    kept, would otherwise see its request fail. A handshake of TLS shows nowhere, so that there the moment is always
    waited for.
    """
    loop = asyncio.get_running_loop()
    ends_s = loop.time() + grace_s
    lifecycle.stopping = True
    for site in list(runner.sites):
        await site.stop()
    server = runner.server
    if server is None:
        await runner.cleanup()
        return
    timers = [
        loop.call_at(ends_s, lifecycle.end_live),
        loop.call_at(ends_s + LAST_WORDS_S, _cut, server),
    ]
    try:
        await asyncio.sleep(min(FIRST_LOOK_S, grace_s))
        if tls or server.connections:
            await _until_idle(lifecycle, ends_s)
        await runner.cleanup()
    finally:
        for timer in timers:
            timer.cancel()


async def _until_idle(lifecycle: Lifecycle, ends_s: float) -> None:
    """Wait until no request has run for LINGER_S, or until the time is over.

    The answer to a request that ran when the stop began did not say that its connection would be closed: a proxy may
    send the next one on it.
    """
    clock = asyncio.get_running_loop().time
    quiet_until_s = clock() + LINGER_S
    while (now_s := clock()) < min(quiet_until_s, ends_s):
        if lifecycle.live:
            quiet_until_s = now_s + LINGER_S
        await asyncio.sleep(LOOK_EVERY_S)


def _cut(server: web.Server) -> None:
    """Close what is left, unsent bytes and all: a client that does not read must not hold up the end."""
    for connection in server.connections:
        if connection.transport is not None:
            connection.transport.abort()
