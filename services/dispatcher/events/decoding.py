"""
From a record of the log to a domain event: CloudEvents, Debezium's changes, plain JSON objects.

Pure.  Headers decide first whether a record is a CloudEvent; otherwise the shape of the value
decides.
"""

from collections.abc import Mapping
from typing import Any

from libs.common.eventlog.records import Record
from services.dispatcher.events import cloudevents, debezium
from services.dispatcher.events.event import (
    DomainEvent,
    Undecodable,
    coordinates,
    key_of,
    parse,
    trace_of,
)


def decode(record: Record) -> DomainEvent | None:
    """
    Read a record.

    Returns:
        The event, or None where there is nothing to tell: a tombstone, a row read by a database
        snapshot, a truncated table, a message that somebody wrote into a database's log.

    Raises:
        Undecodable: It is no event that we know.
    """
    headers = {name.lower(): value for name, value in record.headers}
    is_structured = cloudevents.is_structured(headers)
    if record.value is None:
        # An event may have no data; a record that holds no event either is a tombstone.
        has_event = cloudevents.is_whole(headers) and not is_structured
        return cloudevents.decode_binary(record, None, headers=headers) if has_event else None
    if is_structured:
        cloudevents.check_structured(headers)
        return cloudevents.decode_structured(record, record.value, headers=headers)
    if cloudevents.is_binary(headers):
        return cloudevents.decode_binary(record, record.value, headers=headers)
    return _decode_json(record, record.value, headers)


def _decode_json(record: Record, value: bytes, headers: Mapping[str, bytes]) -> DomainEvent | None:
    document = parse(value)
    if debezium.is_tombstone(document):
        return None
    if not isinstance(document, dict):
        raise Undecodable("the value is not a JSON object")
    if cloudevents.is_envelope(document):  # As Debezium's own converter sends them.
        return cloudevents.decode_structured(record, value, headers=headers)
    trace = trace_of(headers)
    if envelope := debezium.envelope_of(document):
        return debezium.decode_change(record, envelope, trace=trace)
    if row := debezium.unwrapped(document, headers):
        return debezium.decode_row(record, row, headers, trace=trace)
    return DomainEvent(
        type=_type(document) or record.topic,
        id=coordinates(record),
        source=record.topic,
        subject="",
        time=record.timestamp,
        data=document,
        key=key_of(record),
        trace=trace,
    )


def _type(document: dict[str, Any]) -> str:
    """Return what a plain object calls itself: `type` or `event`, whichever is a text."""
    for name in ("type", "event"):
        text = document.get(name)
        if isinstance(text, str) and text:
            return text
    return ""
