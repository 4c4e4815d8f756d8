"""
Domain events as routes see them, and the guarded way to read JSON of any origin.

Pure.  `decoding` makes events from records; this module holds what all formats share.
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import msgspec

from libs.common.errors import Invalid
from libs.common.eventlog.records import Record
from libs.common.json_text import MAX_DEPTH, JsonReader, NestedTooDeeply, write
from libs.common.telemetry.tracing.context import valid_trace

_WRAPPER = {"schema", "payload"}
_any = JsonReader(object)


class DomainEvent(msgspec.Struct, frozen=True, gc=False):  # JSON holds nothing that holds it.
    """
    Something that happened upstream.

    Attributes:
        type: What kind of thing, such as ``order.created``.
        id: Unique with `source`; where the format has none, topic, partition and offset.
        source: Where it comes from: a URI, or a name.
        subject: What it is about; may be empty.
        time: When it happened, UTC epoch seconds; where the event does not say, the record's
            timestamp.
        data: The decoded JSON value.
        key: The record's key: an object where it is a JSON object, else a text, which may be empty.
        socket_id: The connection that caused it and must not hear of it; may be empty.
        user_id: The user who has sent it, and types no more where it goes; may be empty.
        trace: W3C ``traceparent``; may be empty.
        changed: Whether `data` is a row of somebody's database, of which a route must list what it
            sends.
        gap: Why there is no data where there should be; empty: there is, or there need not be.
    """

    type: str
    id: str
    source: str
    subject: str
    time: float
    data: Any
    key: dict[str, Any] | str = ""
    socket_id: str = ""
    user_id: str = ""
    trace: str = ""
    changed: bool = False
    gap: str = ""


class Undecodable(Invalid):
    """Bytes that should be an event are none; `reason` says why, and quotes nothing of them."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"undecodable event: {reason}")
        self.reason = reason


class TooDeep(Undecodable):
    """A JSON document is nested too deeply."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} is nested deeper than {MAX_DEPTH} levels")


def broken(error: msgspec.DecodeError | UnicodeDecodeError) -> str:
    """Say what is wrong with a document, and quote nothing of it."""
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8"
    return str(error)


def parse(text: bytes | msgspec.Raw, what: str = "the value") -> Any:
    """
    Read a JSON document.

    Args:
        text: The document.
        what: What the document is, for the error.

    Raises:
        Undecodable: It is no JSON (RFC 8259), no UTF-8, has a number out of range, or is nested
            deeper than `MAX_DEPTH`.
    """
    try:
        return _any.read(text)
    except NestedTooDeeply as error:
        raise TooDeep(what) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Undecodable(f"{what} is not JSON: {broken(error)}") from error


def trace_of(headers: Mapping[str, bytes]) -> str:
    """Return the ``traceparent`` of a record, by its headers in lower case, or the empty text."""
    found = headers.get("traceparent")
    return valid_trace(found.decode(errors="replace")) if found else ""


def coordinates(record: Record) -> str:
    """Name a record by its place in the log."""
    return f"{record.topic}/{record.partition}/{record.offset}"


def key_of(record: Record) -> dict[str, Any] | str:
    """
    Read a record's key.

    Returns:
        An object where the key is one in JSON, without the schema that Kafka Connect may put around
        it; else its text, in which bytes that are no UTF-8 are replaced.
    """
    key = record.key or b""
    if key.startswith(b"{"):
        with suppress(Undecodable):
            payload = payload_of(parse(key, "the key"))
            return payload if isinstance(payload, dict | str) else write(payload).decode()
    return key.decode(errors="replace")


def payload_of(document: Any) -> Any:
    """Return what Kafka Connect's JsonConverter has put beside its schema (``schemas.enable``)."""
    if isinstance(document, dict) and document.keys() == _WRAPPER:
        return document["payload"]
    return document
