"""What is shown while a check runs: one line that changes on a terminal, else a line for each model."""

import shutil
import sys
from typing import TextIO

from gateway.doctor.text import plain, shortened

_CLEAR = "\r\x1b[2K"


class ProgressLine:
    """Tells on `stream` (stderr, usually) what is being asked. `clear` removes what it left on a terminal."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._live = self._stream.isatty()
        self._told: set[tuple[str, str]] = set()

    def __call__(self, backend: str, model: str, check: str) -> None:
        """Tell of one step."""
        place = plain(f"{backend}: {model}" if model else backend)
        if self._live:
            width = shutil.get_terminal_size().columns - 1
            self._write(_CLEAR + shortened(f"checking {place}, {check.replace('_', ' ')}", width))
        elif (backend, model) not in self._told:
            self._told.add((backend, model))
            self._write(f"checking {place}\n")

    def clear(self) -> None:
        """Leave an empty line on a terminal."""
        if self._live:
            self._write(_CLEAR)

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
