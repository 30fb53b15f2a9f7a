"""`make bench-guard`: this tree against another commit, by CPU time and by instructions; fails beyond the noise.

Both gateways run side by side and are asked in turns. Rounds are added until the noise is small, never until the result
is welcome: what decides about another round is the noise alone.
"""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from itertools import chain
from pathlib import Path

from benchmarks import instructions, targets
from benchmarks.contest import Contest, Entry, Load, compete
from benchmarks.noise import Ratio, margin
from benchmarks.quick import CHATS, EMBEDDINGS, Bench, bench, doubts, entries
from benchmarks.report import Report
from benchmarks.tables import Table, number, ratio_text, spread_text
from benchmarks.worktree import checkout

LEAST_MARGIN = 0.03
"""A smaller difference is not worth a failure, however quiet the machine."""
LOUDEST = 0.10
"""With more noise than this, nothing can be said: that is no pass either."""
HERE, THERE = "this tree", "the base"
PASSED, BETTER, REGRESSED, UNDECIDED = "as before", "better", "REGRESSION", "TOO NOISY"


def judged(now_by_base: Ratio, least: float = LEAST_MARGIN, loudest: float = LOUDEST) -> str:
    """Return what a ratio of costs means, given the noise of its own rounds."""
    if not now_by_base.sure:
        return UNDECIDED
    if now_by_base.median > 1 + margin(now_by_base.noise * now_by_base.median, least):
        return REGRESSED
    if now_by_base.noise > loudest:
        return UNDECIDED
    if now_by_base.significant and now_by_base.median < 1 - least:
        return BETTER
    return PASSED


async def run_guard(report: Report, base: str, seconds: float, rounds: int, most_rounds: int) -> int:
    """Compare; return the exit code: 0 as good or better, 1 a regression, 3 too noisy to tell."""
    verdicts: list[str] = []
    async with AsyncExitStack() as stack:
        tree, commit = await stack.enter_async_context(checkout(base))
        report.notes.append(f"the base is {commit}; margins are the noise of these rounds, at least {LEAST_MARGIN:.0%}")
        running = await stack.enter_async_context(bench())
        now = await stack.enter_async_context(targets.gateway(HERE, running.cores, running.backend))
        before = await stack.enter_async_context(targets.gateway(THERE, running.cores, running.backend, root=tree))
        for name, paths, stream in (
            ("plain", CHATS, False),
            ("streams", CHATS, True),
            ("embeddings", EMBEDDINGS, False),
        ):
            pairs = [entries([now, before], [path], stream=stream) for path in paths]
            those = list(chain.from_iterable(pairs))
            contest = await quiet(name, those, running, seconds, rounds, most_rounds)
            table, found = compared(contest, paths, "cpu_us_chunk" if stream else "cpu_ms")
            report.add(contest, table)
            report.notes += doubts(contest, those)
            verdicts += found
        verdicts += await counted(report, tree)
    if report.wrong or REGRESSED in verdicts:
        return 1
    return 3 if UNDECIDED in verdicts else 0


async def quiet(
    name: str, those: Sequence[Entry], running: Bench, seconds: float, rounds: int, most_rounds: int
) -> Contest:
    """Measure in turns until the noise of every path is below half of what is too loud, or there were enough rounds."""
    load = Load(16, seconds=seconds)
    contest = await compete(name, those, load, rounds, load_pids=running.load_pids)
    done = rounds
    while done < most_rounds and any(_ratio(contest, entry).noise > LOUDEST / 2 for entry in those):
        more = min(3, most_rounds - done)
        await compete(name, those, load, more, load_pids=running.load_pids, contest=contest)
        done += more
    return contest


def compared(contest: Contest, paths: Sequence[str], metric: str) -> tuple[Table, list[str]]:
    """Return the table of one contest, and its verdicts."""
    unit = "µs a chunk" if metric == "cpu_us_chunk" else "ms a request"
    rows: list[list[str]] = []
    for path in paths:
        now, before = f"{HERE} {path}", f"{THERE} {path}"
        by_base = contest.ratio(now, before, metric)
        row = [path, spread_text(contest.spread(before, metric)), spread_text(contest.spread(now, metric))]
        rows.append([*row, ratio_text(by_base), f"{by_base.noise:.1%}", str(by_base.rounds), judged(by_base)])
    head = (f"CPU, {unit}", "base", "now", "ratio", "noise", "rounds", "verdict")
    return Table(contest.name, head, rows), [row[-1] for row in rows]


async def counted(report: Report, tree: Path) -> list[str]:
    """Compare the instructions of readers and writers, where valgrind is installed; return the verdicts."""
    if not instructions.available():
        report.notes.append(instructions.MISSING)
        return []
    now, before = await instructions.count(targets.ROOT), await instructions.count(tree)
    rows: list[list[str]] = []
    for name, count in now.items():
        if name not in before:
            rows.append([name, "-", number(count), "-", "not in the base"])
            continue
        ratio = count / before[name]
        least = max(LEAST_MARGIN, instructions.MARGIN)
        verdict = REGRESSED if ratio > 1 + least else BETTER if ratio < 1 - least else PASSED
        rows.append([name, number(before[name]), number(count), f"{ratio:.3f}", verdict])
    report.tables.append(Table("instructions a unit (callgrind)", ("codec", "base", "now", "ratio", "verdict"), rows))
    return [row[-1] for row in rows]


def _ratio(contest: Contest, entry: Entry) -> Ratio:
    metric = "cpu_us_chunk" if entry.ask.chunks > 1 else "cpu_ms"
    return contest.ratio(f"{HERE} {entry.ask.path}", f"{THERE} {entry.ask.path}", metric)
