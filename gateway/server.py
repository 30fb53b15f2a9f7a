"""The running process: its socket, the runner's options, and the drain at the end. `supervisor` starts several."""

import asyncio
import gc
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing, contextmanager, nullcontext, suppress
from typing import TypedDict

from aiohttp import web
from aiohttp.web_runner import BaseSite

from gateway.certificate import Certificate
from gateway.config import Config, ConfigError
from gateway.connections import BoundedServer, most_connections, raise_file_limit
from gateway.lifecycle import LIFECYCLE, Lifecycle
from gateway.listener import (
    BACKLOG,
    Listener,
    ProtocolFactory,
    TlsOptions,
    address_of,
    open_listener,
    take_queued,
    turn_away,
)
from gateway.middlewares.headers import name_no_server
from gateway.notify import ServiceManager
from gateway.signals import on_hangup, on_level_signal, stop_on_signals
from gateway.stopping import drain, longest_end_s, say_close, shutdown_timeout_s
from gateway.telemetry.logging import configure_logging, get_logger, toggle_debug
from gateway.version import version_facts

HANDSHAKE_TIMEOUT_S = 15.0
GC_THRESHOLD = 10_000
"""How many objects more than before there must be for garbage to be looked for."""
HEADER_BYTES = 16_384
MAX_HEADERS = 64

type AppFactory = Callable[[Config], web.Application]
type Ready = Callable[[str], None]

_log = get_logger("gateway.server")


class RunnerOptions(TypedDict):
    """What `web.AppRunner` is given: these belong to the runner, not to the application."""

    handler_cancellation: bool
    keepalive_timeout: float
    access_log: None
    auto_decompress: bool
    max_line_size: int
    max_field_size: int
    max_headers: int
    shutdown_timeout: float


def runner_options(config: Config) -> RunnerOptions:
    """Return the options of the runner, for the program and for tests alike."""
    return RunnerOptions(
        handler_cancellation=True,
        # aiohttp also gives a client this long to send its headers.
        keepalive_timeout=config.listen.idle_timeout_s,
        access_log=None,
        # Bodies are decoded where they are read: with our bound, and with errors in the dialect of the route.
        auto_decompress=False,
        max_line_size=HEADER_BYTES,
        max_field_size=HEADER_BYTES,
        max_headers=MAX_HEADERS,
        shutdown_timeout=shutdown_timeout_s(config.listen.shutdown_grace_s),
    )


def run(
    config: Config,
    *,
    demo: bool = False,
    arguments: Sequence[str] = (),
    on_ready: Ready | None = None,
    app_factory: AppFactory | None = None,
) -> int:
    """Serve until a signal; return the exit code. With workers, each is given `arguments` of the command line.

    Raises ConfigError when it cannot listen.
    """
    configure_logging(config.log.effective_level, sys.stdout, config.secrets())
    if config.listen.workers > 1:
        from gateway.supervisor import supervise

        return supervise(config, arguments, on_ready=on_ready)
    with event_loop() as runner, suppress(KeyboardInterrupt):
        runner.run(serve(config, demo=demo, on_ready=on_ready, app_factory=app_factory))
    return 0


async def serve(
    config: Config, *, on_ready: Ready | None = None, demo: bool = False, app_factory: AppFactory | None = None
) -> None:
    """Serve until SIGINT or SIGTERM, or until cancelled; then drain. With `demo`, in front of the demo backend.

    `on_ready` gets the address. Raises ConfigError when it cannot listen.
    """
    async with AsyncExitStack() as stack:
        listener = stack.enter_context(closing(open_listener(config.listen, os.environ)))
        config = listener.configured(config)
        certificate = Certificate.of(config.listen)
        stop = stack.enter_context(stop_on_signals())
        stack.enter_context(on_level_signal(toggle_debug))
        manager = ServiceManager.of(os.environ)
        runner = await stack.enter_async_context(built(config, demo=demo, app_factory=app_factory))
        address = address_of(listener.socket, tls=certificate is not None)
        stack.enter_context(_reload_on_hangup(runner.app[LIFECYCLE], certificate, manager, address))
        await stack.enter_async_context(manager.kept_informed())
        async with listening(runner, listener, certificate, config.listen.shutdown_grace_s):
            try:
                manager.ready(address)
                if on_ready is not None:
                    on_ready(address)
                await settle(config)
                await stop.wait()
            finally:
                manager.stopping(longest_end_s(config.listen.shutdown_grace_s))


@asynccontextmanager
async def built(
    config: Config, *, demo: bool, app_factory: AppFactory | None = None, lifecycle: Lifecycle | None = None
) -> AsyncIterator[web.AppRunner]:
    """Build the application, which is not started yet; with `demo`, start the backend that it asks."""
    async with AsyncExitStack() as stack:
        if demo:
            from gateway.demo import run_demo

            config = config.for_backend(await stack.enter_async_context(run_demo()))
        app = _application(config, app_factory, lifecycle)
        yield web.AppRunner(app, **runner_options(config))


@asynccontextmanager
async def listening(
    runner: web.AppRunner, listener: Listener, certificate: Certificate | None, grace_s: float
) -> AsyncIterator[None]:
    """Start the application and serve as long as the context is open; then drain."""
    tls = certificate is not None
    try:
        async with certificate.kept_fresh() if certificate is not None else nullcontext():
            await runner.setup()
            if runner.server is not None:
                name_no_server(runner.server)
            await _Site(runner, listener, certificate).start()
            yield
    finally:
        await drain(runner, runner.app[LIFECYCLE], grace_s, tls=tls)


class _Site(BaseSite):
    """Serves on a socket that listens already; aiohttp's own has no bound for a handshake of TLS."""

    __slots__ = ("_certificate", "_factory", "_listener")

    def __init__(self, runner: web.AppRunner, listener: Listener, certificate: Certificate | None) -> None:
        super().__init__(runner)
        self._listener = listener
        self._certificate = certificate
        self._factory: ProtocolFactory | None = None

    @property
    def name(self) -> str:
        return address_of(self._listener.socket, tls=self._certificate is not None)

    async def start(self) -> None:
        await super().start()
        server = self._runner.server
        if server is None:
            raise RuntimeError("the runner is not set up")
        factory = BoundedServer(server, most_connections(raise_file_limit()))
        self._server = await asyncio.get_running_loop().create_server(
            factory, sock=self._listener.socket, backlog=BACKLOG, **self._tls()
        )
        self._factory = factory

    async def stop(self) -> None:
        """Accept nothing more; who has connected is served, while closing the socket would reset those that queue."""
        # The service manager's socket stays, and its queue with it. On Windows a socket's double cannot accept.
        if self._factory is None or self._listener.activated or sys.platform == "win32":
            await super().stop()
            return
        if not self._listener.shared:
            await turn_away(self._listener.socket)
        kept = self._listener.socket.dup()
        kept.setblocking(False)
        # Both event loops close their own end at once: ours is the last one.
        await super().stop()
        await take_queued(kept, self._factory, **self._tls())

    def _tls(self) -> TlsOptions:
        if self._certificate is None:
            return TlsOptions(ssl=None, ssl_handshake_timeout=None)
        return TlsOptions(ssl=self._certificate.context, ssl_handshake_timeout=HANDSHAKE_TIMEOUT_S)


def _application(config: Config, app_factory: AppFactory | None, lifecycle: Lifecycle | None) -> web.Application:
    if app_factory is None:
        from gateway.app import create_app

        app = create_app(config, lifecycle)
    else:
        app = app_factory(config)
    if LIFECYCLE not in app:
        app[LIFECYCLE] = Lifecycle()
    app.on_response_prepare.append(say_close(app[LIFECYCLE]))
    return app


async def settle(config: Config, *, warn: bool = True) -> None:
    """Do what the first answer need not wait for; `warn`: say what is dangerous in the configuration."""
    for warning in config.warnings if warn else ():
        _log.warning("configuration", detail=warning)
    gc.freeze()
    # A request makes hundreds of objects and hardly a cycle: at the usual 700, every other one pays for a search.
    gc.set_threshold(GC_THRESHOLD)
    gc.enable()
    await asyncio.to_thread(version_facts)


@contextmanager
def _reload_on_hangup(
    lifecycle: Lifecycle, certificate: Certificate | None, manager: ServiceManager, address: str
) -> Iterator[None]:
    """Read certificate and configuration of the backends again at each SIGHUP."""
    loop = asyncio.get_running_loop()
    tasks: set[asyncio.Task[None]] = set()

    async def reload() -> None:
        manager.reloading()
        if certificate is not None:
            await asyncio.to_thread(certificate.refresh)
        await _reload(lifecycle)
        manager.ready(address)

    def on_signal() -> None:
        task = loop.create_task(reload())
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    with on_hangup(on_signal):
        yield


async def _reload(lifecycle: Lifecycle) -> None:
    if lifecycle.reload is None:
        return
    try:
        await lifecycle.reload()
    except ConfigError as error:
        for line in error.lines:
            _log.error("configuration refused, the old one stays", detail=line)


def event_loop() -> asyncio.Runner:
    """Return what runs a serving process: on uvloop, where there is one."""
    try:
        import uvloop
    except ImportError:
        return asyncio.Runner()
    return asyncio.Runner(loop_factory=uvloop.new_event_loop)
