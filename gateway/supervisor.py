"""Supervisor: owns the listening socket, keeps workers there, and replaces them one by one. It serves nobody itself."""

import asyncio
import gc
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing, suppress
from time import monotonic
from typing import Any

import msgspec

from gateway.admission.supervised import counting, local_counts
from gateway.certificate import Certificate
from gateway.channel import ANSWER_WITHIN_S, COLLECT, ChannelError, Collection
from gateway.config import Config, ConfigError, Problem
from gateway.lifecycle import BREAKERS, BREAKERS_NOW, LEVEL, RELOAD, RELOAD_WITHIN_S, packed
from gateway.listener import Listener, address_of, open_listener, turn_away
from gateway.notify import ServiceManager
from gateway.relay import Relay
from gateway.signals import on_hangup, on_level_signal, stop_on_signals
from gateway.slot import Slot
from gateway.stopping import longest_end_s
from gateway.telemetry.gathering import FAMILIES, Ledger
from gateway.telemetry.logging import change_level, configure_logging, get_logger, set_level, toggle_debug
from gateway.worker_process import Plan, StartError, WorkerProcess

PING_EVERY_S = 5.0
HUNG_AFTER_S = 20.0
"""How long a worker may be silent before it is ended: no request blocks an event loop for that long."""
LEAVE_MARGIN_S = 2.0
BREAKERS_WITHIN_S = 0.5
"""How long a worker that starts is kept waiting for what another one knows of the backends."""
LIMITS = "limits"
"""The topic under which workers count together what clients use."""

_log = get_logger("supervisor")

type Ready = Callable[[str], None]


def supervise(config: Config, arguments: Sequence[str], *, on_ready: Ready | None) -> int:
    """Serve with workers until a signal; return the exit code. Raises ConfigError when it cannot listen."""
    if sys.platform == "win32":
        right = "1: on Windows, several processes cannot share a listening socket"
        raise ConfigError([Problem("WORKERS", f"is {config.listen.workers}", right)])
    gc.enable()
    with closing(open_listener(config.listen, os.environ)) as listener:
        config = listener.configured(config)
        Certificate.of(config.listen)
        # Nobody writes into it: it can be read, to its end, once the process that holds its other end is gone.
        lifeline, held = os.pipe()
        try:
            supervisor = Supervisor(config, listener, lifeline, arguments)
            # Plain asyncio: uvloop has nothing to speed up here.
            with asyncio.Runner() as runner, suppress(KeyboardInterrupt):
                return runner.run(supervisor.run(on_ready))
        finally:
            os.close(lifeline)
            os.close(held)
    return 0


class Supervisor:
    """`lifeline`: a descriptor that can be read when this process is gone."""

    def __init__(self, config: Config, listener: Listener, lifeline: int, arguments: Sequence[str]) -> None:
        self._config = config
        self._listener = listener
        self._address = address_of(listener.socket, tls=config.listen.tls)
        self._manager = ServiceManager.of(os.environ)
        self._ledger = Ledger()
        breakers = Relay(BREAKERS)
        topics = {
            RELOAD: self._answer_reload,
            COLLECT: self._answer_collect,
            LIMITS: counting(local_counts()),
            FAMILIES: self._note_numbers,
            LEVEL: self._answer_level,
            BREAKERS: breakers.pass_on,
            BREAKERS_NOW: self._answer_breakers,
        }
        self._plan = Plan(listener.socket, listener.activated, lifeline, arguments, topics, breakers)
        self._slots: list[Slot] = []
        self._leaving: dict[asyncio.Task[None], WorkerProcess] = {}
        self._changing = asyncio.Lock()
        self._busy = True
        """Starting or stopping: no worker need be well then."""
        self._patience_s = 0.0
        """How long a worker may take to leave."""
        self._level: str | None = None
        """From which level on to log, where that was chosen since the settings were read."""
        self._adopt(config)

    async def run(self, on_ready: Ready | None) -> int:
        """Serve until a signal; return the exit code: 0, or that of a worker that could not be started."""
        hangup, level = asyncio.Event(), asyncio.Event()
        with stop_on_signals(self._kill_all) as stop, on_hangup(hangup.set), on_level_signal(level.set):
            async with self._manager.kept_informed(self.healthy):
                serving = asyncio.create_task(self._serve(hangup, level, on_ready))
                stopped = asyncio.create_task(stop.wait())
                try:
                    await asyncio.wait({serving, stopped}, return_when=asyncio.FIRST_COMPLETED)
                    return 0 if stop.is_set() else serving.result()
                finally:
                    self._busy = True
                    for task in (serving, stopped):
                        task.cancel()
                    await asyncio.gather(serving, stopped, return_exceptions=True)
                    await self._end()

    async def _serve(self, hangup: asyncio.Event, level: asyncio.Event, on_ready: Ready | None) -> int:
        """Start the workers and look after them; return an exit code where that is not possible."""
        if code := await self._start():
            return code
        self._busy = False
        self._manager.ready(self._address)
        if on_ready is not None:
            on_ready(self._address)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch())
            tasks.create_task(self._replace_on(hangup))
            tasks.create_task(self._change_level_on(level))
        return 0

    @property
    def workers(self) -> list[WorkerProcess]:
        """All workers that serve: those that are kept, then those that are leaving."""
        return [*self._kept, *self._leaving.values()]

    @property
    def _kept(self) -> list[WorkerProcess]:
        return [slot.worker for slot in self._slots if slot.worker is not None]

    def healthy(self) -> bool:
        """Tell whether clients are served: what the service manager's watchdog is told."""
        return self._busy or any(monotonic() - worker.heard_s < HUNG_AFTER_S for worker in self._kept)

    async def _start(self) -> int:
        """Start the workers: the first alone, so that what is wrong with all of them is said once.

        Return 0, or an exit code where it does not become ready.
        """
        first = Slot(0, self._plan)
        try:
            await first.fill()
        except StartError as error:
            _log.error("no worker can be started", exit_code=error.code)
            return max(error.code, 1)
        self._slots = [first, *(Slot(number, self._plan) for number in range(1, self._config.listen.workers))]
        for slot in self._slots[1:]:
            slot.keep()
        await asyncio.gather(*(slot.settled.wait() for slot in self._slots))
        return 0

    async def _watch(self) -> None:
        """End workers that hang; their slots start others."""
        while True:
            await asyncio.sleep(PING_EVERY_S)
            await asyncio.gather(*(worker.ping(PING_EVERY_S) for worker in self._kept))
            for worker in self._kept:
                if monotonic() - worker.heard_s > HUNG_AFTER_S:
                    _log.error("worker hangs", worker=worker.number, pid=worker.pid)
                    worker.kill()

    async def _change_level_on(self, signalled: asyncio.Event) -> None:
        while True:
            await signalled.wait()
            signalled.clear()
            self._level = toggle_debug()
            await self._asked(self.workers, LEVEL, self._level)

    async def _replace_on(self, hangup: asyncio.Event) -> None:
        while True:
            await hangup.wait()
            hangup.clear()
            async with self._changing:
                self._manager.reloading()
                await self._replace_all()
                self._manager.ready(self._address)
            # Signals that come in quick succession must not make a crowd of processes: one generation leaves at a time.
            if self._leaving:
                await asyncio.wait(self._leaving)

    async def _replace_all(self) -> None:
        """Put a new worker in the place of each, if the configuration as it stands now is one to serve with."""
        try:
            config = await self._reread()
        except ConfigError as error:
            for line in error.lines:
                _log.error("configuration refused, the old workers stay", detail=line)
            return
        self._level = None
        self._adopt(config)
        wanted = config.listen.workers
        try:
            for slot in self._slots[:wanted]:
                self._dismiss(await slot.fill())
            for number in range(len(self._slots), wanted):
                slot = Slot(number, self._plan)
                await slot.fill()
                self._slots.append(slot)
        except StartError as error:
            _log.error("new worker refused, the old ones that are left stay", exit_code=error.code)
            return
        for slot in self._slots[wanted:]:
            self._dismiss(await slot.clear())
        del self._slots[wanted:]
        _log.info("workers replaced", workers=wanted)

    async def _reread(self) -> Config:
        config = self._listener.configured(await asyncio.to_thread(self._config.reread))
        await asyncio.to_thread(Certificate.of, config.listen)
        return config

    def _adopt(self, config: Config) -> None:
        old, self._config = self._config.listen, config
        # Those that leave still have the grace of the configuration they were started with.
        grace_s = max(old.shutdown_grace_s, config.listen.shutdown_grace_s)
        self._patience_s = longest_end_s(grace_s) + LEAVE_MARGIN_S
        configure_logging(config.log.effective_level, sys.stdout, config.secrets())
        if self._level is not None:
            set_level(self._level)
        self._address = address_of(self._listener.socket, tls=config.listen.tls)
        if (old.host, old.port) != (config.listen.host, config.listen.port):
            _log.warning("PROXY_HOST and PROXY_PORT stay as they are until a restart")

    def _dismiss(self, worker: WorkerProcess | None) -> None:
        """Let a worker finish what it serves, and go."""
        if worker is None:
            return
        task = asyncio.create_task(worker.leave(self._patience_s))
        self._leaving[task] = worker
        task.add_done_callback(self._leaving.pop)

    async def _end(self) -> None:
        """Stop all workers, and wait until they are gone."""
        self._manager.stopping(self._patience_s)
        if not self._listener.activated:
            await turn_away(self._listener.socket)
        for slot in self._slots:
            self._dismiss(await slot.clear())
        self._listener.close()
        if self._leaving:
            await asyncio.wait(self._leaving)

    def _kill_all(self) -> None:
        for worker in self.workers:
            worker.kill()

    async def _answer_collect(self, payload: Any) -> list[Any]:
        """Answer a worker that asks all of them; who does not answer in time is left out."""
        asked = msgspec.convert(payload, Collection)
        if asked.topic == LEVEL:
            self._level = str(asked.payload)
            change_level(self._level)
        answers = await self._asked(self.workers, asked.topic, asked.payload)
        if asked.topic == FAMILIES:
            return self._ledger.balance([worker.pid for worker in self.workers], answers)
        return [answer for answer in answers if answer is not None]

    async def _note_numbers(self, payload: Any) -> None:
        """Take a worker's last word: what it counted stays in the sums when it is gone."""
        self._ledger.note(payload)

    async def _answer_level(self, _payload: Any) -> str | None:
        """Answer a worker that starts: the level that was chosen, None where its settings say which."""
        return self._level

    async def _answer_breakers(self, _payload: Any) -> Any:
        """Answer a worker that starts: what the breakers of one that serves are now, nothing while none answers."""
        for worker in self._kept:
            with suppress(ChannelError):  # it is being replaced, hangs, or is of an older version
                return await worker.ask(BREAKERS_NOW, timeout_s=BREAKERS_WITHIN_S)
        return []

    async def _answer_reload(self, _payload: Any) -> dict[str, Any]:
        """Have every worker read the configuration again, if it is right."""
        async with self._changing:
            try:
                self._adopt(await self._reread())
            except ConfigError as error:
                return packed(error)
            answers = await self._asked(self._kept, RELOAD, timeout_s=RELOAD_WITHIN_S / 2)
        refused = [answer for answer in answers if answer is None or "problems" in answer]
        if refused:
            _log.error("not every worker has the new configuration: send SIGHUP", workers=len(refused))
        told = [answer for answer in [*refused, *answers] if answer is not None]
        return dict(told[0]) if told else {"backends": []}

    async def _asked(
        self, workers: Iterable[WorkerProcess], topic: str, payload: Any = None, *, timeout_s: float = ANSWER_WITHIN_S
    ) -> list[Any]:
        """Return an answer a worker, None for one that gave none."""

        async def ask(worker: WorkerProcess) -> Any:
            try:
                return await worker.ask(topic, payload, timeout_s=timeout_s)
            except ChannelError as error:
                _log.warning("worker gave no answer", worker=worker.number, pid=worker.pid, topic=topic, why=str(error))
                return None

        return await asyncio.gather(*map(ask, workers))
