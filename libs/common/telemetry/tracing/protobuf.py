"""
Spans as OTLP has them: the message of one export.

Pure.  Spans of ours have neither links nor events, and none are written.
"""

from collections.abc import Iterable, Mapping, Sequence

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1 import trace_pb2 as otlp
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode

from libs.common.telemetry.tracing.names import SCOPE

_KINDS = {
    SpanKind.INTERNAL: otlp.Span.SPAN_KIND_INTERNAL,
    SpanKind.SERVER: otlp.Span.SPAN_KIND_SERVER,
    SpanKind.CLIENT: otlp.Span.SPAN_KIND_CLIENT,
    SpanKind.PRODUCER: otlp.Span.SPAN_KIND_PRODUCER,
    SpanKind.CONSUMER: otlp.Span.SPAN_KIND_CONSUMER,
}
_CODES = {
    StatusCode.UNSET: otlp.Status.STATUS_CODE_UNSET,
    StatusCode.OK: otlp.Status.STATUS_CODE_OK,
    StatusCode.ERROR: otlp.Status.STATUS_CODE_ERROR,
}


class SpansEncoder:
    """
    Writes spans for a receiver.

    Args:
        resource: Which process it is: attributes as OpenTelemetry names them.
    """

    def __init__(self, resource: Mapping[str, str]) -> None:
        self._resource = Resource(attributes=_attributes(resource.items()))

    def encode(self, spans: Sequence[ReadableSpan]) -> bytes:
        """Write spans that ended as the body of an export."""
        scope = otlp.ScopeSpans(
            scope=InstrumentationScope(name=SCOPE), spans=[_span(each) for each in spans]
        )
        whole = otlp.ResourceSpans(resource=self._resource, scope_spans=[scope])
        body: bytes = ExportTraceServiceRequest(resource_spans=[whole]).SerializeToString()
        return body


def _span(span: ReadableSpan) -> otlp.Span:
    own, parent = span.context, span.parent
    return otlp.Span(
        trace_id=own.trace_id.to_bytes(16, "big"),
        span_id=own.span_id.to_bytes(8, "big"),
        parent_span_id=parent.span_id.to_bytes(8, "big") if parent else b"",
        flags=own.trace_flags,
        name=span.name,
        kind=_KINDS[span.kind],
        start_time_unix_nano=span.start_time or 0,
        end_time_unix_nano=span.end_time or 0,
        attributes=_attributes((span.attributes or {}).items()),
        status=otlp.Status(code=_CODES[span.status.status_code]),
    )


def _attributes(pairs: Iterable[tuple[str, object]]) -> list[KeyValue]:
    return [KeyValue(key=key, value=_value(value)) for key, value in pairs]


def _value(value: object) -> AnyValue:
    if isinstance(value, int):
        return AnyValue(int_value=value)
    # An event's id may hold half of a surrogate pair, and no text of protobuf's may.
    return AnyValue(string_value=str(value).encode(errors="replace").decode())
