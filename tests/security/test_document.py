"""docs/security.md names tests that exist, all ten risks, and what the workflow really runs."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the table below a heading, without its head."""
    section = DOCUMENT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_every_risk_of_the_ten_has_its_row() -> None:
    assert [cells[0].split()[0] for cells in rows("OWASP API Security Top 10 (2023)")] == [
        f"API{number}" for number in range(1, 11)
    ]


def test_every_threat_names_tests_and_they_exist() -> None:
    for heading in ("OWASP API Security Top 10 (2023)", "Beyond the ten"):
        for *_, held_by in rows(heading):
            named = re.findall(r"`(tests/[\w/]+\.py)`", held_by)
            assert named
            assert [name for name in named if not (ROOT / name).is_file()] == []


def test_what_is_said_to_run_elsewhere_is_in_the_workflow() -> None:
    workflow = (ROOT / ".github" / "workflows" / "scan.yml").read_text(encoding="utf-8")
    for scan in ("pip-audit", "--strict", "trivy-action@", "trufflehog@"):
        assert scan in workflow
    assert "@" not in DOCUMENT.partition("\n## Audit of ")[2]


def test_what_lint_is_said_to_run_is_in_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    lint = makefile.partition("\nlint: ")[2].partition("\n\n")[0]
    assert "-m bandit " in lint
    assert "-m tests.security.secret_scan" in lint
    assert "\ntest: lint " in makefile
