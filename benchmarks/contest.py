"""Targets measured in turns, A B A B: every round gives each of them one burst of the same load."""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from math import nan
from time import perf_counter

from benchmarks import machine
from benchmarks.asks import Ask
from benchmarks.load import Measured, fire
from benchmarks.noise import Ratio, Spread, percentile, ratio, spread
from benchmarks.targets import Target

BUSY_CORES = 0.1
"""Other programs that take more than this while a burst runs make it a doubtful one."""
WARM_REQUESTS = 50

type Sample = dict[str, float]
"""One burst by metric; NaN where it could not be measured."""


@dataclass(frozen=True, slots=True)
class Load:
    """How a target is asked: `connections` in a closed loop, for a time or a number of requests."""

    connections: int = 16
    seconds: float | None = None
    requests: int | None = None
    spread_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Entry:
    """One who takes part: what is asked of which target. `name` is unique in its contest."""

    name: str
    target: Target
    ask: Ask


@dataclass(slots=True)
class Contest:
    """What was measured of each entry, a sample a round."""

    name: str
    samples: dict[str, list[Sample]] = field(default_factory=dict)
    errors: dict[str, int] = field(default_factory=dict)

    def values(self, entry: str, metric: str) -> list[float]:
        """Return a metric of an entry, round by round; nothing where it was not measured."""
        return [sample.get(metric, nan) for sample in self.samples.get(entry, [])]

    def spread(self, entry: str, metric: str) -> Spread:
        """Return median and interval of a metric."""
        return spread([value for value in self.values(entry, metric) if value == value])

    def median(self, entry: str, metric: str) -> float:
        """Return the median of a metric, NaN where it was not measured."""
        return self.spread(entry, metric).median

    def ratio(self, entry: str, reference: str, metric: str) -> Ratio:
        """Return an entry's metric by that of a reference, round by round."""
        one, other = self.values(entry, metric), self.values(reference, metric)
        rounds = min(len(one), len(other))
        return ratio(one[:rounds], other[:rounds])

    def added(self, entry: str, reference: str, metric: str) -> Spread:
        """Return by how much an entry's metric is above that of a reference, round by round."""
        pairs = zip(self.values(entry, metric), self.values(reference, metric), strict=False)
        return spread([one - other for one, other in pairs if one == one and other == other])

    @property
    def busy_rounds(self) -> int:
        """In how many bursts other programs took more than BUSY_CORES."""
        return sum(sample["others_cores"] > BUSY_CORES for rows in self.samples.values() for sample in rows)


async def compete(
    name: str,
    entries: Sequence[Entry],
    load: Load,
    rounds: int,
    *,
    load_pids: Iterable[int] = (),
    contest: Contest | None = None,
) -> Contest:
    """Measure all entries in turns; more rounds of a `contest` are added to it. `load_pids`: the backend's."""
    if contest is None:
        contest = Contest(name)
        for entry in entries:
            await warm(entry, load)
    own = list(load_pids)
    for _ in range(rounds):
        for entry in entries:
            sample, wrong = await burst(entry, load, own)
            contest.samples.setdefault(entry.name, []).append(sample)
            contest.errors[entry.name] = contest.errors.get(entry.name, 0) + wrong
    return contest


async def warm(entry: Entry, load: Load) -> None:
    """Let a target make its connections and fill its caches."""
    one = entry.ask
    few = 1 if one.pace_ms or one.chunks > 1_000 else WARM_REQUESTS
    connections = min(load.connections, few)
    await fire(entry.target.host, entry.target.port, one, connections, requests=few)


async def burst(entry: Entry, load: Load, load_pids: Sequence[int]) -> tuple[Sample, int]:
    """Measure one burst; return its sample and the number of wrong answers."""
    target = entry.target
    watch = Watch(target, load_pids)
    async with watch:
        measured = await fire(
            target.host,
            target.port,
            entry.ask,
            load.connections,
            requests=load.requests,
            seconds=load.seconds,
            spread_s=load.spread_s,
        )
    return sample_of(measured, watch), measured.errors.total()


class Watch:
    """What a burst costs the target, and what else ran meanwhile: read before and after, memory also in between."""

    def __init__(self, target: Target, load_pids: Sequence[int], every_s: float = 0.25) -> None:
        self._family = target.family
        self._ours = sorted({*load_pids, *target.family, *machine.family(_own_pid())[:1]})
        self._every_s = every_s
        self._task: asyncio.Task[None] | None = None
        self.cpu_s = self.elapsed_s = self.others_s = 0.0
        self.before_mb = self.peak_mb = 0.0

    async def __aenter__(self) -> "Watch":
        self.before_mb = self.peak_mb = machine.memory_mb(self._family)
        self._task = asyncio.create_task(self._look())
        self._begun = perf_counter()
        self._busy_s, self._ours_s = machine.busy_s(), machine.cpu_s(self._ours)
        self._cpu_s = machine.cpu_s(self._family)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.cpu_s = machine.cpu_s(self._family) - self._cpu_s
        self.elapsed_s = perf_counter() - self._begun
        ours_s = machine.cpu_s(self._ours) - self._ours_s
        self.others_s = max(0.0, machine.busy_s() - self._busy_s - ours_s)
        self._note()
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(self._every_s)
            self._note()

    def _note(self) -> None:
        self.peak_mb = max(self.peak_mb, machine.memory_mb(self._family))


def sample_of(measured: Measured, watch: Watch) -> Sample:
    """Return the metrics of a burst: rates a second, times in ms, CPU a request in ms and a chunk in µs, MB."""
    known = watch.cpu_s > 0
    answers, chunks = measured.answers or nan, measured.chunks or nan
    latencies = measured.latencies_s
    return {
        "answers": float(measured.answers),
        "rate": measured.answers / measured.elapsed_s,
        "chunk_rate": measured.chunks / measured.elapsed_s,
        "cpu_ms": watch.cpu_s / answers * 1e3 if known else nan,
        "cpu_us_chunk": watch.cpu_s / chunks * 1e6 if known else nan,
        "cores": watch.cpu_s / watch.elapsed_s if known else nan,
        "mean_ms": sum(latencies) / answers * 1e3,
        **_percentiles("latency", latencies),
        **_percentiles("first", measured.first_s),
        **_percentiles("gap", measured.gaps_s),
        **_percentiles("transit", measured.transit_s),
        "before_mb": watch.before_mb or nan,
        "peak_mb": watch.peak_mb or nan,
        "others_cores": watch.others_s / watch.elapsed_s,
    }


def _percentiles(name: str, values: Sequence[float]) -> Sample:
    ordered = sorted(values)
    return {f"{name}_p{part}_ms": percentile(ordered, part / 100) * 1e3 for part in (50, 95, 99)}


def _own_pid() -> int:
    from os import getpid

    return getpid()
