"""
Debezium change events: a row was created, updated or deleted.

Pure.  The envelope comes bare or inside ``{"schema", "payload"}``, as the connector's converter is
set.  What is no change to tell (snapshots, truncates, tombstones) is no event.  Source: Debezium,
"Data change events" of the PostgreSQL, MySQL and MongoDB connectors.
"""

from typing import Any

from libs.common.eventlog.records import Record
from services.dispatcher.events.event import DomainEvent, Undecodable, coordinates, key_text, parse

_VERBS = {"c": "created", "u": "updated", "d": "deleted"}
_WRAPPER = {"schema", "payload"}
_SILENT = {"r", "t"}  # A row that a snapshot read; a truncated table.


def envelope_of(value: dict[str, Any]) -> dict[str, Any] | None:
    """Return the change envelope in a JSON object, or None if there is none."""
    inner = value["payload"] if value.keys() == _WRAPPER else value
    if not isinstance(inner, dict) or not isinstance(inner.get("op"), str):
        return None
    source = inner.get("source")
    if not isinstance(source, dict):
        return None
    # A truncate has neither side; its source still names the connector.
    return inner if inner.keys() & {"before", "after"} or "connector" in source else None


def is_tombstone(value: dict[str, Any]) -> bool:
    """Tell whether a JSON object is the converter's wrapping around nothing."""
    return value.keys() == _WRAPPER and value["payload"] is None


def decode_change(record: Record, envelope: dict[str, Any], *, trace: str) -> DomainEvent | None:
    """
    Read a change envelope.

    Returns:
        The event, whose data is the row after the change, or before it where it was deleted; None
        where there is nothing to tell.

    Raises:
        Undecodable: The operation is unknown, or there is no row or no table.
    """
    operation = envelope["op"]
    if operation in _SILENT:
        return None
    if operation not in _VERBS:
        raise Undecodable(f"unknown operation {operation[:16]!r} of a change event")
    source = envelope["source"]
    return DomainEvent(
        type=f"{_table(source)}.{_VERBS[operation]}",
        id=coordinates(record),
        source=_text(source, "name") or record.topic,
        subject="",
        time=_time(source, otherwise=record.timestamp),
        data=_row(envelope, "before" if operation == "d" else "after"),
        key=key_text(record),
        trace=trace,
        changed=True,
    )


def _table(source: dict[str, Any]) -> str:
    table = _text(source, "table") or _text(source, "collection")
    if not table:
        raise Undecodable("a change event without the name of its table")
    return table


def _row(envelope: dict[str, Any], side: str) -> dict[str, Any]:
    row = envelope.get(side)
    if isinstance(row, str):  # MongoDB's connector puts documents as JSON text.
        row = parse(row.encode(), side)
    if not isinstance(row, dict):
        # PostgreSQL leaves `before` out unless the table's REPLICA IDENTITY is FULL.
        raise Undecodable(f"a change event without the row `{side}`")
    return row


def _time(source: dict[str, Any], *, otherwise: float) -> float:
    milliseconds = source.get("ts_ms")
    if isinstance(milliseconds, int) and 0 < milliseconds < 2**53:
        return milliseconds / 1000
    return otherwise


def _text(source: dict[str, Any], name: str) -> str:
    text = source.get(name)
    return text if isinstance(text, str) else ""
