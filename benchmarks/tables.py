"""Tables of figures: as text, as Markdown, and between two markers of a document."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan
from pathlib import Path

from benchmarks.noise import Spread

END = "<!-- /figures -->"


@dataclass(frozen=True, slots=True)
class Table:
    """Rows below a head; every row has as many cells as the head."""

    title: str
    head: tuple[str, ...]
    rows: list[list[str]]

    def text(self) -> str:
        """Return it with aligned columns."""
        lines = [list(self.head), *self.rows]
        widths = [max(len(line[column]) for line in lines) for column in range(len(self.head))]
        lines.insert(1, ["-" * width for width in widths])
        cells = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines]
        return "\n".join([f"== {self.title}", *(line.rstrip() for line in cells)])

    def markdown(self) -> str:
        """Return it with its title in bold."""
        lines = [self.head, ("---",) * len(self.head), *self.rows]
        return "\n".join([f"**{self.title}**", "", *(f"| {' | '.join(line)} |" for line in lines)])


def number(value: float) -> str:
    """Return a figure with three digits that count; a dash where there is none."""
    if isnan(value):
        return "-"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}" if abs(value) >= 1 else f"{value:.3f}"


def spread_text(one: Spread, unit: str = "") -> str:
    """Return a median with its noise."""
    if isnan(one.median):
        return "-"
    noise = f" ±{one.noise:.0%}" if one.rounds > 1 and one.median > 0 else ""
    return f"{number(one.median)}{' ' if unit else ''}{unit}{noise}"


def ratio_text(one: Spread) -> str:
    """Return a ratio with the ends of its interval."""
    return "-" if isnan(one.median) else f"{one.median:.2f} ({one.low:.2f}-{one.high:.2f})"


def fill(document: Path, name: str, lines: Sequence[str]) -> None:
    """Write lines between `<!-- figures: name -->` and the next end marker. Raises ValueError without them."""
    before, after = around(document, name)
    document.write_text("\n".join([before, *lines, END]) + after, encoding="utf-8")


def around(document: Path, name: str) -> tuple[str, str]:
    """Return what stands before the figures of a document, with their marker, and after them. Raises ValueError."""
    begin = f"<!-- figures: {name} -->"
    before, found, rest = document.read_text(encoding="utf-8").partition(begin)
    _, ended, after = rest.partition(END)
    if not found or not ended:
        raise ValueError(f"{document} has no {begin} ... {END}")
    return before + begin, after
