"""promtool finds nothing wrong with the rules as the chart renders them."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.monitoring.prometheus import program

chart: Any = pytest.importorskip("tests.deploy.chart")
pytestmark = pytest.mark.deploy


def test_promtool_passes_the_rules_as_rendered(tmp_path: Path) -> None:
    spec = chart.objects(chart.EVERYTHING)["prometheusrule.yaml"]["spec"]
    (tmp_path / "rules.yml").write_text(chart.yaml.safe_dump(spec), "utf-8")
    command = [program("promtool"), "check", "rules", "rules.yml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{sum(len(group['rules']) for group in spec['groups'])} rules found" in done.stdout
