"""What the chart's kept renders were made of, so that a test without Helm notices when they are out of date."""

import zlib
from pathlib import Path

ROOT = Path(__file__).parents[2]
CHART = ROOT / "helm" / "ollama-openai-proxy"
GOLDEN = ROOT / "tests" / "deploy" / "golden"
RENDERED_OF = GOLDEN / "rendered-of.txt"
"""Holds the checksum of the chart at the last `python -m tests.deploy.chart`."""


def chart_checksum() -> str:
    """Return a checksum of all of the chart that a render, or the README's table, depends on."""
    parts = [CHART / "Chart.yaml", CHART / "values.yaml", *sorted((CHART / "templates").rglob("*.*"))]
    checksum = 0
    for part in (*parts, ROOT / "tests" / "deploy" / "chart.py"):
        checksum = zlib.crc32(part.relative_to(ROOT).as_posix().encode() + b"\0" + part.read_bytes(), checksum)
    return f"{checksum:08x}"
