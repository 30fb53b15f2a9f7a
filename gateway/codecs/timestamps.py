"""Times as Ollama writes them: RFC 3339, UTC, microseconds."""

from datetime import UTC, datetime
from functools import lru_cache


class Timestamps:
    """Formats wall-clock nanoseconds; the part up to the second is made once a second, for all answers."""

    __slots__ = ("_prefix", "_second")

    def __init__(self) -> None:
        self._second = -1
        self._prefix = ""

    def format(self, wall_ns: int) -> str:
        """Return e.g. `2026-01-31T12:00:00.123456Z`."""
        second, nanoseconds = divmod(wall_ns, 1_000_000_000)
        if second != self._second:
            self._second = second
            self._prefix = _to_the_second(second)
        return f"{self._prefix}.{nanoseconds // 1000:06d}Z"


@lru_cache(maxsize=4)
def _to_the_second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
