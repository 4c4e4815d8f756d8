"""Metrics as Prometheus reads them: its text format, or OpenMetrics where that is asked for."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric as Exposed
from prometheus_client.registry import Collector

from libs.common.telemetry.metrics.families import Metric
from libs.common.telemetry.metrics.histogram import Histogram


class _Collected(Collector):
    def __init__(self, metrics: Sequence[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Exposed]:
        return map(_exposed, self._metrics)


def exposition(metrics: Sequence[Metric], accept: str) -> tuple[bytes, str]:
    """
    Write metrics for who scrapes.

    Args:
        metrics: Of all families.
        accept: What the scraper takes: its ``Accept`` header.

    Returns:
        The text, and its media type.
    """
    try:
        encode, media_type = choose_encoder(accept)
    except (TypeError, ValueError):  # Of a version that is none.
        encode, media_type = choose_encoder("")
    return encode(_Collected(metrics)), media_type


def _exposed(metric: Metric) -> Exposed:
    family = metric.family
    name = family.name.removesuffix("_total")
    exposed = Exposed(name, family.means, family.kind)
    for values, value in metric.values.items():
        labels = dict(zip(family.labels, values, strict=True))
        if isinstance(value, Histogram):
            for suffix, further, number in _buckets(value):
                exposed.add_sample(name + suffix, labels | further, number)
        else:
            exposed.add_sample(family.name, labels, value)
    return exposed


def _buckets(value: Histogram) -> Iterator[tuple[str, dict[str, str], float]]:
    """Name each sample of a histogram: how many values were at most so large."""
    bounds = [*map(repr, value.bounds), "+Inf"]
    for bound, count in zip(bounds, accumulate(value.counts), strict=True):
        yield "_bucket", {"le": bound}, count
    yield "_count", {}, value.count
    yield "_sum", {}, value.sum
