"""Spans of what is watched, and of nothing else."""

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import StatusCode

from libs.common.telemetry.tracing.current import current, trace_ids
from libs.common.telemetry.tracing.names import publishing
from libs.common.telemetry.tracing.queue import SpanQueue
from libs.common.telemetry.tracing.tracer import UNTRACED, Tracer, onward
from tests.unit.dispatcher.examples import OTHER_TRACE, TRACE

STEP = publishing("1")


class Station:
    """A tracer, and the spans that it made."""

    def __init__(self, ratio: float = 0.0) -> None:
        self._queue = SpanQueue()
        self.tracer = Tracer(self._queue, {"service.name": "fanfare"}, ratio=ratio)

    def span(self) -> ReadableSpan:
        """Return the only span that ended."""
        (span,) = self._queue.take(10)
        return span


class TestWants:
    """What is decided before anything is made."""

    @pytest.mark.parametrize("ratio", [0.0, 1.0])
    def test_told(self, ratio: float) -> None:
        """
        Where a trace came along, its flag decides alone.
        """
        tracer = Station(ratio).tracer

        assert tracer.wants(TRACE)
        assert not tracer.wants(OTHER_TRACE)
        assert not tracer.wants("trace")

    def test_begun(self) -> None:
        """
        Without one the ratio decides, where a trace may begin.
        """
        assert Station(ratio=1.0).tracer.wants("")
        assert not Station(ratio=1.0).tracer.wants("", may_begin=False)
        assert not Station(ratio=0.0).tracer.wants("")

    def test_share(self) -> None:
        """
        About the share that was asked for.
        """
        tracer = Station(ratio=0.5).tracer

        assert 300 < sum(tracer.wants("") for _ in range(1000)) < 700

    def test_nobody_listens(self) -> None:
        """
        A process that sends no spans makes none, and what is sampled goes on past it.
        """
        assert not UNTRACED.wants(TRACE)
        assert not Tracer(None, {}, ratio=1.0).wants("")
        assert onward(None, TRACE) == TRACE
        assert onward(None, OTHER_TRACE) == ""

    @pytest.mark.parametrize("trace", [TRACE, ""])
    def test_switched_off(self, monkeypatch: pytest.MonkeyPatch, trace: str) -> None:
        """
        OpenTelemetry, "General SDK Configuration": operators may switch its SDK off; what came goes on.
        """
        monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
        station = Station(ratio=1.0)
        with station.tracer.spanning(STEP, trace) as span:
            told = onward(span, trace)

        assert told == trace
        assert station.tracer.wants(trace)


class TestSpans:
    """Where spans belong."""

    def test_child(self) -> None:
        """
        A span is in the trace that came, and what comes next is told of the span.
        """
        station = Station()
        with station.tracer.spanning(STEP, TRACE) as span:
            told = onward(span, TRACE)

        made = station.span()
        assert made.parent is not None
        assert made.parent.is_remote
        assert f"00-{made.parent.trace_id:032x}-{made.parent.span_id:016x}-01" == TRACE
        assert told == f"{TRACE[:36]}{made.context.span_id:016x}-01"
        assert made.status.status_code is StatusCode.UNSET

    def test_root(self) -> None:
        """
        Where none came a trace begins, which is sampled.
        """
        station = Station()
        with station.tracer.spanning(STEP, "") as span:
            told = onward(span, "")

        assert station.span().parent is None
        assert station.tracer.wants(told)

    def test_not_of_the_current_one(self) -> None:
        """
        Only what came with the event says where a span belongs.
        """
        station = Station()
        with station.tracer.spanning(STEP, ""):
            station.tracer.begin(STEP, TRACE).end()

            assert station.span().context.trace_id == int(TRACE[3:35], 16)

    def test_over_already(self) -> None:
        station = Station()
        station.tracer.record(STEP, TRACE, began=1.5, ended=2.25)

        span = station.span()
        assert (span.start_time, span.end_time) == (1_500_000_000, 2_250_000_000)

    def test_failed(self) -> None:
        """
        The kind of an error is told, and not its words, which may quote an event.
        """
        station = Station()
        with pytest.raises(ValueError, match="hush"), station.tracer.spanning(STEP, TRACE):
            raise ValueError("hush")

        span = station.span()
        assert span.status.status_code is StatusCode.ERROR
        assert (span.attributes or {})["error.type"] == "ValueError"
        assert "hush" not in span.to_json()


class TestCurrent:
    """Lines of the log meanwhile."""

    def test_lines(self) -> None:
        """
        They have the ids of the trace and of the span, as the receiver shows them.
        """
        station = Station()
        with station.tracer.spanning(STEP, TRACE):
            line = trace_ids(None, "info", {"event": "x"})

        span_id = f"{station.span().context.span_id:016x}"
        assert line == {"event": "x", "trace_id": TRACE[3:35], "span_id": span_id}

    def test_later(self) -> None:
        """
        A task that was begun meanwhile, and goes on, is no part of what was traced.
        """
        span = Station().tracer.begin(STEP, TRACE)
        with current(span):
            span.end()

            assert trace_ids(None, "info", {"event": "x"}) == {"event": "x"}

    def test_other_lines(self) -> None:
        """
        Outside of spans they have none.
        """
        with current(None):
            assert trace_ids(None, "info", {"event": "x"}) == {"event": "x"}
