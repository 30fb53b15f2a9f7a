"""Seconds that only the test moves."""


class Clock:
    """Begins within a minute, not at its edge: as clocks do."""

    def __init__(self, now_s: float = 1010.0) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s
