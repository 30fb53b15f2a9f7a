"""Tables, plots, documents, and the reading of other programs' output."""

import json
import xml.etree.ElementTree as ET
from math import nan
from pathlib import Path

import pytest

from benchmarks import goals, machine, quick
from benchmarks.contest import Contest
from benchmarks.noise import Spread, spread
from benchmarks.plots import Line, bars, lines
from benchmarks.report import Report, contest_table
from benchmarks.tables import Table, fill
from benchmarks.targets import TargetError, at_url
from benchmarks.workloads import WORKLOADS
from benchmarks.wrk import read

WRK = """Running 1s test @ http://127.0.0.1:8080/
  1 threads and 16 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   635.91us    0.89ms  12.92ms   93.69%
    Req/Sec    56.20k     8.07k   62.00k    86.54%
  Latency Distribution
     50%  250.00us
     75%  491.00us
     90%  700.00us
     99%    5.80ms
  56464 requests in 1.00s, 17.76MB read
  Socket errors: connect 0, read 1, write 0, timeout 2
  Non-2xx or 3xx responses: 4
Requests/sec:  56464.50
Transfer/sec:     17.70MB
"""


def contest(rates: list[float]) -> Contest:
    """Return a contest of a hop and a gateway, whose rate by the hop's is `rates`."""
    both = {"hop": [100.0] * len(rates), f"{quick.ASKED_DIRECTLY} /api/chat": [100 * rate for rate in rates]}
    samples = {
        name: [{"rate": rate, "cpu_ms": 1 / rate, "mean_ms": nan, "others_cores": 0.0} for rate in found]
        for name, found in both.items()
    }
    return Contest(quick.PLAIN, samples, dict.fromkeys(both, 0))


@pytest.mark.parametrize(
    ("rates", "verdict"),
    [
        ([0.9] * 9, "yes"),
        ([0.5] * 9, "no"),
        ([0.6, 0.65, 0.7, 0.73, 0.74, 0.75, 0.8, 0.85, 0.9], "yes, within the noise"),
        ([0.9] * 2, "yes (2 rounds)"),
    ],
)
def test_a_goal_is_met_only_as_surely_as_it_was_measured(rates: list[float], verdict: str) -> None:
    report = Report("full", "command")
    report.add(contest(rates))
    rows = goals.goals_table(report).rows
    assert rows[0][-1] == verdict
    assert {row[-1] for row in rows[1:3]} == {"not measured"}


def test_a_report_says_what_was_wrong_and_what_disturbed_it() -> None:
    doubtful = contest([1.0] * 6)
    doubtful.errors["hop"] = 3
    doubtful.samples["hop"][0]["others_cores"] = 1.0
    report = Report("bench", "command")
    report.add(doubtful, contest_table(doubtful))
    assert report.wrong == 3
    assert any("3 wrong answers of hop" in note for note in report.notes)
    assert any("disturbed 1 of 12 bursts" in note for note in report.notes)


def test_a_report_is_written_as_json_plots_and_between_the_markers_of_a_document(tmp_path: Path) -> None:
    document = tmp_path / "docs" / "text.md"
    document.parent.mkdir()
    document.write_text("before\n<!-- figures: bench -->\nold\n<!-- /figures -->\nafter\n", encoding="utf-8")
    report = Report("bench", "command", tables=[Table("title", ("a", "b"), [["1", "2"]])], plots={"one plot": "<svg/>"})
    report.add(contest([1.0] * 6))
    data, plot = report.write(tmp_path / "out", document)
    text = document.read_text(encoding="utf-8")
    assert text.startswith("before\n<!-- figures: bench -->\n")
    assert text.endswith("<!-- /figures -->\nafter\n")
    assert "| 1 | 2 |" in text
    assert "old" not in text
    assert "(performance/bench-one-plot.svg)" in text
    assert plot == document.parent / "performance" / "bench-one-plot.svg"
    assert json.loads(data.read_text(encoding="utf-8"))["contests"][quick.PLAIN]["samples"]["hop"][0]["mean_ms"] is None


def test_a_document_without_the_markers_is_left_alone(tmp_path: Path) -> None:
    document = tmp_path / "text.md"
    document.write_text("nothing", encoding="utf-8")
    with pytest.raises(ValueError, match="figures: bench"):
        fill(document, "bench", ["new"])
    assert document.read_text(encoding="utf-8") == "nothing"


def test_plots_are_well_formed_whatever_was_measured() -> None:
    unknown = Spread(nan, nan, nan, 0)
    for svg in (
        bars("a < b", [("one & two", spread([1.0, 2.0])), ("none", unknown)]),
        bars("nothing", []),
        lines("growth", "size", [Line("one", [(10.0, spread([1.0])), (100.0, unknown), (1e5, spread([3.0]))])]),
        lines("nothing", "size", [Line("one", [(1.0, unknown)])]),
    ):
        assert ET.fromstring(svg).tag.endswith("svg")  # noqa: S314 - our own


def test_the_output_of_wrk_is_read_with_its_errors() -> None:
    assert read(WRK) == (56464.5, 0.25, 5.8, 7)
    with pytest.raises(ValueError, match="not the output of wrk"):
        read("unable to connect")


def test_any_address_can_be_a_target() -> None:
    named = at_url("other=http://127.0.0.1:1")
    assert (named.name, named.host, named.port, named.pid) == ("other", "127.0.0.1", 1, None)
    with pytest.raises(TargetError):
        at_url("https://127.0.0.1")


@pytest.mark.parametrize(
    ("workers", "available", "expected"),
    [
        (1, (0, 1), machine.Cores((0,), (1,))),
        (2, (0, 1), machine.Cores((0, 1), (1,))),
        (2, (2, 3, 5, 7), machine.Cores((2, 3), (5, 7))),
        (1, (4,), machine.Cores((4,), (4,))),
    ],
)
def test_the_load_has_the_cores_that_the_target_has_not(
    workers: int, available: tuple[int, ...], expected: machine.Cores
) -> None:
    assert machine.cores(workers, available) == expected
    assert expected.shared is (len(available) <= workers)


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_workload_runs_with_the_codecs_of_this_tree(name: str) -> None:
    workload = WORKLOADS[name]()
    assert workload.run()
    assert workload.units > 0
