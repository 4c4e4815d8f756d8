"""
Histograms: how many values were at most so large, in one array.

Pure.  To record costs one search in a short tuple and two additions, so that it may be done once
for each broadcast.
"""

from bisect import bisect_left
from collections.abc import Sequence

# Seconds: from what one process does at once to what a person has given up on.
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
NUMBERS = (1.0, 2.0, 5.0, 10.0, 50.0, 100.0, 500.0, 1000.0, 5000.0, 10_000.0, 50_000.0)


class Histogram:
    """
    Values since the start, by size.

    Args:
        bounds: The largest value of each bucket, ascending; above the last one there is another.

    Attributes:
        bounds: As given.
        counts: How many values fell into each bucket alone, the last one included.
        sum: The sum of all values.
    """

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float] = SECONDS) -> None:
        self.bounds = tuple(map(float, bounds))
        self.counts = [0] * (len(self.bounds) + 1)
        self.sum = 0.0

    @property
    def count(self) -> int:
        """How many values there were."""
        return sum(self.counts)

    def record(self, value: float, times: int = 1) -> None:
        """Take a value, or so many of the same."""
        self.counts[bisect_left(self.bounds, value)] += times
        self.sum += value * times
