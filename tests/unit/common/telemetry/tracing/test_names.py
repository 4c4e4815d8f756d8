"""Names of spans: few, whatever is sent."""

from opentelemetry.trace import SpanKind

from libs.common.telemetry.tracing.names import (
    LONGEST,
    channels_of,
    fanning_out,
    processing,
    publishing,
    storing,
)


def test_processing() -> None:
    """
    OpenTelemetry, "Semantic conventions for Kafka".
    """
    step = processing("orders", 3, 42, group="fanfare", event_id="7")

    assert (step.name, step.kind) == ("process orders", SpanKind.CONSUMER)
    assert step.attributes == {
        "messaging.system": "kafka",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "orders",
        "messaging.destination.partition.id": "3",
        "messaging.consumer.group.name": "fanfare",
        "messaging.kafka.offset": 42,
        "messaging.message.id": "7",
    }


def test_long_id() -> None:
    """
    An event's id may be anything.
    """
    step = processing("orders", 3, 42, group="fanfare", event_id="7" * 1000)

    assert step.attributes["messaging.message.id"] == "7" * LONGEST


def test_names_without_ids() -> None:
    """
    Neither app nor channel is in a name: receivers sum spans by it.
    """
    steps = [publishing("1"), fanning_out("1", "room", recipients=2), storing("1", "orders")]

    assert [step.name for step in steps] == ["publish", "fan-out", "send orders"]
    assert [step.kind for step in steps] == [
        SpanKind.PRODUCER,
        SpanKind.CONSUMER,
        SpanKind.PRODUCER,
    ]
    assert steps[1].attributes["fanfare.recipients"] == 2


def test_channels() -> None:
    """
    One is named, many are counted.
    """
    assert channels_of(["a"]) == {"messaging.destination.name": "a"}
    assert channels_of(["a", "b"]) == {"messaging.batch.message_count": 2}
