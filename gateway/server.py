"""The running process: one listening socket, the runner's options, signals and the drain."""

import asyncio
import errno
import gc
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, closing, contextmanager, suppress
from ipaddress import ip_address
from typing import TypedDict

from aiohttp import web
from yarl import URL

from gateway.config import Config, ConfigError, ListenConfig, Problem
from gateway.lifecycle import LIFECYCLE, Lifecycle
from gateway.notify import ServiceManager
from gateway.telemetry.logging import configure_logging, get_logger
from gateway.version import version_facts

BACKLOG = 1024
DRAIN_S = 30.0
"""How long running requests may go on after the first signal."""
LAST_WORDS_S = 2.0
"""How long streams then have to write an honest last line."""
KEEPALIVE_TIMEOUT_S = 75.0
"""Longer than the 60 s of common reverse proxies; aiohttp also gives a client this long to send its headers."""
HEADER_BYTES = 16_384

type AppFactory = Callable[[Config], web.Application]
type Ready = Callable[[str], None]


class RunnerOptions(TypedDict):
    """What `web.AppRunner` is given: these belong to the runner, not to the application."""

    handler_cancellation: bool
    keepalive_timeout: float
    access_log: None
    auto_decompress: bool
    max_line_size: int
    max_field_size: int
    shutdown_timeout: float


def runner_options(config: Config) -> RunnerOptions:
    """Return the options of the runner, for the program and for tests alike."""
    return RunnerOptions(
        handler_cancellation=True,
        keepalive_timeout=KEEPALIVE_TIMEOUT_S,
        access_log=None,
        # Bodies are decoded where they are read: with our bound, and with errors in the dialect of the route.
        auto_decompress=False,
        max_line_size=HEADER_BYTES,
        max_field_size=HEADER_BYTES,
        shutdown_timeout=DRAIN_S + LAST_WORDS_S,
    )


def run(
    config: Config, *, demo: bool = False, on_ready: Ready | None = None, app_factory: AppFactory | None = None
) -> int:
    """Serve until a signal; return the exit code. Raises ConfigError when it cannot listen."""
    configure_logging(config.log.effective_level, sys.stdout, config.secrets())
    with asyncio.Runner(loop_factory=_loop_factory()) as runner, suppress(KeyboardInterrupt):
        runner.run(serve(config, demo=demo, on_ready=on_ready, app_factory=app_factory))
    return 0


async def serve(
    config: Config, *, on_ready: Ready | None = None, demo: bool = False, app_factory: AppFactory | None = None
) -> None:
    """Serve until SIGINT or SIGTERM, or until cancelled; then drain. With `demo`, in front of the demo backend.

    `on_ready` gets the address. Raises ConfigError when it cannot listen.
    """
    async with AsyncExitStack() as stack:
        listener = stack.enter_context(closing(listening_socket(config.listen)))
        stop = stack.enter_context(_stop_on_signals())
        manager = ServiceManager.of(os.environ)
        if demo:
            from gateway.demo import run_demo

            config = config.for_backend(await stack.enter_async_context(run_demo()))
        runner = web.AppRunner(_application(config, app_factory), **runner_options(config))
        stack.enter_context(_reload_on_signal(runner.app[LIFECYCLE]))
        await stack.enter_async_context(manager.kept_informed())
        try:
            await _start(runner, listener)
            manager.ready(address_of(listener))
            if on_ready is not None:
                on_ready(address_of(listener))
            await _settle(config)
            await stop.wait()
        finally:
            manager.stopping()
            await _drain(runner)


def _application(config: Config, app_factory: AppFactory | None) -> web.Application:
    if app_factory is None:
        from gateway.app import create_app

        app_factory = create_app
    app = app_factory(config)
    if LIFECYCLE not in app:
        app[LIFECYCLE] = Lifecycle()
    return app


async def _start(runner: web.AppRunner, listener: socket.socket) -> None:
    await runner.setup()
    await web.SockSite(runner, listener, backlog=BACKLOG).start()


async def _settle(config: Config) -> None:
    """Do what the first answer need not wait for."""
    logger = get_logger("gateway.server")
    for warning in config.warnings:
        logger.warning("configuration", detail=warning)
    gc.freeze()
    gc.enable()
    await asyncio.to_thread(version_facts)


async def _drain(runner: web.AppRunner) -> None:
    """Accept nothing more, let running requests finish, tell the rest to end, clean up."""
    lifecycle = runner.app[LIFECYCLE]
    lifecycle.stopping = True
    last_words = asyncio.get_running_loop().call_later(DRAIN_S, lifecycle.end_live)
    try:
        await runner.cleanup()
    finally:
        last_words.cancel()


@contextmanager
def _stop_on_signals() -> Iterator[asyncio.Event]:
    """Set the event at the first SIGINT or SIGTERM; the second one ends the process at once."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()

    def on_signal(number: int) -> None:
        if stop.is_set():
            # The default action would do, but the kernel withholds it from process 1 of a container.
            sys.stdout.flush()
            os._exit(128 + number)
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
def _reload_on_signal(lifecycle: Lifecycle) -> Iterator[None]:
    """Read the configuration of the backends again at each SIGHUP."""
    loop = asyncio.get_running_loop()
    tasks: set[asyncio.Task[None]] = set()

    def on_signal() -> None:
        task = loop.create_task(_reload(lifecycle))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    with suppress(NotImplementedError, AttributeError):
        loop.add_signal_handler(signal.SIGHUP, on_signal)
    try:
        yield
    finally:
        with suppress(NotImplementedError, AttributeError):
            loop.remove_signal_handler(signal.SIGHUP)


async def _reload(lifecycle: Lifecycle) -> None:
    if lifecycle.reload is None:
        return
    try:
        await lifecycle.reload()
    except ConfigError as error:
        for line in error.lines:
            get_logger("gateway.server").error("configuration refused, the old one stays", detail=line)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def listening_socket(listen: ListenConfig) -> socket.socket:
    """Return a socket that listens. Raises ConfigError when the port is taken or the host is not ours.

    There is no `SO_REUSEPORT`: a second start on a used port must be an error.
    """
    try:
        # A name may have addresses of both families, and there is one socket: clients expect IPv4 behind "localhost".
        found = socket.getaddrinfo(listen.host, listen.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, *_, address = min(found, key=lambda item: item[0] != socket.AF_INET)
        dual = family == socket.AF_INET6 and listen.host == "::" and socket.has_dualstack_ipv6()
        return socket.create_server(address[:2], family=family, backlog=BACKLOG, dualstack_ipv6=dual)
    except (OSError, UnicodeError) as error:
        raise ConfigError([_listening_problem(listen, error)]) from None


def _listening_problem(listen: ListenConfig, error: OSError | UnicodeError) -> Problem:
    where = f"port {listen.port} on {listen.host}"
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.EADDRINUSE:
        right = "a free port: stop what uses this one (Ollama itself?), or choose another with PROXY_PORT or --port"
        return Problem("PROXY_PORT", f"{where} is in use", right)
    if number in {errno.EACCES, errno.EPERM}:
        right = "a port above 1023, or the right to use this one (PROXY_PORT or --port)"
        return Problem("PROXY_PORT", f"{where} is not allowed to this user", right)
    # asyncio's and socket's own words for it repeat the address; a resolver's number is no errno.
    known = number is not None and not isinstance(error, socket.gaierror)
    reason = os.strerror(number or 0) if known else getattr(error, "strerror", "not a host name")
    right = "a name or an address of this machine (PROXY_HOST or --host)"
    return Problem("PROXY_HOST", f"cannot listen at {where} ({reason})", right)


def address_of(listener: socket.socket) -> str:
    """Return the URL at which this machine reaches a listening socket."""
    host, port = listener.getsockname()[:2]
    if ip_address(host).is_unspecified:
        host = "::1" if listener.family == socket.AF_INET6 else "127.0.0.1"
    return str(URL.build(scheme="http", host=host, port=port)).rstrip("/")
