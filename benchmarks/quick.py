"""`make bench`: the main ratios, to the direct connection and to the bare hop, in about two minutes."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from benchmarks import machine, targets
from benchmarks.answers import Script
from benchmarks.asks import ask, reference
from benchmarks.contest import Contest, Entry, Load, compete
from benchmarks.report import Report, bar_plot, contest_table, unsaturated
from benchmarks.targets import Target

CHATS = ("/v1/chat/completions", "/api/chat", "/api/generate")
EMBEDDINGS = ("/v1/embeddings", "/api/embed")
USUAL = Script()
PLAIN, STREAMS, VECTORS = "plain calls", "streams of 200 chunks", "embeddings of 32 texts"
GATEWAY = "gateway"
ASKED_DIRECTLY = "gateway, PLAIN_REQUESTS direct"


@dataclass(frozen=True, slots=True)
class Bench:
    """The backend and the hop before it, on their cores; what more is measured is started by who measures."""

    cores: machine.Cores
    backend: Target
    hop: Target

    @property
    def load_pids(self) -> tuple[int, ...]:
        """What runs beside the load."""
        return (self.backend.pid,) if self.backend.pid is not None else ()


@asynccontextmanager
async def bench() -> AsyncIterator[Bench]:
    """Start what every measurement needs, with this process on the cores of the load."""
    on = machine.cores()
    async with AsyncExitStack() as stack:
        stack.enter_context(machine.pinned(on.load))
        backend = await stack.enter_async_context(targets.backend(on))
        yield Bench(on, backend, await stack.enter_async_context(targets.hop(on, backend)))


def entries(
    those: Sequence[Target], paths: Sequence[str], script: Script = USUAL, *, stream: bool = False
) -> list[Entry]:
    """Return who takes part: the references once, with the path that they know; all others with every path."""
    found: list[Entry] = []
    for target in those:
        asks = [ask(path, script, stream=stream) for path in paths]
        if target.speaks_api:
            found += [Entry(f"{target.name} {one.path}", target, one) for one in asks]
        else:
            found.append(Entry(target.name, target, reference(asks[0], script)))
    return found


def doubts(contest: Contest, those: Sequence[Entry]) -> list[str]:
    """Return notes on the entries that were not the limit of their own rate."""
    return unsaturated(contest, [entry.name for entry in those if entry.target.one_core])


async def run_quick(report: Report, more: Sequence[Target], seconds: float, rounds: int) -> None:
    """Measure the usual calls. `more`: targets that serve already."""
    async with bench() as running, AsyncExitStack() as stack:
        start = stack.enter_async_context
        gateway = await start(targets.gateway(GATEWAY, running.cores, running.backend))
        direct_settings = {"PLAIN_REQUESTS": "direct"}
        plainly = await start(targets.gateway(ASKED_DIRECTLY, running.cores, running.backend, direct_settings))
        those = [running.backend, running.hop, gateway, *more]
        contests = [
            (PLAIN, [*entries(those, CHATS), *entries([plainly], CHATS[1:2])], False),
            (STREAMS, entries(those, CHATS, stream=True), True),
            (VECTORS, entries(those, EMBEDDINGS), False),
        ]
        for name, taking_part, per_chunk in contests:
            load = Load(16, seconds=seconds)
            contest = await compete(name, taking_part, load, rounds, load_pids=running.load_pids)
            report.add(contest, contest_table(contest, per_chunk=per_chunk))
            report.notes += doubts(contest, taking_part)
            metric, unit = ("cpu_us_chunk", "µs a chunk") if per_chunk else ("cpu_ms", "ms a request")
            report.plots[f"{name} cpu"] = bar_plot(contest, metric, f"CPU time, {name}, {unit}")
