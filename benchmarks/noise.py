"""What can be said of figures that scatter: medians, the interval that holds them, ratios, and when to say nothing.

Targets are measured in turns, A B A B, and each B is divided by the A of its own round: what slows a whole round falls
out. The interval of the median comes from the order of the ratios alone, whatever their distribution.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb, nan
from statistics import median

CONFIDENCE = 0.95
FEWEST_ROUNDS = 6
"""With fewer, even the smallest and the largest value do not hold the median with this confidence."""


@dataclass(frozen=True, slots=True)
class Spread:
    """A median, and the interval in which it lies; `sure` is False where there were too few rounds to know."""

    median: float
    low: float
    high: float
    rounds: int

    @property
    def sure(self) -> bool:
        """Whether there were enough rounds."""
        return self.rounds >= FEWEST_ROUNDS

    @property
    def noise(self) -> float:
        """The larger distance from the median to an end of the interval, as a part of the median."""
        return max(self.high - self.median, self.median - self.low) / self.median if self.median else 0.0


class Ratio(Spread):
    """One target by another: 1 is equal."""

    __slots__ = ()

    @property
    def significant(self) -> bool:
        """Whether the difference is larger than the noise, and the noise is known."""
        return self.sure and abs(self.median - 1) > self.noise * self.median

    @property
    def verdict(self) -> str:
        """What may be said."""
        if not self.sure:
            return f"not judged: {self.rounds} rounds, {FEWEST_ROUNDS} are needed"
        if not self.significant:
            return f"no difference beyond the noise of {self.noise:.1%}"
        return f"{abs(self.median - 1):.1%} {'more' if self.median > 1 else 'less'}, noise {self.noise:.1%}"


def spread(values: Sequence[float]) -> Spread:
    """Return median and interval; NaN of nothing."""
    return Spread(*_interval(values), len(values))


def ratio(values: Sequence[float], references: Sequence[float]) -> Ratio:
    """Return the ratio of values to references, round by round; where either is missing or 0, the round is left out."""
    pairs = zip(values, references, strict=True)
    ratios = [value / reference for value, reference in pairs if value > 0 and reference > 0]
    return Ratio(*_interval(ratios), len(ratios))


def percentile(values: Sequence[float], part: float) -> float:
    """Return the value below which this part of the values lies, NaN of nothing."""
    if not values:
        return nan
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def margin(noise: float, least: float) -> float:
    """Return by how much more a commit may cost before that counts as a regression."""
    return max(noise, least)


def _interval(values: Sequence[float]) -> tuple[float, float, float]:
    if not values:
        return nan, nan, nan
    ordered = sorted(values)
    cut = _cut(len(ordered))
    return median(ordered), ordered[cut], ordered[-1 - cut]


def _cut(rounds: int) -> int:
    """Return how many values at each end may be left out: the rest still holds the median with CONFIDENCE."""
    outside, cut = 0.0, 0
    for below in range(rounds // 2):
        outside += 2 * comb(rounds, below) / 2**rounds
        if outside > 1 - CONFIDENCE:
            break
        cut = below
    return cut
