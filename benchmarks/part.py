"""What every part of the full measurement is given."""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import machine, targets
from benchmarks.quick import Bench
from benchmarks.report import Report
from benchmarks.targets import Target

ONE_CONNECTION = "one connection"
PACED = "200 streams at once, 50 chunks/s each"
MANY_PACED = "1,000 streams at once, 10 chunks/s each, two workers"
WORKERS = "one worker and two"
TUNING = "what a setting costs"
ONE, TWO = "one worker", "two workers"


@dataclass(frozen=True, slots=True)
class Part:
    """The running backend and hop, the report to write to, and how much is measured.

    `scale` is the part of each load that is asked for: 1 but where the tools are tried.
    """

    running: Bench
    report: Report
    more: tuple[Target, ...]
    seconds: float
    rounds: int
    scale: float

    @property
    def references(self) -> list[Target]:
        """The direct connection and the hop."""
        return [self.running.backend, self.running.hop]

    @property
    def load_pids(self) -> tuple[int, ...]:
        """What runs beside the load."""
        return self.running.load_pids

    @property
    def two_cores(self) -> machine.Cores:
        """The cores for two workers."""
        on = self.running.cores
        return machine.cores(2, tuple(dict.fromkeys([*on.target, *on.load])))

    def scaled(self, count: int) -> int:
        """Return a number of requests or connections."""
        return max(1, round(count * self.scale))

    def rounds_at_most(self, rounds: int) -> int:
        """Return fewer rounds for what takes long."""
        return min(rounds, self.rounds)

    @asynccontextmanager
    async def gateway(
        self,
        name: str,
        settings: Mapping[str, str] | None = None,
        *,
        on: machine.Cores | None = None,
        path: str = "",
    ) -> AsyncIterator[Target]:
        """Run a gateway of this tree."""
        where = on or self.running.cores
        async with targets.gateway(name, where, self.running.backend, settings, path=path) as target:
            yield target


def without_uvloop(folder: str) -> dict[str, str]:
    """Return settings with which a program finds no uvloop: a module that cannot be imported stands before it."""
    Path(folder, "uvloop.py").write_text('raise ImportError("hidden")\n', encoding="utf-8")
    return {"PYTHONPATH": os.pathsep.join([folder, str(targets.ROOT)])}
