"""Log lines into memory, for tests."""

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BytesIO

import structlog

from gateway.telemetry.logging import LibraryHandler, configure_logging


@contextmanager
def captured_logging(level: str, secrets: Iterable[str] = ()) -> Iterator[BytesIO]:
    """Configure logging into the returned stream; undo it at the end."""
    stream = BytesIO()
    root = logging.getLogger()
    before = root.level
    configure_logging(level, stream, secrets)
    try:
        yield stream
    finally:
        structlog.reset_defaults()
        root.setLevel(before)
        for handler in [handler for handler in root.handlers if isinstance(handler, LibraryHandler)]:
            root.removeHandler(handler)
