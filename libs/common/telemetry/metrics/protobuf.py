"""
Metrics as OTLP has them: the message of one export.

Pure.  All numbers are cumulative since the start of the process, so that an export that is lost
costs nothing but its moment (OpenTelemetry, "Metrics Data Model", "Temporality").
"""

from collections.abc import Iterable, Mapping, Sequence

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.metrics.v1 import metrics_pb2 as otlp
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from libs.common.telemetry.metrics.families import Family, Labels, Metric, Value
from libs.common.telemetry.metrics.histogram import Histogram

_CUMULATIVE = otlp.AGGREGATION_TEMPORALITY_CUMULATIVE
_NANO = 1_000_000_000


class MetricsEncoder:
    """
    Writes what a process counts for a receiver.

    Args:
        resource: Which process it is: attributes as OpenTelemetry names them.
        since: Since when it counts, UTC epoch seconds.
    """

    def __init__(self, resource: Mapping[str, str], *, since: float) -> None:
        self._resource = Resource(attributes=_attributes(resource.items()))
        self._since = int(since * _NANO)

    def encode(self, metrics: Sequence[Metric], *, now: float) -> bytes:
        """
        Write metrics as the body of an export.

        Args:
            metrics: Of all families; those that know nothing are left out.
            now: UTC epoch seconds.
        """
        at = int(now * _NANO)
        scope = otlp.ScopeMetrics(
            scope=InstrumentationScope(name="fanfare"),
            metrics=[self._metric(metric, at) for metric in metrics if metric.values],
        )
        whole = otlp.ResourceMetrics(resource=self._resource, scope_metrics=[scope])
        body: bytes = ExportMetricsServiceRequest(resource_metrics=[whole]).SerializeToString()
        return body

    def _metric(self, metric: Metric, at: int) -> otlp.Metric:
        family = metric.family
        written = otlp.Metric(name=family.name, description=family.means, unit=family.unit)
        for labels, value in metric.values.items():
            if isinstance(value, Histogram):
                written.histogram.aggregation_temporality = _CUMULATIVE
                written.histogram.data_points.append(self._spread(family, labels, value, at=at))
            elif family.kind == "counter":
                written.sum.aggregation_temporality = _CUMULATIVE
                written.sum.is_monotonic = True
                written.sum.data_points.append(self._point(family, labels, value, at=at))
            else:
                written.gauge.data_points.append(self._point(family, labels, value, at=at))
        return written

    def _point(
        self, family: Family, labels: Labels, value: Value, *, at: int
    ) -> otlp.NumberDataPoint:
        return otlp.NumberDataPoint(
            attributes=_attributes(zip(family.labels, labels, strict=True)),
            start_time_unix_nano=self._since,
            time_unix_nano=at,
            # A bool is an int, and protobuf takes it for none.
            **({"as_int": int(value)} if isinstance(value, int) else {"as_double": value}),
        )

    def _spread(
        self, family: Family, labels: Labels, value: Histogram, *, at: int
    ) -> otlp.HistogramDataPoint:
        return otlp.HistogramDataPoint(
            attributes=_attributes(zip(family.labels, labels, strict=True)),
            start_time_unix_nano=self._since,
            time_unix_nano=at,
            count=value.count,
            sum=value.sum,
            bucket_counts=value.counts,
            explicit_bounds=value.bounds,
        )


def _attributes(pairs: Iterable[tuple[str, str]]) -> list[KeyValue]:
    return [KeyValue(key=key, value=AnyValue(string_value=value)) for key, value in pairs]
