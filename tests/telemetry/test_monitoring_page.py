"""docs/monitoring.md names every family there is, with its type and labels, and no other."""

import re
from pathlib import Path

from gateway.exchange import Exchange
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.tables import tables

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "monitoring.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `(gateway_\w+)` \| (\w+) \| (.*?)\| (.+?) \| (.*?)\|$", re.MULTILINE)
GROUPS = {"HTTP": 8, "Streaming": 7, "System": 9, "Performance": 4}
"""How many families each group has at least."""


def test_the_page_names_every_family_with_its_type_and_labels() -> None:
    metrics = Metrics("1.2.3")
    metrics.request_started("/r")
    metrics.request_finished(Exchange("1", "GET", route="/r"), 200, 1)
    shown = {
        family.name + {"counter": "_total", "info": "_info"}.get(family.kind, ""): (
            "gauge" if family.kind == "info" else family.kind,
            ", ".join(f"`{label}`" for label in family.labels),
        )
        for family in tables(metrics)
    }
    assert {name: (kind, labels.strip()) for name, kind, labels, _, _ in ROW.findall(PAGE)} == shown


def test_the_page_says_of_each_what_it_means_and_what_to_do() -> None:
    rows = ROW.findall(PAGE)
    assert len(rows) > sum(GROUPS.values())
    assert [name for name, *_, meaning, advice in rows if len(meaning) < 10 or len(advice) < 10] == []


def test_every_group_has_its_families() -> None:
    for group, least in GROUPS.items():
        section = PAGE.partition(f"\n### {group}\n")[2].partition("\n### ")[0]
        assert len(ROW.findall(section)) >= least, group
