"""Metrics as OTLP has them (OpenTelemetry, "Metrics Data Model")."""

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.metrics.v1 import metrics_pb2 as otlp

from libs.common.telemetry.metrics.families import Metric, counter, gauge, histogram
from libs.common.telemetry.metrics.histogram import Histogram
from libs.common.telemetry.metrics.protobuf import MetricsEncoder

CLOSED = counter("fanfare_closed_total", "Closed.", "code")
RESIDENT = gauge("fanfare_resident_bytes", "Memory.")


def encoded(*metrics: Metric) -> list[otlp.Metric]:
    """Write an export at the instant 7, of a process that counts since 5, and read it again."""
    body = MetricsEncoder({"service.name": "fanfare"}, since=5.0).encode(metrics, now=7.0)
    (resource,) = ExportMetricsServiceRequest.FromString(body).resource_metrics
    (scope,) = resource.scope_metrics
    assert resource.resource.attributes[0].value.string_value == "fanfare"
    return list(scope.metrics)


def test_counter() -> None:
    """
    A sum that only grows, since the start of the process.
    """
    (closed,) = encoded(CLOSED.by({"4200": 3}))

    (point,) = closed.sum.data_points
    assert closed.sum.is_monotonic
    assert closed.sum.aggregation_temporality == otlp.AGGREGATION_TEMPORALITY_CUMULATIVE
    assert (point.as_int, point.start_time_unix_nano, point.time_unix_nano) == (
        3,
        5_000_000_000,
        7_000_000_000,
    )
    assert [(each.key, each.value.string_value) for each in point.attributes] == [("code", "4200")]


def test_gauge() -> None:
    (resident,) = encoded(RESIDENT.of(1.5))

    assert (resident.unit, resident.description) == ("By", "Memory.")
    assert [point.as_double for point in resident.gauge.data_points] == [1.5]


def test_switch() -> None:
    """
    True is 1.
    """
    is_draining = True

    (draining,) = encoded(gauge("fanfare_draining", "Whether.").of(is_draining))

    assert [point.as_int for point in draining.gauge.data_points] == [1]


def test_histogram() -> None:
    taken = Histogram((1.0, 2.0))
    taken.record(1.0)
    taken.record(9.0, 2)

    (spread,) = encoded(histogram("fanfare_taken_seconds", "Taken.").of(taken))

    (point,) = spread.histogram.data_points
    assert (point.count, point.sum) == (3, 19.0)
    assert (list(point.bucket_counts), list(point.explicit_bounds)) == ([1, 0, 2], [1.0, 2.0])
    assert not point.HasField("min")


def test_nothing() -> None:
    """
    What knows nothing is left out.
    """
    assert encoded(CLOSED.by({})) == []
