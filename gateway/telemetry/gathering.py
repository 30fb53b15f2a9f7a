"""The numbers of all processes that serve: whichever is asked, it answers for all of them."""

import os
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec
from prometheus_client import GC_COLLECTOR, PROCESS_COLLECTOR

from gateway.telemetry.families import Family, Fold, family_of, merged
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.summary import Summary, shared, summary_of
from gateway.telemetry.tables import tables

FAMILIES, SUMMARY = "metrics", "metrics_summary"
"""The topics under which processes ask each other."""
_FOLDS: Mapping[str, Fold] = {"process_start_time_seconds": "min", "process_max_fds": "max"}
"""Of the process' own numbers, those that no sum of processes says anything about."""

type Collect = Callable[[str], Awaitable[Sequence[Any]]]
"""Asks all processes about a topic, this one included. Raises ChannelError."""


class Told(msgspec.Struct):
    """What one process tells of its numbers; `pid` says which it is."""

    pid: int
    families: tuple[Family, ...]


class Gathering:
    """The numbers of one process, or of all that `collect` reaches."""

    def __init__(self, metrics: Metrics, collect: Collect | None = None) -> None:
        self.metrics = metrics
        self._collect = collect
        self.answered = 1
        """How many processes answered the last time."""

    @property
    def shared(self) -> bool:
        """Whether there are other processes."""
        return self._collect is not None

    async def families(self) -> list[Family]:
        """Return all families of all processes. Raises ChannelError."""
        if self._collect is None:
            return tables(self.metrics)
        told = [msgspec.convert(payload, Told, strict=False) for payload in await self._collect(FAMILIES)]
        self.answered = len({one.pid for one in told if one.pid})
        return merged(one.families for one in told)

    async def summaries(self) -> list[Summary]:
        """Return the summaries of all processes. Raises ChannelError."""
        if self._collect is None:
            return [summary_of(self.metrics)]
        return [msgspec.convert(payload, Summary, strict=False) for payload in await self._collect(SUMMARY)]

    async def tell_families(self, _payload: Any = None) -> Any:
        """Answer another process about FAMILIES."""
        return msgspec.to_builtins(Told(os.getpid(), tuple(self._own())))

    async def tell_summary(self, _payload: Any = None) -> Any:
        """Answer another process about SUMMARY."""
        return msgspec.to_builtins(shared(summary_of(self.metrics)))

    def _own(self) -> Iterable[Family]:
        yield from tables(self.metrics)
        for collector in (PROCESS_COLLECTOR, GC_COLLECTOR):
            for metric in collector.collect():
                yield family_of(metric, fold=_FOLDS.get(metric.name, "sum"))


class Ledger:
    """Kept by the supervisor: what workers counted that are gone, so that no sum ever goes down.

    A worker that gives no answer counts with its last one. Only counters and histograms of the gone are kept.
    """

    def __init__(self) -> None:
        self._last: dict[int, Told] = {}
        self._gone: list[Family] = []

    def note(self, payload: Any) -> None:
        """Take what a worker tells; its last word before it goes, too."""
        told = msgspec.convert(payload, Told, strict=False)
        self._last[told.pid] = told

    def balance(self, present: Iterable[int], answers: Iterable[Any]) -> list[Any]:
        """Return what to answer to who asks about FAMILIES: `answers` came from some of the workers `present`."""
        for answer in answers:
            if answer is not None:
                self.note(answer)
        here = set(present)
        for pid in [pid for pid in self._last if pid not in here]:
            gone = self._last.pop(pid)
            self._gone = merged([self._gone, [family for family in gone.families if _only_grows(family)]])
        kept = [Told(0, tuple(self._gone))] if self._gone else []
        return [msgspec.to_builtins(told) for told in (*self._last.values(), *kept)]


def _only_grows(family: Family) -> bool:
    return family.kind in ("counter", "histogram") and family.fold == "sum"
