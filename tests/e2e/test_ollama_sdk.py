"""The official `ollama` Python SDK, whole, in its newest version and in older ones people still have."""

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.environments import NEWEST_OLLAMA_LACKS, OLDER_OLLAMA, python_with_ollama
from tests.e2e.processes import clean_environment

pytestmark = pytest.mark.e2e

EXEMPT = {
    "web_search": "asks ollama.com, whatever the host",
    "web_fetch": "asks ollama.com, whatever the host",
    "systemone": "POST /v1/systemone, which Ollama's server does not route",
}
"""Public methods without a case, and why."""


def report_of(python: str | Path, url: str, lacking: Iterable[str], cwd: Path) -> dict[str, Any]:
    """Runs the cases with an interpreter; returns their report."""
    done = subprocess.run(
        [python, "-m", "tests.e2e.ollama_sdk", url, *lacking],
        cwd=cwd,
        env=clean_environment(OLLAMA_HOST=url),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def check(report: dict[str, Any], surfaces: list[str]) -> None:
    """Every case passed, and there is a case for every public method; says how many there are."""
    counts, missing, exempt = [], [], set()
    for kind, surface in report["surfaces"].items():
        methods, called = set(surface["methods"]), set(surface["called"])
        exempt |= (methods & EXEMPT.keys()) - called
        wanted = methods - EXEMPT.keys()
        missing += [f"{kind}.{name}" for name in sorted(wanted - called)]
        counts.append(f"{kind} {len(wanted & called)}/{len(wanted)}")
    left_out = f" (exempt: {', '.join(sorted(exempt))})" if exempt else ""
    surfaces.append(f"ollama {report['version']}: {', '.join(counts)}, {report['cases']} cases each{left_out}")
    assert not report["failures"], "\n\n".join(report["failures"])
    assert not missing, f"no case calls {', '.join(missing)}"


def test_the_newest_sdk_works_whole(gateway_url: str, surfaces: list[str], tmp_path: Path) -> None:
    check(report_of(sys.executable, gateway_url, NEWEST_OLLAMA_LACKS, tmp_path), surfaces)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("version", OLDER_OLLAMA)
def test_an_older_sdk_works_whole(version: str, gateway_url: str, surfaces: list[str], tmp_path: Path) -> None:
    report = report_of(python_with_ollama(version), gateway_url, OLDER_OLLAMA[version], tmp_path)
    assert report["version"] == version
    check(report, surfaces)


def test_a_method_without_a_case_is_noticed() -> None:
    surface = {"methods": ["chat", "sing", "web_search"], "called": ["chat"]}
    report = {"version": "9", "cases": 1, "failures": [], "surfaces": {"Client": surface}}
    lines: list[str] = []
    with pytest.raises(AssertionError, match=r"no case calls Client\.sing"):
        check(report, lines)
    assert lines == ["ollama 9: Client 1/2, 1 cases each (exempt: web_search)"]
