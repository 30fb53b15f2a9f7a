"""WorkerProcess: a worker as its supervisor sees it; how it is started, told, asked and ended."""

import asyncio
import os
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple, Self

import gateway
from gateway.channel import ANSWER_WITHIN_S, Channel, ChannelError, Topic
from gateway.relay import Relay
from gateway.telemetry.logging import get_logger

READY, PING, STOP = "ready", "ping", "stop"
START_WITHIN_S = 60.0
EXIT_NO_PROCESS = 1
NOT_FOR_WORKERS = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES")
"""Of the environment, what a service manager means for the process that it started itself."""

_log = get_logger("supervisor")


class StartError(Exception):
    """A worker that was started did not become ready; `code` is its exit code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"a worker ended before it was ready (exit code {code})")
        self.code = code


class Inherited(NamedTuple):
    """What a worker is handed over: three descriptors, which worker it is, and whose the socket is.

    `lifeline` can be read once the supervisor is gone, and never before.
    """

    listener: int
    channel: int
    lifeline: int
    number: int
    activated: int

    def __str__(self) -> str:
        return ",".join(map(str, self))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `str` wrote. Raises ValueError or TypeError for anything else."""
        return cls(*map(int, text.split(",")))


@dataclass(frozen=True, slots=True)
class Plan:
    """What all workers of a supervisor have in common."""

    listener: socket.socket
    activated: bool
    lifeline: int
    arguments: Sequence[str]
    topics: Mapping[str, Topic]
    relay: Relay


class WorkerProcess:
    """Made by `start`. Times are `time.monotonic()`."""

    def __init__(self, number: int, process: Process) -> None:
        self.number = number
        self.pid = process.pid
        self.heard_s = monotonic()
        self._process = process
        self._ended = asyncio.create_task(process.wait())
        self._ready = asyncio.Event()
        self._ready_s: float | None = None
        self._channel: Channel | None = None
        self._listening: asyncio.Task[None] | None = None

    @classmethod
    async def start(cls, number: int, plan: Plan) -> "WorkerProcess":
        """Start a worker and wait until it serves. Raises StartError; cancelled or not, no process is left then.

        A new interpreter, not a fork: a copy of a process that has an event loop and threads would share the loop's
        descriptors and could hold locks of threads that it does not have. And a worker that is started later runs the
        program as it is installed then.
        """
        try:
            process, mine = await _spawn(number, plan)
        except OSError as error:  # no interpreter there any more, no memory, no descriptors
            _log.error("worker cannot be started", worker=number, why=str(error))
            raise StartError(EXIT_NO_PROCESS) from None
        worker = cls(number, process)
        try:
            await worker._connect(mine, plan)
            await worker._until_ready()
        except BaseException:
            await worker.end_now()
            raise
        return worker

    async def _connect(self, end: socket.socket, plan: Plan) -> None:
        self._channel = await Channel.over(end, {**plan.topics, READY: self._on_ready})
        self._listening = asyncio.create_task(self._channel.listen())
        plan.relay.join(self.pid, self._channel)
        self._listening.add_done_callback(lambda _: plan.relay.leave(self.pid))

    async def _on_ready(self, _payload: Any) -> None:
        self._ready_s = self.heard_s = monotonic()
        self._ready.set()

    async def _until_ready(self) -> None:
        ready = asyncio.create_task(self._ready.wait())
        await asyncio.wait({ready, self._ended}, timeout=START_WITHIN_S, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if self._ended.done():
            raise StartError(self._ended.result())
        if not self._ready.is_set():
            raise StartError(-signal.SIGKILL)

    @property
    def served_s(self) -> float:
        """How long it has been serving."""
        return 0.0 if self._ready_s is None else monotonic() - self._ready_s

    async def ended(self) -> int:
        """Wait for its end; return its exit code, which is negative for a signal."""
        return await asyncio.shield(self._ended)

    async def ask(self, topic: str, payload: Any = None, *, timeout_s: float = ANSWER_WITHIN_S) -> Any:
        """Return its answer. Raises ChannelError."""
        if self._channel is None:
            raise ChannelError("the worker is not connected yet")
        return await self._channel.ask(topic, payload, timeout_s=timeout_s)

    async def ping(self, within_s: float) -> None:
        """Ask for a sign of life and note when there was one."""
        with suppress(ChannelError):
            await self.ask(PING, timeout_s=within_s)
            self.heard_s = monotonic()

    async def leave(self, within_s: float) -> None:
        """Tell it to stop and wait until it has; use force after that time."""
        # Not a signal: a service manager may send one to all processes of the service, and a second one ends at once.
        if self._channel is not None:
            self._channel.tell(STOP)
        await asyncio.wait({self._ended}, timeout=within_s)
        if not self._ended.done():
            _log.error("worker did not end in time", worker=self.number, pid=self.pid)
        await self.end_now()

    def kill(self) -> None:
        """End it at once."""
        with suppress(ProcessLookupError):
            self._process.kill()

    async def end_now(self) -> None:
        """End it at once, wait for that, and let go of what was held for it."""
        if not self._ended.done():
            self.kill()
        await asyncio.wait({self._ended})
        if self._channel is not None:
            self._channel.close()
        if self._listening is not None:
            await asyncio.wait({self._listening})


async def _spawn(number: int, plan: Plan) -> tuple[Process, socket.socket]:
    """Return the process, and this end of the pair of sockets of which it has the other. Raises OSError."""
    mine, theirs = socket.socketpair()
    with theirs:
        inherited = Inherited(plan.listener.fileno(), theirs.fileno(), plan.lifeline, number, int(plan.activated))
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, *_flags(), "-m", "gateway.worker", str(inherited), *plan.arguments),
                stdin=DEVNULL,
                env=_environment(os.environ),
                pass_fds=inherited[:3],
            )
        except BaseException:
            mine.close()
            raise
    return process, mine


def _flags() -> list[str]:
    """Return the interpreter's own arguments: what isolates this process isolates workers, and no folder is added."""
    flags = sys.flags
    given = ["-I" if flags.isolated else "-P", *(["-O"] * flags.optimize)]
    return [*given, *(f"-W{option}" for option in sys.warnoptions)]


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a worker, in which it finds this package where the supervisor found it.

    That needs help only where it was in the folder that the interpreter adds, such as a checkout's.
    """
    kept = {name: value for name, value in environ.items() if name not in NOT_FOR_WORKERS}
    folder = Path(gateway.__file__).resolve().parents[1]
    if sys.flags.safe_path or Path(sys.path[0]).resolve() != folder:
        return kept
    folders = [str(folder), *filter(None, [environ.get("PYTHONPATH", "")])]
    return {**kept, "PYTHONPATH": os.pathsep.join(folders)}
