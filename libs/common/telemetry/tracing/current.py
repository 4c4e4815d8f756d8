"""The current span, whose ids are on every line that is logged meanwhile."""

from contextlib import AbstractContextManager, nullcontext

from opentelemetry.trace import (
    Span,
    format_span_id,
    format_trace_id,
    get_current_span,
    use_span,
)
from structlog.typing import EventDict, WrappedLogger

_NOTHING = nullcontext()  # Most events are not watched: no object is made for them.


def current(span: Span | None) -> AbstractContextManager[object]:
    """Make a span the current one while the context is open; None: nothing changes."""
    if span is None:
        return _NOTHING
    return use_span(span, record_exception=False, set_status_on_exception=False)


def trace_ids(_: WrappedLogger, __: str, line: EventDict, /) -> EventDict:
    """Add ``trace_id`` and ``span_id`` to a line of the log, if a span is current."""
    span = get_current_span()
    # Tasks that a traced request has begun outlive it, and keep its span as the current one.
    if span.is_recording():
        own = span.get_span_context()
        line["trace_id"] = format_trace_id(own.trace_id)
        line["span_id"] = format_span_id(own.span_id)
    return line
