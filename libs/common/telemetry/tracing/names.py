"""
Spans of ours: their names and attributes, all of them.

Pure.  They follow OpenTelemetry's "Semantic conventions for messaging", which are under development
still: the names are written here, so that they change when we want it.  Names are few; what there
are many of is an attribute.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from opentelemetry.trace import SpanKind

SCOPE = "fanfare"  # The instrumentation scope of all spans.
ERROR_TYPE = "error.type"

_SYSTEM = "messaging.system"
_OPERATION = "messaging.operation.name"
_OPERATION_TYPE = "messaging.operation.type"
_DESTINATION = "messaging.destination.name"
_PARTITION = "messaging.destination.partition.id"
_GROUP = "messaging.consumer.group.name"
_OFFSET = "messaging.kafka.offset"
_MESSAGE = "messaging.message.id"
_COUNT = "messaging.batch.message_count"
_APP = "fanfare.app"
_RECIPIENTS = "fanfare.recipients"

LONGEST = 200  # Characters of an attribute: an event's id may be anything.


@dataclass(frozen=True, slots=True)
class SpanStep:
    """
    A step on an event's way, of which a span tells.

    Attributes:
        name: The span's name.
        kind: Whether it sends or receives.
        attributes: By name, as the conventions have them.
    """

    name: str
    kind: SpanKind
    attributes: dict[str, str | int]


def processing(topic: str, partition: int, offset: int, *, group: str, event_id: str) -> SpanStep:
    """Describe what the dispatcher does with one record: a span of its own, in its trace."""
    attributes: dict[str, str | int] = {
        _SYSTEM: "kafka",
        _OPERATION: "process",
        _OPERATION_TYPE: "process",
        _DESTINATION: topic,
        _PARTITION: str(partition),
        _GROUP: group,
        _OFFSET: offset,
        _MESSAGE: event_id[:LONGEST],
    }
    return SpanStep(f"process {topic}", SpanKind.CONSUMER, attributes)


def publishing(app: str) -> SpanStep:
    """Describe a request of a back end that publishes."""
    attributes: dict[str, str | int] = {
        _SYSTEM: "fanfare",
        _OPERATION: "publish",
        _OPERATION_TYPE: "send",
        _APP: app,
    }
    return SpanStep("publish", SpanKind.PRODUCER, attributes)


def channels_of(channels: Sequence[str]) -> dict[str, str | int]:
    """Say where such a request publishes to: the channel, or how many there are."""
    return {_DESTINATION: channels[0]} if len(channels) == 1 else {_COUNT: len(channels)}


def storing(app: str, topic: str) -> SpanStep:
    """Describe a request of a back end whose events are appended to the event log."""
    attributes: dict[str, str | int] = {
        _SYSTEM: "kafka",
        _OPERATION: "send",
        _OPERATION_TYPE: "send",
        _DESTINATION: topic,
        _APP: app,
    }
    return SpanStep(f"send {topic}", SpanKind.PRODUCER, attributes)


def fanning_out(app: str, channel: str, *, recipients: int) -> SpanStep:
    """Describe what one gateway does with a broadcast: one span, however many get it."""
    attributes: dict[str, str | int] = {
        _SYSTEM: "fanfare",
        _OPERATION: "fan-out",
        _OPERATION_TYPE: "process",
        _DESTINATION: channel,
        _APP: app,
        _RECIPIENTS: recipients,
    }
    return SpanStep("fan-out", SpanKind.CONSUMER, attributes)
