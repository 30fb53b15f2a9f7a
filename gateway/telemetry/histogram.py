"""Histograms as plain numbers, and the bounds that fit language models."""

from bisect import bisect_left
from collections.abc import Sequence

DURATION_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600)
"""From an answer of our own to a long thought of a large model."""
FIRST_CHUNK_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 30, 60, 120)
GAP_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10, 30)
"""Between two chunks: from 1,000 tokens a second to a model that was swapped out."""
OVERHEAD_BUCKETS_S = (0.0001, 0.00025, 0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)
CHUNK_OVERHEAD_BUCKETS_S = (0.000005, 0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.01, 0.1)
LAG_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
SIZE_BUCKETS_BYTES = (256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216)
"""From a short question to pictures beside it."""
SPEED_BUCKETS = (1, 2, 5, 10, 20, 35, 50, 75, 100, 150, 250, 500, 1000, 2500)
"""Tokens a second."""

type Example = tuple[float, str, str | None, int]
"""A value, the ids of its request and trace, and when that ended (`time.monotonic_ns()`)."""


class Histogram:
    """Counts per bucket and a sum, of values in units of `1 / scale`: whole ones are compared faster than seconds."""

    __slots__ = ("bounds", "counts", "scale", "shown", "total")

    def __init__(self, bounds: Sequence[float], scale: float = 1.0) -> None:
        self.shown = tuple(map(float, bounds))
        self.bounds = tuple(round(bound * scale) for bound in bounds) if scale != 1.0 else self.shown
        self.counts = [0] * (len(bounds) + 1)
        self.scale = scale
        self.total: float = 0

    def observe(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def observe_many(self, mean: float, count: int) -> None:
        """Count `count` values of which only the mean is known: sum and count are right, their spread is lost."""
        self.counts[bisect_left(self.bounds, mean)] += count
        self.total += mean * count

    @property
    def count(self) -> int:
        """How many values there were."""
        return sum(self.counts)


class TracedHistogram(Histogram):
    """Keeps the latest request of each bucket as its example."""

    __slots__ = ("examples",)

    def __init__(self, bounds: Sequence[float], scale: float = 1.0) -> None:
        super().__init__(bounds, scale)
        self.examples: list[Example | None] = [None] * len(self.counts)

    def observe_of(self, value: float, request_id: str, trace_id: str | None, at_ns: int) -> None:
        """Count one value of a request that ended at `at_ns`."""
        bucket = bisect_left(self.bounds, value)
        self.counts[bucket] += 1
        self.total += value
        self.examples[bucket] = (value, request_id, trace_id, at_ns)


def nanoseconds(bounds: Sequence[float]) -> Histogram:
    """Return a histogram that is given nanoseconds and shown in seconds."""
    return Histogram(bounds, 1e9)


def traced_nanoseconds(bounds: Sequence[float]) -> TracedHistogram:
    """Return the same with examples."""
    return TracedHistogram(bounds, 1e9)
