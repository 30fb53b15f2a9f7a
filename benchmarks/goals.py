"""The goals, with everything on, and whether they are met."""

from collections.abc import Callable
from dataclasses import dataclass
from math import isnan

from benchmarks import holding, part, quick
from benchmarks.contest import Contest
from benchmarks.noise import Spread
from benchmarks.report import Report
from benchmarks.tables import Table, number, ratio_text

type Figure = Callable[[Report], Spread | None]
"""Finds a figure among what was measured, None where it is not there."""

_V1, _CHAT, _EMBED = (f"{quick.GATEWAY} {path}" for path in ("/v1/chat/completions", "/api/chat", "/api/embed"))


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound for a figure; `least` where it is to be reached, else it is not to be passed."""

    what: str
    measure: str
    bound: float
    figure: Figure
    least: bool = False


def ratio(contest: str, entry: str, metric: str, reference: str = "hop") -> Figure:
    """Return a figure: an entry by a reference."""
    return _of(contest, lambda found: found.ratio(entry, reference, metric))


def value(contest: str, entry: str, metric: str) -> Figure:
    """Return a figure: a metric of an entry."""
    return _of(contest, lambda found: found.spread(entry, metric))


def added(contest: str, entry: str, metric: str, reference: str = "direct") -> Figure:
    """Return a figure: what an entry adds to a reference."""
    return _of(contest, lambda found: found.added(entry, reference, metric))


def fact(name: str) -> Figure:
    """Return a figure that was measured alone."""
    return lambda report: report.facts.get(name)


def _of(contest: str, read: Callable[[Contest], Spread]) -> Figure:
    return lambda report: read(report.contests[contest]) if contest in report.contests else None


GOALS = (
    Goal("plain `/api/chat`, asked directly", "requests/s by the hop's", 0.72,
         ratio(quick.PLAIN, f"{quick.ASKED_DIRECTLY} /api/chat", "rate"), least=True),
    Goal("plain `/api/chat` out of a stream of 200", "CPU ms a request", 0.5, value(quick.PLAIN, _CHAT, "cpu_ms")),
    Goal("plain `/v1/chat/completions`", "requests/s by the hop's", 0.85, ratio(quick.PLAIN, _V1, "rate"), least=True),
    Goal("`/api/chat` stream of 200", "CPU µs a chunk", 7.0, value(quick.STREAMS, _CHAT, "cpu_us_chunk")),
    Goal("`/api/chat` stream of 200", "CPU a chunk by the hop's", 2.6, ratio(quick.STREAMS, _CHAT, "cpu_us_chunk")),
    Goal("`/v1` stream of 200", "CPU a chunk by the hop's", 1.2, ratio(quick.STREAMS, _V1, "cpu_us_chunk")),
    Goal("200 live streams", "first chunk, added p50, ms", 1.0, added(part.PACED, _CHAT, "first_p50_ms")),
    Goal("200 live streams", "first chunk, added p99, ms", 10.0, added(part.PACED, _CHAT, "first_p99_ms")),
    Goal("200 live streams", "gap, added p99, ms", 5.0, added(part.PACED, _CHAT, "gap_p99_ms")),
    Goal("200 live streams", "CPU a chunk by the hop's", 1.2, ratio(part.PACED, _CHAT, "cpu_us_chunk")),
    Goal("`/api/embed`, 32 vectors of 1,024", "CPU ms a request", 2.0, value(quick.VECTORS, _EMBED, "cpu_ms")),
    Goal("one connection", "added p50, ms", 0.5, added(part.ONE_CONNECTION, _CHAT, "latency_p50_ms")),
    Goal("one connection", "added p99, ms", 2.0, added(part.ONE_CONNECTION, _CHAT, "latency_p99_ms")),
    Goal("idle", "memory, MB", 45.0, fact(holding.IDLE)),
    Goal("200 live streams", "memory, MB", 70.0, fact(holding.STREAMING)),
    Goal("200 live streams, the third time", "memory, MB", 70.0, fact(holding.STREAMING_AGAIN)),
    Goal("5,000 idle connections", "memory, MB", 150.0, fact(holding.CONNECTED)),
    Goal("cold start", "to the first answer, s", 0.7, fact(holding.START)),
    Goal("two workers", "CPU a request by that of one", 1.1,
         ratio(part.WORKERS, f"{part.TWO} /api/chat", "cpu_ms", f"{part.ONE} /api/chat")),
    Goal("metrics", "CPU a request by that without", 1.02,
         ratio(f"{part.TUNING}, plain", _CHAT, "cpu_ms", "without metrics /api/chat")),
)  # fmt: skip


def met(goal: Goal, figure: Spread) -> str:
    """Return whether a goal is met: the median decides, unless the bound lies within the noise."""
    if isnan(figure.median):
        return "not measured"
    inside = figure.low <= goal.bound <= figure.high and figure.low < figure.high
    kept = figure.median >= goal.bound if goal.least else figure.median <= goal.bound
    return f"{'yes' if kept else 'no'}{', within the noise' if inside else ''}{_few(figure)}"


def goals_table(report: Report) -> Table:
    """Return all goals with what was measured of them."""
    rows: list[list[str]] = []
    for goal in GOALS:
        figure = goal.figure(report)
        bound = f"{'at least' if goal.least else 'at most'} {number(goal.bound)}"
        if figure is None or isnan(figure.median):
            rows.append([goal.what, goal.measure, bound, "-", "not measured"])
        else:
            between = f" ({number(figure.low)}-{number(figure.high)})" if figure.rounds > 1 else ""
            rows.append([goal.what, goal.measure, bound, number(figure.median) + between, met(goal, figure)])
    rows += _growth_rows(report)
    return Table("goals", ("", "figure", "goal", "measured", "met"), rows)


def _growth_rows(report: Report) -> list[list[str]]:
    """Return a row for each growth: met unless there is more of it than the noise explains."""
    rows: list[list[str]] = []
    for name, one in report.facts.items():
        if name.startswith("growth with ") and not name.endswith("hop"):
            what = name.replace(f"{quick.GATEWAY} ", "")
            kept = f"{'yes' if one.low <= 1 else 'no'}{_few(one)}"
            rows.append([what, "CPU, the largest by the smallest", "flat within the noise", ratio_text(one), kept])
    return rows


def _few(figure: Spread) -> str:
    """Return a doubt about what was measured too few times to know its noise."""
    return "" if figure.sure else f" ({figure.rounds} round{'s' if figure.rounds != 1 else ''})"
