"""Fixtures of the middlewares' tests."""

from collections.abc import Iterator
from io import BytesIO

import pytest

from tests.telemetry.capture import captured_logging


@pytest.fixture(autouse=True)
def log() -> Iterator[BytesIO]:
    """Log lines of the test, from INFO on."""
    with captured_logging("INFO") as stream:
        yield stream
