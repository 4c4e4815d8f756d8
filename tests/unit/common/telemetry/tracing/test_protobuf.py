"""Spans as OTLP has them (OpenTelemetry, "OTLP Specification")."""

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1 import trace_pb2 as otlp

from libs.common.telemetry.tracing.names import processing, publishing
from libs.common.telemetry.tracing.protobuf import SpansEncoder
from libs.common.telemetry.tracing.queue import SpanQueue
from libs.common.telemetry.tracing.tracer import Tracer, failed
from tests.unit.dispatcher.examples import TRACE


def encoded(queue: SpanQueue) -> list[otlp.Span]:
    """Write an export of all that waits, and read it again."""
    body = SpansEncoder({"service.name": "fanfare"}).encode(queue.take(10))
    (resource,) = ExportTraceServiceRequest.FromString(body).resource_spans
    (scope,) = resource.scope_spans
    assert resource.resource.attributes[0].value.string_value == "fanfare"
    assert scope.scope.name == "fanfare"
    return list(scope.spans)


def test_span() -> None:
    queue = SpanQueue()
    step = processing("orders", 3, 42, group="g", event_id="half a pair \ud800")
    Tracer(queue, {}).record(step, TRACE, began=1.0, ended=2.0)

    (span,) = encoded(queue)

    said = {each.key: each.value for each in span.attributes}
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE[3:35], TRACE[36:52])
    assert len(span.span_id) == 8
    assert (span.name, span.kind) == ("process orders", otlp.Span.SPAN_KIND_CONSUMER)
    assert (span.start_time_unix_nano, span.end_time_unix_nano) == (1_000_000_000, 2_000_000_000)
    assert said["messaging.kafka.offset"].int_value == 42
    assert said["messaging.message.id"].string_value == "half a pair ?"
    assert span.status.code == otlp.Status.STATUS_CODE_UNSET


def test_root_that_failed() -> None:
    """
    It has no parent, and says so.
    """
    queue = SpanQueue()
    span = Tracer(queue, {}).begin(publishing("1"), "")
    failed(span, "Unavailable")
    span.end()

    (root,) = encoded(queue)

    assert root.parent_span_id == b""
    assert root.status.code == otlp.Status.STATUS_CODE_ERROR
