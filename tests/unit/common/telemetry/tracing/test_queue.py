"""Spans that wait: as many as there is room for."""

from collections.abc import Mapping

from structlog.testing import capture_logs

from libs.common.telemetry.tracing.names import publishing
from libs.common.telemetry.tracing.queue import SPANS, SpanQueue
from libs.common.telemetry.tracing.tracer import Tracer


def counted(queue: SpanQueue) -> Mapping[str, object]:
    (metric,) = queue.metrics()
    assert metric.family is SPANS
    return {labels[0]: value for labels, value in metric.values.items()}


def end(queue: SpanQueue, count: int) -> None:
    tracer = Tracer(queue, {})
    for _ in range(count):
        tracer.begin(publishing("1"), "").end()


def test_in_order() -> None:
    """
    The oldest go first, and each once.
    """
    queue = SpanQueue()
    end(queue, 3)

    first, second, third = queue.take(2), queue.take(2), queue.take(2)

    times = [span.end_time for span in first + second]
    assert (len(first), len(second), third) == (2, 1, [])
    assert times == sorted(times, key=lambda at: at or 0)


def test_full() -> None:
    """
    What does not fit is dropped and counted, and said once until there was room again.
    """
    queue = SpanQueue(most=2)
    with capture_logs() as lines:
        end(queue, 5)
        queue.take(1)
        end(queue, 3)
        queue.take(2)
        end(queue, 3)

    assert [line["event"] for line in lines] == ["spans.dropped"] * 2
    assert counted(queue) == {"sent": 0, "lost": 0, "dropped": 6}
    assert len(queue.take(10)) == 2


def test_results() -> None:
    """
    Who took spans tells what became of them.
    """
    queue = SpanQueue()
    queue.note(3, is_sent=True)
    queue.note(2, is_sent=False)

    assert counted(queue) == {"sent": 3, "lost": 2, "dropped": 0}


def test_put_back() -> None:
    """
    Spans whose sending was cut off are the next ones again, in their order.
    """
    queue = SpanQueue()
    end(queue, 3)
    first, second = queue.take(2)
    queue.put_back([first, second])

    assert queue.take(2) == [first, second]
    assert len(queue.take(2)) == 1
