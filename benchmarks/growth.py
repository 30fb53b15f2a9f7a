"""What must not grow: CPU a chunk with the length of a stream, CPU a request with models, keys and backends."""

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.answers import LISTED_MODELS, Script
from benchmarks.asks import Ask, ask
from benchmarks.contest import Contest, Entry, Load, compete
from benchmarks.noise import Ratio
from benchmarks.part import Part
from benchmarks.quick import GATEWAY
from benchmarks.report import line_plot
from benchmarks.tables import Table, ratio_text, spread_text
from benchmarks.targets import Target, base_url

LENGTHS = (10, 100, 1_000, 10_000, 100_000)
MODELS = (LISTED_MODELS, 100, 1_000, 10_000)
KEYS = (1, 10, 100, 1_000)
BACKENDS = (1, 10, 100)
CHUNKS = "chunks of a stream"
CHAT = "/api/chat"


async def measure_growth(part: Part) -> None:
    """Measure all four."""
    await measure_lengths(part)
    with TemporaryDirectory() as folder:
        settings = {count: _backends_file(Path(folder), part.running.backend, count) for count in BACKENDS}
        await measure_settings(part, "backends", settings, ask(CHAT, Script()))
    keyed = replace(ask(CHAT, Script()), key=_key(0))
    keys = {count: {"API_KEYS": ",".join(map(_key, reversed(range(count))))} for count in KEYS}
    await measure_settings(part, "keys", keys, keyed)
    paths = {count: {"path": f"/models-{count}"} for count in MODELS}
    await measure_settings(part, "models", paths, ask(CHAT, Script()))


async def measure_lengths(part: Part) -> None:
    """Measure streams of ten to a hundred thousand chunks."""
    async with part.gateway(GATEWAY) as gateway:
        pairs = [(part.running.hop, "/v1/chat/completions"), (gateway, "/v1/chat/completions"), (gateway, CHAT)]
        those = [
            Entry(f"{_series(target, path)}, {length}", target, ask(path, Script(length), stream=True))
            for length in LENGTHS
            for target, path in pairs
        ]
        load = Load(2, seconds=part.seconds)
        contest = await compete(CHUNKS, those, load, part.rounds, load_pids=part.load_pids)
    _tell(
        part, contest, [_series(target, path) for target, path in pairs], LENGTHS, "cpu_us_chunk", "µs a chunk", 1_000
    )


async def measure_settings(part: Part, what: str, settings: Mapping[int, Mapping[str, str]], one: Ask) -> None:
    """Measure plain calls to gateways that differ in how many of something they know."""
    async with AsyncExitStack() as stack:
        those: list[Entry] = []
        for count, given in settings.items():
            path = given.get("path", "")
            more = {name: value for name, value in given.items() if name != "path"}
            target = await stack.enter_async_context(part.gateway(GATEWAY, more, path=path))
            those.append(Entry(f"{GATEWAY} {CHAT}, {count}", target, one))
        contest = await compete(what, those, Load(16, seconds=part.seconds), part.rounds, load_pids=part.load_pids)
    sizes = tuple(settings)
    _tell(part, contest, [f"{GATEWAY} {CHAT}"], sizes, "cpu_ms", "ms a request", sizes[0])


def growth(contest: Contest, series: str, sizes: Sequence[int], metric: str, since: int) -> Ratio:
    """Return the CPU time at the largest size by that at size `since`."""
    return contest.ratio(f"{series}, {sizes[-1]}", f"{series}, {since}", metric)


def _tell(
    part: Part, contest: Contest, series: Sequence[str], sizes: Sequence[int], metric: str, unit: str, since: int
) -> None:
    """Add table, plot and the fact of the growth. `since`: what is smaller pays for its request, not for its chunks."""
    rows: list[list[str]] = []
    for name in series:
        cells = [spread_text(contest.spread(f"{name}, {size}", metric)) for size in sizes]
        grown = growth(contest, name, sizes, metric, since)
        part.report.facts[f"growth with {contest.name}, {name}"] = grown
        rows.append([name, *cells, ratio_text(grown), grown.verdict])
    head = (
        f"CPU, {unit}, by {contest.name}",
        *(f"{size:,}" for size in sizes),
        f"{sizes[-1]:,} by {since:,}",
        "verdict",
    )
    part.report.add(contest, Table(f"growth with {contest.name}", head, rows))
    points = {name: [(float(size), contest.spread(f"{name}, {size}", metric)) for size in sizes] for name in series}
    title = f"CPU time, {unit}, by number of {contest.name}"
    part.report.plots[f"growth {contest.name}"] = line_plot(title, contest.name, points)


def _series(target: Target, path: str) -> str:
    return f"{target.name} {path}" if target.speaks_api else target.name


def _key(number: int) -> str:
    return f"bench-key-{number:06}"


def _backends_file(folder: Path, behind: Target, count: int) -> dict[str, str]:
    rows = [
        f"  - name: backend-{number}\n    base_url: {base_url(behind, f'/b-{number}')}\n" for number in range(count)
    ]
    path = folder / f"backends-{count}.yaml"
    path.write_text("backends:\n" + "".join(rows), encoding="utf-8")
    return {"BACKENDS_FILE": str(path), "OPENAI_API_BASE_URL": ""}
