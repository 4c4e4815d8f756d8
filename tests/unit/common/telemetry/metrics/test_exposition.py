"""Metrics as Prometheus reads them, read back by its own parser."""

import pytest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from libs.common.telemetry.metrics.exposition import exposition
from libs.common.telemetry.metrics.families import Metric, counter, gauge, histogram
from libs.common.telemetry.metrics.histogram import Histogram


def samples(*metrics: Metric) -> list[tuple[str, dict[str, str], float]]:
    """Write, and read again."""
    text, _ = exposition(metrics, "")
    families = text_string_to_metric_families(text.decode())
    found: list[Sample] = [sample for family in families for sample in family.samples]
    return [(sample.name, sample.labels, sample.value) for sample in found]


def test_counter() -> None:
    closed = counter("fanfare_closed_total", "Closed.", "code").by({"4200": 3, "0": 1})

    assert samples(closed) == [
        ("fanfare_closed_total", {"code": "4200"}, 3.0),
        ("fanfare_closed_total", {"code": "0"}, 1.0),
    ]


def test_histogram() -> None:
    """
    Buckets hold how many were at most so large.
    """
    taken = Histogram((0.5, 1.0))
    for value in (0.5, 0.75, 9.0):
        taken.record(value)

    assert samples(histogram("fanfare_taken_seconds", "Taken.").of(taken)) == [
        ("fanfare_taken_seconds_bucket", {"le": "0.5"}, 1.0),
        ("fanfare_taken_seconds_bucket", {"le": "1.0"}, 2.0),
        ("fanfare_taken_seconds_bucket", {"le": "+Inf"}, 3.0),
        ("fanfare_taken_seconds_count", {}, 3.0),
        ("fanfare_taken_seconds_sum", {}, 10.25),
    ]


@pytest.mark.parametrize("label", ['a "b"', "a\nb", "a\\b", "é"])
def test_escaped(label: str) -> None:
    """
    Whatever a topic is called, the text stays readable.
    """
    lag = gauge("fanfare_lag", 'How "far".\n', "topic").by({label: 1})

    assert samples(lag) == [("fanfare_lag", {"topic": label}, 1.0)]


def test_nothing() -> None:
    """
    A family that knows nothing yet is named all the same.
    """
    text, _ = exposition([counter("fanfare_closed_total", "Closed.", "code").by({})], "")

    assert b"# TYPE fanfare_closed_total counter" in text


@pytest.mark.parametrize("accept", ["", "*/*", "application/openmetrics-text; version=x", "a;;,"])
def test_asked_for(accept: str) -> None:
    """
    Whatever a scraper says that it takes, it gets what Prometheus reads.
    """
    _, media_type = exposition([], accept)

    assert media_type.startswith("text/plain; version=0.0.4")
