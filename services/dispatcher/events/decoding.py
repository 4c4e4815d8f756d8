"""
From a record of the log to a domain event: CloudEvents, Debezium's changes, plain JSON objects.

Pure.  Headers decide whether a record is a CloudEvent; otherwise the shape of the value decides.
"""

from typing import Any

from libs.common.eventlog.records import Record
from services.dispatcher.events import cloudevents, debezium
from services.dispatcher.events.event import (
    DomainEvent,
    Undecodable,
    coordinates,
    key_text,
    parse,
    valid_trace,
)


def decode(record: Record) -> DomainEvent | None:
    """
    Read a record.

    Returns:
        The event, or None where there is nothing to tell: a tombstone, a row read by a database
        snapshot, a truncated table.

    Raises:
        Undecodable: It is no event that we know.
    """
    if record.value is None:
        return None
    headers = {name.lower(): value for name, value in record.headers}
    if cloudevents.is_structured(headers):
        return cloudevents.decode_structured(record, record.value, headers=headers)
    if cloudevents.is_binary(headers):
        return cloudevents.decode_binary(record, record.value, headers=headers)
    trace = valid_trace(headers.get("traceparent", b"").decode(errors="replace"))
    return _decode_json(record, record.value, trace=trace)


def _decode_json(record: Record, value: bytes, *, trace: str) -> DomainEvent | None:
    document = parse(value)
    if not isinstance(document, dict):
        raise Undecodable("the value is not a JSON object")
    if envelope := debezium.envelope_of(document):
        return debezium.decode_change(record, envelope, trace=trace)
    if debezium.is_tombstone(document):
        return None
    return DomainEvent(
        type=_type(document) or record.topic,
        id=coordinates(record),
        source=record.topic,
        subject="",
        time=record.timestamp,
        data=document,
        key=key_text(record),
        trace=trace,
    )


def _type(document: dict[str, Any]) -> str:
    """Return what a plain object calls itself: `type` or `event`, whichever is a text."""
    for name in ("type", "event"):
        text = document.get(name)
        if isinstance(text, str) and text:
            return text
    return ""
