"""`python -m gateway.worker`: one of several processes that serve on one socket. Only a supervisor starts it."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from threading import Thread
from time import sleep
from typing import TYPE_CHECKING, Any

from gateway import cli
from gateway.worker_process import PING, READY, STOP, Inherited

if TYPE_CHECKING:
    from gateway.config import Config
    from gateway.lifecycle import Lifecycle

EXIT_ORPHANED = 3


class Lifeline:
    """Notices, in a thread of its own, that the supervisor is gone: then nobody would end this process any more."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._tell: Callable[[], object] | None = None
        self._longest_end_s = 0.0

    def start(self) -> None:
        """Begin to watch. Until `calls` says what to do, the process ends at once."""
        Thread(target=self._watch, name="lifeline", daemon=True).start()

    def calls(self, tell: Callable[[], object], longest_end_s: float) -> None:
        """Call `tell`, in the thread, and give the process that long to end by itself."""
        self._tell, self._longest_end_s = tell, longest_end_s

    def _watch(self) -> None:
        os.read(self._descriptor, 1)
        if self._tell is not None:
            self._tell()
            sleep(self._longest_end_s)
        os._exit(EXIT_ORPHANED)


def main(argv: Sequence[str] | None = None) -> int:
    """Serve on the socket that was handed over until the supervisor says stop, or is gone; return the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        inherited = Inherited.parse(arguments.pop(0))
    except (ValueError, TypeError, IndexError):
        sys.stderr.write("a worker is started by its supervisor: set WORKERS and run python -m gateway\n")
        return cli.EXIT_BAD_SETTINGS
    for descriptor in inherited[:3]:
        os.set_inheritable(descriptor, False)
    # A terminal sends these to all its processes: until there is an event loop, the supervisor decides alone.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    lifeline = Lifeline(inherited.lifeline)
    lifeline.start()
    return cli.main(arguments, serve=partial(_serve, inherited, lifeline))


def _serve(inherited: Inherited, lifeline: Lifeline, config: "Config", demo: bool) -> int:
    from gateway.server import event_loop
    from gateway.telemetry.logging import configure_logging

    configure_logging(config.log.effective_level, sys.stdout, config.secrets())
    with event_loop() as runner:
        runner.run(_work(inherited, lifeline, config, demo=demo))
    return 0


async def _work(inherited: Inherited, lifeline: Lifeline, config: "Config", *, demo: bool) -> None:
    from gateway.certificate import Certificate
    from gateway.lifecycle import Lifecycle, WorkerPlace
    from gateway.listener import Listener
    from gateway.server import built, listening, settle
    from gateway.signals import on_hangup, stop_on_signals
    from gateway.stopping import longest_end_s

    async with AsyncExitStack() as stack:
        listener = Listener(socket.socket(fileno=inherited.listener), bool(inherited.activated), shared=True)
        stack.callback(listener.close)
        listener.socket.setblocking(False)
        config = listener.configured(config)
        stop = stack.enter_context(stop_on_signals())
        # The supervisor replaces workers at this signal; one that was sent to all processes is not for them.
        stack.enter_context(on_hangup(lambda: None))
        grace_s = config.listen.shutdown_grace_s
        tell = partial(asyncio.get_running_loop().call_soon_threadsafe, stop.set)
        lifeline.calls(tell, longest_end_s(grace_s))
        certificate = Certificate.of(config.listen)
        lifecycle = Lifecycle(worker=WorkerPlace(inherited.number, config.listen.workers))
        tell_ready = await stack.enter_async_context(_linked(inherited.channel, lifecycle, stop))
        await _take_level(lifecycle)
        runner = await stack.enter_async_context(built(config, demo=demo, lifecycle=lifecycle))
        async with listening(runner, listener, certificate, grace_s):
            tell_ready()
            # What is to be said of the configuration is said once.
            await settle(config, warn=inherited.number == 0)
            await stop.wait()


async def _take_level(lifecycle: "Lifecycle") -> None:
    """Log from the level on that was chosen since the start, if there was one."""
    from gateway.channel import ChannelError
    from gateway.lifecycle import LEVEL
    from gateway.telemetry.logging import change_level

    # A supervisor of an older version does not know.
    with suppress(ChannelError):
        if (level := await lifecycle.ask(LEVEL)) is not None:
            change_level(str(level))


@asynccontextmanager
async def _linked(descriptor: int, lifecycle: "Lifecycle", stop: asyncio.Event) -> AsyncIterator[Callable[[], None]]:
    """Connect with the supervisor; yield how to tell it that clients are served."""
    from gateway.channel import Channel
    from gateway.lifecycle import RELOAD

    async def ping(_: Any) -> None:
        return

    async def end(_: Any) -> None:
        stop.set()

    lifecycle.topics |= {PING: ping, STOP: end, RELOAD: lifecycle.answer_reload}
    channel = await Channel.over(socket.socket(fileno=descriptor), lifecycle.topics)
    lifecycle.link = channel
    listening = asyncio.create_task(channel.listen(), name="channel")
    try:
        yield partial(channel.tell, READY)
    finally:
        channel.close()
        await asyncio.wait({listening})


if __name__ == "__main__":
    sys.exit(main())
