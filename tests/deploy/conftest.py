"""Tests of what is shipped want tools of their own, which only the environment of `make test-deploy` has."""

from importlib.util import find_spec
from pathlib import Path

import pytest

TOOLS_ARE_HERE = find_spec("twine") is not None


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave these files out where they could not even be imported."""
    return None if TOOLS_ARE_HERE or collection_path.suffix != ".py" else True


def pytest_report_header() -> str | None:
    """Say why nothing of this folder runs."""
    return (
        None if TOOLS_ARE_HERE else "tests/deploy: left out, its tools are not installed; `make test-deploy` has them"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder: none of them may reach `make test`."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker("deploy")
