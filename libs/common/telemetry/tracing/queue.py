"""
Spans that ended and wait to be sent: as many as there is room for, and never who made them.

What does not fit is dropped and counted, and said once until there is room again.
"""

from collections import deque
from collections.abc import Iterator, Sequence

import structlog
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor

from libs.common.telemetry.metrics.families import Metric, counter

log = structlog.get_logger()

MOST = 4096  # Spans that wait.

SPANS = counter(
    "fanfare_spans_total",
    "Spans by what became of them: `sent`, `lost`, as the receiver of OTLP was away, or `dropped`, "
    f"as {MOST} waited already.",
    "result",
)


class SpanQueue(SpanProcessor):
    """
    Takes spans as they end.

    Args:
        most: How many may wait.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._waiting: deque[ReadableSpan] = deque()
        self._results = {"sent": 0, "lost": 0, "dropped": 0}
        self._is_told = False

    def on_end(self, span: ReadableSpan) -> None:
        """Take a span, or drop it."""
        if len(self._waiting) < self._most:
            self._waiting.append(span)
            return
        self._results["dropped"] += 1
        if not self._is_told:
            self._is_told = True
            log.warning("spans.dropped", most=self._most)

    def take(self, most: int) -> list[ReadableSpan]:
        """Return those that have waited longest, and forget them."""
        taken = [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]
        if not self._waiting:
            self._is_told = False
        return taken

    def put_back(self, spans: Sequence[ReadableSpan]) -> None:
        """Have spans wait again that were taken last, as nobody knows what became of them."""
        self._waiting.extendleft(reversed(spans))

    def note(self, spans: int, *, is_sent: bool) -> None:
        """Count what became of spans that were taken."""
        self._results["sent" if is_sent else "lost"] += spans

    def metrics(self) -> Iterator[Metric]:
        """See `Measured.metrics`."""
        yield SPANS.by(self._results)
