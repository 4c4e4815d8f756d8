"""Histograms: each value falls into the first bucket whose bound it does not exceed."""

from hypothesis import given
from hypothesis.strategies import floats, lists

from libs.common.telemetry.metrics.histogram import Histogram

BOUNDS = (1.0, 5.0, 10.0)


def test_bounds() -> None:
    """
    A bound belongs to the bucket below it; above the last one there is another bucket.
    """
    taken = Histogram(BOUNDS)

    for value in (0.0, 1.0, 1.1, 10.0, 10.1):
        taken.record(value)

    assert taken.counts == [2, 1, 1, 1]


def test_sum() -> None:
    taken = Histogram(BOUNDS)

    taken.record(2.0, 3)
    taken.record(11.0)

    assert (taken.count, taken.sum, taken.counts) == (4, 17.0, [0, 3, 0, 1])


@given(lists(floats(0, 20)))
def test_any(values: list[float]) -> None:
    """
    Prometheus reads how many were at most so large.
    """
    taken = Histogram(BOUNDS)

    for value in values:
        taken.record(value)

    assert [sum(taken.counts[: place + 1]) for place in range(3)] == [
        sum(value <= bound for value in values) for bound in BOUNDS
    ]
    assert taken.count == len(values)
