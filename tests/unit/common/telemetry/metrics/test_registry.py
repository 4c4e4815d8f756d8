"""The registry asks all that count, and one with a fault hides no other."""

from collections.abc import Iterator

from structlog.testing import capture_logs

from libs.common.telemetry.metrics.families import Metric, gauge
from libs.common.telemetry.metrics.registry import Registry

ONE, OTHER = gauge("fanfare_one", "One."), gauge("fanfare_other", "Another.")


class One:
    """Counts one thing."""

    def metrics(self) -> Iterator[Metric]:
        yield ONE.of(1)


class Other:
    """Counts another."""

    def metrics(self) -> Iterator[Metric]:
        yield OTHER.of(2)


class Broken:
    """Fails when it is asked."""

    def metrics(self) -> Iterator[Metric]:
        metrics: dict[str, Metric] = {}
        yield metrics["gone"]


def test_order() -> None:
    assert Registry([Other(), One()]).read() == [OTHER.of(2), ONE.of(1)]


def test_fault() -> None:
    """
    The rest is read all the same, and the fault is logged.
    """
    with capture_logs() as lines:
        metrics = Registry([Broken(), One()]).read()

    assert metrics == [ONE.of(1)]
    assert [(line["event"], line["part"]) for line in lines] == [("metrics.failed", "Broken")]
