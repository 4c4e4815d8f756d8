"""
Debezium change events: a row was created, updated or deleted.

Pure.  The envelope comes bare or inside ``{"schema", "payload"}``, as the connector's converter is
set, or the row alone where the transformation ExtractNewRecordState has unwrapped it, or the rows
as data of a CloudEvent.  What is no change to tell (snapshots, truncates, messages, tombstones) is
no event.  Source: Debezium, "Data change events" of the PostgreSQL, MySQL and MongoDB connectors,
"New Record State Extraction" and "Exporting CloudEvents".
"""

import re
from collections.abc import Mapping
from typing import Any

from libs.common.eventlog.records import Record
from services.dispatcher.events.event import (
    DomainEvent,
    Undecodable,
    coordinates,
    key_of,
    parse,
    payload_of,
)

# A row that a snapshot read; a truncated table; a message in PostgreSQL's log.
SILENT = frozenset({"r", "t", "m"})

_VERBS = {"c": "created", "u": "updated", "d": "deleted"}
_LATEST = 2**53  # Milliseconds.
_MARKS = frozenset({"__op", "__deleted"})  # Of ExtractNewRecordState.
_ADDED = "__"  # Begins the name of whatever that adds, unless ``add.fields.prefix`` is another.
_SIDES = frozenset({"before", "after"})
_CONVERTED = re.compile(r"io\.debezium\.connector\.\w+\.DataChangeEvent")
_MILLISECONDS = re.compile(r"[0-9]{1,16}")


def envelope_of(value: dict[str, Any]) -> dict[str, Any] | None:
    """Return the change envelope in a JSON object, or None if there is none."""
    inner = payload_of(value)
    if not isinstance(inner, dict) or not isinstance(inner.get("op"), str):
        return None
    source = inner.get("source")
    if not isinstance(source, dict):
        return None
    # A truncate has neither side; its source still names the connector.
    return inner if inner.keys() & _SIDES or "connector" in source else None


def is_tombstone(document: Any) -> bool:
    """Tell whether a JSON document is nothing, or the converter's wrapping around nothing."""
    return payload_of(document) is None


def is_change(type_: str) -> bool:
    """Tell whether a CloudEvent's type is what Debezium's converter calls a change."""
    return _CONVERTED.fullmatch(type_) is not None


def converted(data: Any) -> Any:
    """
    Read the data of a CloudEvent that Debezium's converter has made of a change.

    Returns:
        The rows before and after the change, with documents of MongoDB's as objects; what has not
        both sides is left as it is.

    Raises:
        Undecodable: A row is no JSON object.
    """
    sides = payload_of(data)
    if not isinstance(sides, dict) or not sides.keys() >= _SIDES:
        return data
    return sides | {side: _row(sides, side) for side in _SIDES}


def decode_change(record: Record, envelope: dict[str, Any], *, trace: str) -> DomainEvent | None:
    """
    Read a change envelope.

    Returns:
        The event, whose data is the row after the change, or before it where it was deleted; where
        only the record's key tells of the row, there is no data, and `DomainEvent.gap` says so.
        None where there is nothing to tell.

    Raises:
        Undecodable: The operation is unknown, or there is no table, or neither a row nor a key.
    """
    operation = envelope["op"]
    if operation in SILENT:
        return None
    if operation not in _VERBS:
        raise Undecodable("a change event whose operation `op` is unknown")
    source = envelope["source"]
    side = "before" if operation == "d" else "after"
    row, key = _row(envelope, side), key_of(record)
    gap = "" if row is not None else f"the change event has no row `{side}`, only a key"
    if row is None and not isinstance(key, dict):
        # PostgreSQL leaves `before` out unless the table's REPLICA IDENTITY is FULL.
        raise Undecodable(f"a change event without the row `{side}`")
    return DomainEvent(
        type=f"{_table(source)}.{_VERBS[operation]}",
        id=coordinates(record),
        source=_text(source, "name") or record.topic,
        subject="",
        time=_time(source.get("ts_ms"), otherwise=record.timestamp),
        data=row,
        key=key,
        trace=trace,
        changed=True,
        gap=gap,
    )


def unwrapped(document: dict[str, Any], headers: Mapping[str, bytes]) -> dict[str, Any] | None:
    """
    Return the row that a JSON object is, where it came out of its envelope; None: it is no row.

    It shows by what ExtractNewRecordState adds to the row or to the headers, or by the schema of
    Kafka Connect.
    """
    row = payload_of(document)
    if not isinstance(row, dict):
        return None
    is_of_connect = row is not document and _is_struct(document["schema"])
    return row if is_of_connect or _MARKS & (row.keys() | headers.keys()) else None


def decode_row(
    record: Record, row: dict[str, Any], headers: Mapping[str, bytes], *, trace: str
) -> DomainEvent | None:
    """
    Read a row that came out of its envelope.

    Returns:
        The event.  Its type tells what happened to the row where that is known, else it is the
        topic.  None where there is nothing to tell.

    Raises:
        Undecodable: There is neither a row nor a key in JSON.
    """
    marks = {name: value.decode(errors="replace") for name, value in headers.items()} | row
    operation = "d" if str(marks.get("__deleted")).lower() == "true" else _text(marks, "__op")
    if operation in SILENT:
        return None
    table = _text(marks, "__table") or _text(marks, "__collection") or _last_part(record.topic)
    verb = _VERBS.get(operation)
    key = key_of(record)
    is_empty = all(name.startswith(_ADDED) for name in row)
    if is_empty and not isinstance(key, dict):
        raise Undecodable("a change event without the row")
    return DomainEvent(
        type=f"{table}.{verb}" if verb else record.topic,
        id=coordinates(record),
        source=_text(marks, "__name") or record.topic,
        subject="",
        time=_time(marks.get("__source_ts_ms"), otherwise=record.timestamp),
        data=row,
        key=key,
        trace=trace,
        changed=True,
        gap="the change event has no row, only a key" if is_empty else "",
    )


def _is_struct(schema: Any) -> bool:
    return isinstance(schema, dict) and schema.get("type") == "struct"


def _last_part(topic: str) -> str:
    """Return the name of the table in the name of its topic, ``server.schema.table``."""
    return topic.rpartition(".")[2]


def _table(source: dict[str, Any]) -> str:
    table = _text(source, "table") or _text(source, "collection")
    if not table:
        raise Undecodable("a change event without the name of its table")
    return table


def _row(envelope: dict[str, Any], side: str) -> dict[str, Any] | None:
    row = envelope.get(side)
    if isinstance(row, str):  # MongoDB's connector puts documents as JSON text.
        row = parse(row.encode(errors="surrogatepass"), side)
    if row is not None and not isinstance(row, dict):
        raise Undecodable(f"the row `{side}` of a change event is no object")
    return row


def _time(milliseconds: Any, *, otherwise: float) -> float:
    if isinstance(milliseconds, str) and _MILLISECONDS.fullmatch(milliseconds):
        milliseconds = int(milliseconds)  # A header's.
    if isinstance(milliseconds, int) and 0 < milliseconds < _LATEST:
        return milliseconds / 1000
    return otherwise


def _text(source: Mapping[str, Any], name: str) -> str:
    text = source.get(name)
    return text if isinstance(text, str) else ""
