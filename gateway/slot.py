"""Slot: the place of one worker, in which another is put whenever it ends."""

import asyncio
from contextlib import suppress

from gateway.telemetry.logging import get_logger
from gateway.worker_process import Plan, StartError, WorkerProcess

STEADY_S = 10.0
"""A worker that served for that long is no sign that the next one will end at once."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0

_log = get_logger("supervisor")


def pause_s(deaths: int) -> float:
    """Return how long to wait before a start, after that many quick ends in a row."""
    return min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(deaths - 1, 30)) if deaths else 0.0


class Slot:
    """`worker` is the one that serves, None while there is none. `settled` once the first start worked, or failed."""

    def __init__(self, number: int, plan: Plan) -> None:
        self.number = number
        self.worker: WorkerProcess | None = None
        self.settled = asyncio.Event()
        self._plan = plan
        self._keeping: asyncio.Task[None] | None = None
        self._deaths = 0

    async def fill(self) -> WorkerProcess | None:
        """Put a new worker there once it serves; return the old one, which goes on. Raises StartError: it stays."""
        new = await WorkerProcess.start(self.number, self._plan)
        old = await self.clear()
        self._deaths = 0
        self.keep(new)
        return old

    def keep(self, worker: WorkerProcess | None = None) -> None:
        """See to it from now on that there is a worker: this one first, if it is given."""
        if worker is not None:
            self.worker = worker
            self.settled.set()
        self._keeping = asyncio.create_task(self._keep())

    async def clear(self) -> WorkerProcess | None:
        """Start no other worker any more; return the one that serves."""
        if self._keeping is not None:
            self._keeping.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeping
            self._keeping = None
        worker, self.worker = self.worker, None
        return worker

    async def _keep(self) -> None:
        while True:
            if self.worker is None:
                await asyncio.sleep(pause_s(self._deaths))
                await self._start()
            else:
                await self._outlive(self.worker)

    async def _start(self) -> None:
        try:
            self.worker = await WorkerProcess.start(self.number, self._plan)
        except StartError as error:
            self._deaths += 1
            _log.error("worker cannot be started", worker=self.number, exit_code=error.code, deaths=self._deaths)
        self.settled.set()

    async def _outlive(self, worker: WorkerProcess) -> None:
        code = await worker.ended()
        self.worker = None
        self._deaths = 0 if worker.served_s >= STEADY_S else self._deaths + 1
        _log.error("worker ended", worker=self.number, pid=worker.pid, exit_code=code, deaths=self._deaths)
        await worker.end_now()
