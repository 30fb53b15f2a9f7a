"""promtool, of a real Prometheus, finds nothing wrong with the rules, and each alert fires when it is to."""

import subprocess
from pathlib import Path

import pytest

from tests.monitoring.prometheus import program

FOLDER = Path(__file__).resolve().parents[2] / "monitoring"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.mark.parametrize(
    "words",
    [("check", "rules", "rules.yml"), ("check", "config", "prometheus.yml"), ("test", "rules", "rules_test.yml")],
    ids=" ".join,
)
def test_promtool_has_nothing_to_say(words: tuple[str, ...]) -> None:
    done = subprocess.run([program("promtool"), *words], cwd=FOLDER, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
