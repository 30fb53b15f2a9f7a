"""Six loads, from a hundred requests to ten thousand, each with the p95 that is to be beaten."""

from dataclasses import dataclass

from benchmarks.contest import Contest, Load, compete
from benchmarks.part import Part
from benchmarks.quick import CHATS, entries
from benchmarks.tables import Table, number

ONE, TWO = "gateway", "gateway, two workers"


@dataclass(frozen=True, slots=True)
class Scenario:
    """So many requests over so many connections; with `seconds`, as many as fit into that time."""

    name: str
    connections: int
    p95_ms: float
    requests: int | None = None
    seconds: float | None = None
    stream: bool = False


SCENARIOS = (
    Scenario("100 requests at 10", 10, 8.2, 100),
    Scenario("1,000 requests at 50", 50, 12.8, 1_000),
    Scenario("5,000 requests at 100", 100, 22.4, 5_000),
    Scenario("500 streams at 25", 25, 28.1, 500, stream=True),
    Scenario("30 s at 50", 50, 18.7, seconds=30.0),
    Scenario("10,000 requests at 200", 200, 35.6, 10_000),
)


async def measure_scenarios(part: Part) -> None:
    """Measure each before the hop, one worker and two."""
    rows: list[list[str]] = []
    two_workers = len(part.two_cores.target) > 1
    async with part.gateway(ONE) as one, part.gateway(TWO, {"WORKERS": "2"}, on=part.two_cores) as two:
        those = [part.running.hop, one, *([two] if two_workers else []), *part.more]
        for scenario in SCENARIOS:
            taking_part = entries(those, CHATS[1:2], stream=scenario.stream)
            requests = part.scaled(scenario.requests) if scenario.requests is not None else None
            seconds = scenario.seconds * part.scale if scenario.seconds is not None else None
            load = Load(scenario.connections, requests=requests, seconds=seconds)
            rounds = part.rounds_at_most(1 if scenario.seconds is not None else 5)
            contest = await compete(scenario.name, taking_part, load, rounds, load_pids=part.load_pids)
            rows += _rows(contest, scenario)
            part.report.add(contest)
    head = (
        "scenario",
        "",
        "p95 ms",
        "to beat",
        "beaten",
        "mean ms",
        "p99 ms",
        "requests/s",
        "wrong",
        "memory MB",
        "grown",
    )
    part.report.tables.append(Table("six scenarios", head, rows))


def _rows(contest: Contest, scenario: Scenario) -> list[list[str]]:
    rows: list[list[str]] = []
    for entry in contest.samples:
        p95_ms = contest.median(entry, "latency_p95_ms")
        samples = contest.samples[entry]
        grown = samples[-1]["peak_mb"] - samples[0]["before_mb"]
        row = [scenario.name, entry, number(p95_ms), number(scenario.p95_ms)]
        row.append("yes" if p95_ms <= scenario.p95_ms else "no")
        row += [number(contest.median(entry, name)) for name in ("mean_ms", "latency_p99_ms", "rate")]
        rows.append([*row, str(contest.errors[entry]), number(contest.median(entry, "peak_mb")), number(grown)])
    return rows
