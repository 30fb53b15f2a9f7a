"""What operators get fits together: rules, their tests, the dashboard, the runbook, and the page of all metrics."""

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import yaml

from tests.support.chart_checksum import CHART, RENDERED_OF, chart_checksum

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "monitoring"
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
RULES = [
    rule for group in yaml.safe_load((FOLDER / "rules.yml").read_text("utf-8"))["groups"] for rule in group["rules"]
]
ALERTS: dict[str, dict[str, Any]] = {rule["alert"]: rule for rule in RULES if "alert" in rule}
RECORDED = {rule["record"] for rule in RULES if "record" in rule}
DASHBOARD: dict[str, Any] = json.loads((FOLDER / "dashboard.json").read_text("utf-8"))
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
EXPRESSIONS = [target["expr"] for panel in PANELS for target in panel.get("targets", [])]


def known() -> set[str]:
    """Return every name of a metric that docs/monitoring.md has, with what histograms have behind it."""
    page = (ROOT / "docs" / "monitoring.md").read_text(encoding="utf-8")
    names: set[str] = set()
    for name, kind in re.findall(r"^\| `(gateway_\w+)` \| (\w+) \|", page, re.MULTILINE):
        names |= {name + end for end in ("_bucket", "_sum", "_count")} if kind == "histogram" else {name}
    return names


def test_rules_and_dashboard_ask_for_metrics_that_exist() -> None:
    for expression in [*EXPRESSIONS, *(rule["expr"] for rule in RULES)]:
        for name in re.findall(r"(?<![\w:])(?:job:|instance:|backend:)?gateway_\w+(?::\w+)?", expression):
            assert name in (RECORDED if ":" in name else known()), expression


def test_each_alert_names_its_section_of_the_runbook_and_no_section_is_left_over() -> None:
    sections = re.findall(
        r"^## (\w+)\n\n\* \*\*Cause\.\*\* .+\n\* \*\*Check\.\*\* .+\n\* \*\*Cure\.\*\* .+$", RUNBOOK, re.M
    )
    assert sections == list(ALERTS)
    for name, rule in ALERTS.items():
        assert rule["annotations"]["runbook_url"] == f"docs/runbook.md#{name.lower()}"
        assert rule["labels"]["severity"] in {"critical", "warning"}


def test_each_alert_has_a_test_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    cases = yaml.safe_load((FOLDER / "rules_test.yml").read_text("utf-8"))["tests"]
    found = {(case["alertname"], bool(case["exp_alerts"])) for test in cases for case in test["alert_rule_test"]}
    assert found == {(name, fires) for name in ALERTS for fires in (True, False)}


def test_the_dashboard_is_of_no_place_in_particular() -> None:
    assert DASHBOARD["uid"]
    assert "id" not in DASHBOARD, "Grafana gives it, and refuses the number of another dashboard"
    source, *others = DASHBOARD["templating"]["list"]
    assert (source["type"], source["name"]) == ("datasource", "datasource")
    shown = [panel for panel in PANELS if panel["type"] != "row"]
    asking = [*others, *shown, *(target for panel in shown for target in panel["targets"])]
    assert {json.dumps(one["datasource"]) for one in asking} == {'{"type": "prometheus", "uid": "${datasource}"}'}


def test_panels_of_the_dashboard_lie_beside_each_other() -> None:
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    for one, other in combinations([panel["gridPos"] for panel in PANELS], 2):
        assert (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        )
        assert one["x"] + one["w"] <= 24


def test_the_chart_carries_these_files() -> None:
    for name in ("rules.yml", "dashboard.json"):
        carried = (CHART / "files" / name).read_bytes()
        assert carried == (FOLDER / name).read_bytes(), "renew it: python -m tests.deploy.chart"


def test_what_is_kept_of_the_charts_renders_is_of_the_chart_as_it_is() -> None:
    assert RENDERED_OF.read_text("utf-8").strip() == chart_checksum(), "renew them: python -m tests.deploy.chart"
