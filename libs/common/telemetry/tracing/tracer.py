"""
The tracer: makes spans of events that are watched, and of no others.

Who asks looks first (`Tracer.wants`), so that an event that is not watched costs that look alone.
Spans are OpenTelemetry's; when they end they wait in a queue (`queue`) until they are sent.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from random import random

from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from libs.common.telemetry.tracing.context import is_sampled, sampled
from libs.common.telemetry.tracing.current import current
from libs.common.telemetry.tracing.names import ERROR_TYPE, SCOPE, SpanStep
from libs.common.telemetry.tracing.queue import SpanQueue

_NANO = 1_000_000_000


class Tracer:
    """
    Makes spans.

    Args:
        queue: Where they wait to be sent; None: nobody wants them, and none are made.
        resource: Which process it is: attributes as OpenTelemetry names them.
        ratio: The share of events without a trace that begin one, from 0 to 1.
    """

    def __init__(
        self, queue: SpanQueue | None, resource: Mapping[str, str], *, ratio: float = 0.0
    ) -> None:
        self._is_on = queue is not None
        self._ratio = ratio if self._is_on else 0.0
        if queue is not None:
            provider = TracerProvider(ALWAYS_ON, Resource(dict(resource)), shutdown_on_exit=False)
            provider.add_span_processor(queue)
            self._tracer = provider.get_tracer(SCOPE)

    def wants(self, trace: str, *, may_begin: bool = True) -> bool:
        """
        Tell whether a span shall be made of an event.

        Args:
            trace: The ``traceparent`` that came with it; empty: none did.
            may_begin: Whether a trace may begin with it.
        """
        if trace:
            return self._is_on and is_sampled(trace)
        return may_begin and self._ratio > 0 and random() < self._ratio  # noqa: S311 - no secret.

    def begin(self, step: SpanStep, trace: str, *, at: float | None = None) -> Span:
        """
        Begin a span; only where `wants` said so.

        Args:
            step: What it tells of.
            trace: The ``traceparent`` that came; empty: a trace begins.
            at: Since when, UTC epoch seconds; None: now.
        """
        return self._tracer.start_span(
            step.name,
            _parent(trace),
            step.kind,
            step.attributes,
            start_time=None if at is None else int(at * _NANO),
        )

    def record(self, step: SpanStep, trace: str, *, began: float, ended: float) -> None:
        """Make a span of what is over already; instants are UTC epoch seconds."""
        self.begin(step, trace, at=began).end(int(ended * _NANO))

    @contextmanager
    def spanning(self, step: SpanStep, trace: str) -> Iterator[Span]:
        """Make a span that lasts, and is the current one, while the context is open."""
        span = self.begin(step, trace)
        try:
            with current(span):
                yield span
        except Exception as error:
            failed(span, type(error).__name__)
            raise
        finally:
            span.end()


# For a process that tells nobody.
UNTRACED = Tracer(None, {})


def onward(span: Span | None, trace: str) -> str:
    """
    Return the ``traceparent`` for what comes next, or the empty text: nothing is recorded.

    Args:
        span: The span of this step, if it has one.
        trace: What came to this step.
    """
    if span is None or not span.is_recording():  # OTEL_SDK_DISABLED makes such.
        return sampled(trace)
    own = span.get_span_context()
    return f"00-{own.trace_id:032x}-{own.span_id:016x}-{own.trace_flags:02x}"


def failed(span: Span, kind: str) -> None:
    """Say in a span that its step failed, by the kind of error alone: words may quote an event."""
    span.set_attribute(ERROR_TYPE, kind)
    span.set_status(Status(StatusCode.ERROR))


def _parent(trace: str) -> Context:
    """Make what OpenTelemetry's SDK calls a context; whatever span is current is not in it."""
    if not trace:
        return Context()
    _, trace_id, span_id, flags = trace.split("-")
    came = SpanContext(
        int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16))
    )
    return set_span_in_context(NonRecordingSpan(came), Context())
