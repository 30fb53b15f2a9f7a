"""`make bench-full`: every goal, in parts that can be measured alone."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from tempfile import TemporaryDirectory

from benchmarks import instructions, targets, wrk
from benchmarks.answers import Script
from benchmarks.contest import Entry, Load, compete
from benchmarks.goals import goals_table
from benchmarks.growth import measure_growth
from benchmarks.holding import measure_memory, measure_start
from benchmarks.part import MANY_PACED, ONE, ONE_CONNECTION, PACED, TUNING, TWO, WORKERS, Part, without_uvloop
from benchmarks.quick import ASKED_DIRECTLY, CHATS, EMBEDDINGS, GATEWAY, PLAIN, STREAMS, VECTORS, bench, doubts, entries
from benchmarks.report import Report, bar_plot, contest_table, paced_table
from benchmarks.scenarios import measure_scenarios
from benchmarks.tables import Table, number
from benchmarks.targets import Target


async def run_full(
    report: Report, more: Sequence[Target], seconds: float, rounds: int, scale: float, only: Sequence[str] | None
) -> None:
    """Measure the parts that are asked for, else all; the table of goals comes first."""
    if scale != 1:
        report.notes.append(f"the loads were made smaller, to {scale:.0%}: these figures only show that the tools work")
    async with bench() as running:
        part = Part(running, report, tuple(more), seconds, rounds, scale)
        for name, measure in PHASES.items():
            if not only or name in only:
                await measure(part)
    report.tables.insert(0, goals_table(report))


async def measure_calls(part: Part) -> None:
    """Measure plain calls, streams and embeddings at full load."""
    async with part.gateway(GATEWAY) as gateway, part.gateway(ASKED_DIRECTLY, {"PLAIN_REQUESTS": "direct"}) as plainly:
        those = [*part.references, gateway, *part.more]
        plain = [*entries(those, CHATS), *entries([plainly], CHATS[1:2])]
        await full_load(part, PLAIN, plain)
        await full_load(part, STREAMS, entries(those, CHATS, stream=True), per_chunk=True)
        await full_load(part, VECTORS, entries(those, EMBEDDINGS))


async def full_load(part: Part, name: str, those: list[Entry], *, per_chunk: bool = False) -> None:
    """Measure sixteen connections in a closed loop."""
    contest = await compete(name, those, Load(16, seconds=part.seconds), part.rounds, load_pids=part.load_pids)
    part.report.add(contest, contest_table(contest, per_chunk=per_chunk))
    part.report.notes += doubts(contest, those)
    metric, unit = ("cpu_us_chunk", "µs a chunk") if per_chunk else ("cpu_ms", "ms a request")
    part.report.plots[f"{name} cpu"] = bar_plot(contest, metric, f"CPU time, {name}, {unit}")


async def measure_one_connection(part: Part) -> None:
    """Measure what the gateway adds to the latency of a single client."""
    async with part.gateway(GATEWAY) as gateway:
        those = entries([*part.references, gateway, *part.more], CHATS[:2])
        load = Load(1, seconds=part.seconds)
        contest = await compete(ONE_CONNECTION, those, load, part.rounds, load_pids=part.load_pids)
    head = ("", "mean ms", "p50 ms", "p99 ms", "added p50, ms", "added p99, ms", "wrong")
    rows = [
        [
            entry.name,
            *(number(contest.median(entry.name, metric)) for metric in ("mean_ms", "latency_p50_ms", "latency_p99_ms")),
            *(number(contest.added(entry.name, "direct", f"latency_{p}_ms").median) for p in ("p50", "p99")),
            str(contest.errors[entry.name]),
        ]
        for entry in those
    ]
    part.report.add(contest, Table(ONE_CONNECTION, head, rows))


async def measure_paced(part: Part) -> None:
    """Measure 200 live streams on one core."""
    script = Script(100, 20)
    async with part.gateway(GATEWAY) as gateway:
        those = entries([*part.references, gateway, *part.more], CHATS[:2], script, stream=True)
        streams = part.scaled(200)
        load = Load(streams, requests=2 * streams, spread_s=script.chunks * script.pace_ms / 1000)
        contest = await compete(PACED, those, load, part.rounds_at_most(6), load_pids=part.load_pids)
    part.report.add(contest, paced_table(contest))
    part.report.plots["paced streams transit"] = bar_plot(contest, "transit_p99_ms", f"{PACED}: p99 on the way, ms")


async def measure_workers(part: Part) -> None:
    """Measure two workers: their CPU time a request, and 1,000 live streams."""
    if len(part.two_cores.target) < 2:
        part.report.notes.append("there is one core: two workers were not measured")
        return
    async with part.gateway(ONE) as one, part.gateway(TWO, {"WORKERS": "2"}, on=part.two_cores) as two:
        those = entries([one, two], CHATS[1:2])
        contest = await compete(WORKERS, those, Load(16, seconds=part.seconds), part.rounds, load_pids=part.load_pids)
        part.report.add(contest, contest_table(contest, references=(f"{ONE} /api/chat",)))
        script = Script(100, 100)
        streams = part.scaled(1_000)
        load = Load(streams, requests=streams, spread_s=script.chunks * script.pace_ms / 2000)
        paced = entries([*part.references, two], CHATS[:2], script, stream=True)
        contest = await compete(MANY_PACED, paced, load, part.rounds_at_most(2), load_pids=part.load_pids)
        part.report.add(contest, paced_table(contest))
    if part.two_cores.shared:
        part.report.notes.append("two workers and the load share a core: their rates and latencies suffer from it")


async def measure_tuning(part: Part) -> None:
    """Measure what metrics, the log and uvloop cost or save."""
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory())
        start = stack.enter_async_context
        variants = [
            await start(part.gateway(GATEWAY)),
            await start(part.gateway("without metrics", {"ENABLE_METRICS": "false"})),
            await start(part.gateway("log of warnings alone", {"LOG_LEVEL": "WARNING"})),
            await start(part.gateway("without uvloop", without_uvloop(folder))),
        ]
        for stream in (False, True):
            name = f"{TUNING}, {'streams' if stream else 'plain'}"
            those = entries(variants, CHATS[1:2], stream=stream)
            load = Load(16, seconds=part.seconds)
            contest = await compete(name, those, load, part.rounds, load_pids=part.load_pids)
            table = contest_table(contest, per_chunk=stream, references=(f"{GATEWAY} /api/chat",))
            part.report.add(contest, table)


async def measure_with_wrk(part: Part) -> None:
    """Measure plain calls with wrk too, where it is installed."""
    if not wrk.available():
        part.report.notes.append(wrk.MISSING)
        return
    async with part.gateway(GATEWAY) as gateway:
        those = entries([*part.references, gateway, *part.more], CHATS)
        seconds = max(1, round(2 * part.seconds))
        table = await wrk.wrk_table(those, seconds, part.rounds_at_most(3), part.running.cores.load)
    part.report.tables.append(table)


async def measure_instructions(part: Part) -> None:
    """Count the instructions of the codecs, where valgrind is installed."""
    if not instructions.available():
        part.report.notes.append(instructions.MISSING)
        return
    counts = await instructions.count(targets.ROOT)
    rows = [[name, number(count)] for name, count in counts.items()]
    part.report.tables.append(Table("instructions of the codecs (callgrind)", ("codec", "instructions a unit"), rows))


PHASES: dict[str, Callable[[Part], Awaitable[None]]] = {
    "calls": measure_calls,
    "one-connection": measure_one_connection,
    "paced": measure_paced,
    "memory": measure_memory,
    "start": measure_start,
    "workers": measure_workers,
    "scenarios": measure_scenarios,
    "growth": measure_growth,
    "tuning": measure_tuning,
    "wrk": measure_with_wrk,
    "instructions": measure_instructions,
}
