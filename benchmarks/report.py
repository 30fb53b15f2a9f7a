"""What was measured, for people and for programs: tables, JSON, plots, and what to doubt."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import isnan
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.contest import Contest
from benchmarks.noise import Spread
from benchmarks.plots import Line, bars, lines
from benchmarks.tables import Table, fill, ratio_text, spread_text

SATURATED = 0.85
"""A target that had less than this of its core was not the limit: then its rate says little, its CPU time all."""


@dataclass(slots=True)
class Report:
    """All of one run. `facts` are single figures by name, `notes` what a reader must know."""

    name: str
    command: str
    contests: dict[str, Contest] = field(default_factory=dict)
    facts: dict[str, Spread] = field(default_factory=dict)
    tables: list[Table] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    plots: dict[str, str] = field(default_factory=dict)
    machine: dict[str, str] = field(default_factory=machine.described)

    def add(self, contest: Contest, *tables: Table) -> None:
        """Take a contest and its tables, with the doubts that follow from it."""
        self.contests[contest.name] = contest
        self.tables += tables
        bursts = sum(map(len, contest.samples.values()))
        if busy := contest.busy_rounds:
            self.notes.append(f"{contest.name}: other programs disturbed {busy} of {bursts} bursts")
        for entry, wrong in contest.errors.items():
            if wrong:
                self.notes.append(f"{contest.name}: {wrong} wrong answers of {entry}")

    @property
    def wrong(self) -> int:
        """How many answers were wrong."""
        return sum(sum(contest.errors.values()) for contest in self.contests.values())

    def text(self) -> str:
        """Return everything as text."""
        facts = ", ".join(f"{name} {value}" for name, value in self.machine.items())
        notes = [f"! {note}" for note in self.notes]
        return "\n\n".join([facts, *(table.text() for table in self.tables), *(["\n".join(notes)] if notes else [])])

    def markdown(self, plots: Iterable[Path], beside: Path) -> list[str]:
        """Return the lines for a document; `beside` is the folder from which the plots are linked."""
        facts = ", ".join(f"{name} {value}" for name, value in self.machine.items() if name != "load")
        written = ["", f"`{self.command}` on: {facts}.", ""]
        for table in self.tables:
            written += [table.markdown(), ""]
        written += [f"* {note}" for note in self.notes]
        images = [f"![{path.stem}]({path.relative_to(beside, walk_up=True).as_posix()})" for path in plots]
        return [*written, *([""] if self.notes else []), *(line for image in images for line in (image, ""))]

    def document(self) -> dict[str, Any]:
        """Return everything as JSON has it; what was not measured is null."""
        contests = {
            name: {"samples": contest.samples, "wrong": contest.errors} for name, contest in self.contests.items()
        }
        facts = {name: [one.median, one.low, one.high, one.rounds] for name, one in self.facts.items()}
        tables = [{"title": one.title, "head": one.head, "rows": one.rows} for one in self.tables]
        whole = {"name": self.name, "command": self.command, "machine": self.machine, "notes": self.notes}
        cleaned: dict[str, Any] = _without_nan(whole | {"tables": tables, "facts": facts, "contests": contests})
        return cleaned

    def write(self, folder: Path, document: Path | None) -> list[Path]:
        """Write JSON and plots into a folder, and the tables into a document; return the files."""
        folder.mkdir(parents=True, exist_ok=True)
        data = folder / f"{self.name}.json"
        data.write_text(json.dumps(self.document(), indent=1, allow_nan=False), encoding="utf-8")
        where = document.parent / "performance" if document is not None else folder
        where.mkdir(parents=True, exist_ok=True)
        plots = [where / f"{self.name}-{title.replace(' ', '-')}.svg" for title in self.plots]
        for path, svg in zip(plots, self.plots.values(), strict=True):
            path.write_text(svg, encoding="utf-8")
        if document is not None:
            fill(document, self.name, self.markdown(plots, document.parent))
        return [data, *plots]


def contest_table(contest: Contest, *, per_chunk: bool = False, references: Sequence[str] = ("direct", "hop")) -> Table:
    """Return rates, CPU time and ratios to the references of a contest at full load."""
    rate, cpu, unit = ("chunk_rate", "cpu_us_chunk", "µs") if per_chunk else ("rate", "cpu_ms", "ms")
    present = [one for one in references if one in contest.samples]
    head = ("", "chunks/s" if per_chunk else "requests/s", *(f"rate by {one}" for one in present))
    head += (f"CPU a {'chunk' if per_chunk else 'request'}", *(f"CPU by {one}" for one in present if one != "direct"))
    head += ("mean ms", "p95 ms", "memory MB", "wrong", f"CPU: verdict on {present[-1]}" if present else "verdict")
    rows: list[list[str]] = []
    for entry in contest.samples:
        row = [entry, spread_text(contest.spread(entry, rate))]
        row += [ratio_text(contest.ratio(entry, one, rate)) for one in present]
        row.append(spread_text(contest.spread(entry, cpu), unit))
        row += [ratio_text(contest.ratio(entry, one, cpu)) for one in present if one != "direct"]
        row += [spread_text(contest.spread(entry, name)) for name in ("mean_ms", "latency_p95_ms", "peak_mb")]
        row.append(str(contest.errors[entry]))
        judged = present and entry not in references
        row.append(contest.ratio(entry, present[-1], cpu).verdict if judged else "")
        rows.append(row)
    return Table(contest.name, head, rows)


def paced_table(contest: Contest, reference: str = "direct") -> Table:
    """Return what a paced stream's reader notices: times added to those of the direct connection."""
    metrics = {"first chunk p50": "first_p50_ms", "first chunk p99": "first_p99_ms", "gap p99": "gap_p99_ms",
               "chunk on its way p50": "transit_p50_ms", "p99": "transit_p99_ms"}  # fmt: skip
    head = (
        "",
        *(f"added {title}, ms" for title in metrics),
        "CPU a chunk",
        "CPU by hop",
        "cores",
        "memory MB",
        "wrong",
    )
    rows: list[list[str]] = []
    for entry in contest.samples:
        added = [spread_text(contest.added(entry, reference, metric)) for metric in metrics.values()]
        first = [f"{cell} (whole)" for cell in (spread_text(contest.spread(entry, m)) for m in metrics.values())]
        row = [
            entry,
            *(first if entry == reference else added),
            spread_text(contest.spread(entry, "cpu_us_chunk"), "µs"),
        ]
        row += [ratio_text(contest.ratio(entry, "hop", "cpu_us_chunk")), spread_text(contest.spread(entry, "cores"))]
        rows.append([*row, spread_text(contest.spread(entry, "peak_mb")), str(contest.errors[entry])])
    return Table(contest.name, head, rows)


def unsaturated(contest: Contest, one_core: Iterable[str]) -> list[str]:
    """Return a note on those on a core of their own that did not use it up: the load was their limit."""
    idle = [
        f"{entry} {cores:.0%}"
        for entry in one_core
        if not isnan(cores := contest.median(entry, "cores")) and cores < SATURATED
    ]
    return [f"{contest.name}: not limited by their core, of which they used: {'; '.join(idle)}"] if idle else []


def bar_plot(contest: Contest, metric: str, title: str) -> str:
    """Return a plot with a bar for each entry."""
    return bars(title, [(entry, contest.spread(entry, metric)) for entry in contest.samples])


def line_plot(title: str, axis: str, series: dict[str, list[tuple[float, Spread]]]) -> str:
    """Return a plot of figures over sizes, which grow tenfold from tick to tick."""
    return lines(title, axis, [Line(name, points) for name, points in series.items()])


def _without_nan(value: Any) -> Any:
    if isinstance(value, float):
        return None if isnan(value) else round(value, 6)
    if isinstance(value, dict):
        return {str(key): _without_nan(one) for key, one in value.items()}
    return [_without_nan(one) for one in value] if isinstance(value, list | tuple) else value
