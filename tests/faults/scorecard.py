"""The scorecard: findings as a table for people, as JSON for programs, as Markdown for the documentation."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.asking import LIVE_WAYS, SIX_WAYS, Way
from tests.faults.judging import TITLES, Finding, Verdict

_BEGIN, _END = "<!-- scorecard -->", "<!-- end of scorecard -->"
_SHORT = {"v1": "/v1", "chat": "chat", "generate": "generate"}


@dataclass
class Measured:
    """What came of one of the rows 17 to 27, which are not a matter of ways to ask."""

    row: int
    title: str
    verdict: Verdict
    notes: list[str] = field(default_factory=list)
    numbers: dict[str, Any] = field(default_factory=dict)

    def shown(self) -> dict[str, Any]:
        """Return it for a report."""
        return {
            "row": self.row,
            "title": self.title,
            "verdict": str(self.verdict),
            "notes": self.notes,
            "numbers": self.numbers,
        }


class Scorecard:
    """All findings of a run."""

    def __init__(self, facts: dict[str, Any]) -> None:
        self.facts = facts
        self.findings: dict[tuple[int, str], Finding] = {}
        self.measured: dict[int, Measured] = {}

    def add(self, finding: Finding) -> None:
        """Enter a finding."""
        self.findings[finding.row, finding.way] = finding

    def measure(self, measured: Measured) -> None:
        """Enter what was measured for a row."""
        self.measured[measured.row] = measured

    @property
    def good(self) -> bool:
        """Whether all is as it should be: a pass everywhere, or the best there is where words were shown already."""
        ways = all(one.verdict <= one.best_possible for one in self.findings.values())
        return ways and all(one.verdict is Verdict.PASS for one in self.measured.values())

    def passed(self, way: Way) -> str:
        """Return how many rows pass in a way, of how many."""
        found = [one for one in self.findings.values() if one.way == way.name]
        return f"{sum(one.verdict is Verdict.PASS for one in found)} of {len(found)}"

    def lines(self) -> list[str]:
        """Return the table, and below it what was not right."""
        table = self._table()
        widths = [max(len(row[at]) for row in table) for at in range(len(table[0]))] if table else []
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table
        ]
        if self.measured:
            lines += ["", *(f"{one.row:02}  {one.verdict!s:7}  {one.title}" for one in self._ordered())]
        return [*lines, "", *self._remarks()]

    def as_json(self) -> str:
        """Return everything that was seen."""
        found = [self.findings[key].shown() for key in sorted(self.findings)]
        measured = [one.shown() for one in self._ordered()]
        return json.dumps({**self.facts, "good": self.good, "ways": found, "measured": measured}, indent=1)

    def as_markdown(self) -> str:
        """Return the tables for a document."""
        lines: list[str] = []
        table = self._table()
        if table:
            head, *rows = table
            lines += [_row(head), _row(["---"] * len(head)), *map(_row, rows), ""]
        if self.measured:
            lines += [_row(["", "Fault", "Verdict", "Measured"]), _row(["---"] * 4)]
            for one in self._ordered():
                numbers = ", ".join(f"{name} {value}" for name, value in one.numbers.items())
                lines.append(_row([f"{one.row:02}", one.title, str(one.verdict), numbers]))
        return "\n".join(lines).rstrip() + "\n"

    def _table(self) -> list[list[str]]:
        if not self.findings:
            return []
        ways = [way for way in (*SIX_WAYS, *LIVE_WAYS) if any(one.way == way.name for one in self.findings.values())]
        rows = sorted({row for row, _ in self.findings})
        body = [[f"{row:02}", TITLES[row], *(self._cell(row, way) for way in ways)] for row in rows]
        head = ["", "Fault", *(_headed(way) for way in ways)]
        return [head, *body, ["", "passes", *(self.passed(way) for way in ways)]]

    def _cell(self, row: int, way: Way) -> str:
        found = self.findings.get((row, way.name))
        return "" if found is None else str(found.verdict)

    def _ordered(self) -> list[Measured]:
        return [self.measured[row] for row in sorted(self.measured)]

    def _remarks(self) -> Iterable[str]:
        for key in sorted(self.findings):
            one = self.findings[key]
            if one.verdict > one.best_possible or any(note.startswith("slow") for note in one.notes):
                yield f"{one.row:02} {one.way}: {one.verdict}: {'; '.join(one.notes)}"
        for measured in self._ordered():
            numbers = ", ".join(f"{name} {value}" for name, value in measured.numbers.items())
            wrong = f": {'; '.join(measured.notes)}" if measured.notes else ""
            yield f"{measured.row:02} {measured.verdict}{wrong} ({numbers})"


def _headed(way: Way) -> str:
    name, _, form = way.name.partition("-")
    return f"{_SHORT[name]} {form}"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def put_into(document: Path, scorecard: Scorecard) -> None:
    """Replace what a document has between the two marks. Raises ValueError where they are not there."""
    text = document.read_text("utf-8")
    before, begin, rest = text.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise ValueError(f"{document} has no place for a scorecard")
    facts = f"Profile `{scorecard.facts['profile']}`, {scorecard.facts['date']}, {scorecard.facts['seconds']} s."
    new = f"{before}{begin}\n\n## Scorecard\n\n{facts}\n\n{scorecard.as_markdown()}\n{end}{after}"
    document.write_text(new, "utf-8")
