"""
CloudEvents 1.0: JSON format, Kafka and HTTP bindings.

Pure.  An event of either binding is *structured* (one JSON document holds attributes and data) or
*binary* (attributes are headers, the body is the data).  What `records_of` makes of an HTTP
request, `decode` reads back as the same event.  Sources: CloudEvents 1.0.2, "JSON event format",
"Kafka protocol binding" and "HTTP protocol binding".
"""

import base64
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote

import msgspec
from msgspec import UNSET

from libs.common.apps.limits import exceeds
from libs.common.errors import Invalid
from libs.common.eventlog.records import NewRecord, Record
from libs.common.json_text import JsonReader, NestedTooDeeply
from libs.common.telemetry.tracing.context import valid_trace
from services.dispatcher.events import debezium
from services.dispatcher.events.attributes import (
    HEADERS,
    Attributes,
    Envelope,
    attributes_of,
    opened,
)
from services.dispatcher.events.event import (
    DomainEvent,
    TooDeep,
    Undecodable,
    broken,
    key_of,
    parse,
    trace_of,
)

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
_JSON_FORMAT = frozenset({STRUCTURED, "application/cloudevents"})

_KAFKA_PREFIX = "ce_"
_HTTP_PREFIX = "ce-"
_ATTRIBUTE = re.compile(r"[a-z0-9]+")  # CloudEvents, "Naming conventions".
_QUOTED_PAIR = re.compile(r"\\(.)")
_NEEDED = frozenset({"specversion", "id", "source", "type"})
_REQUIRED = frozenset(_KAFKA_PREFIX + name for name in _NEEDED)

_ATTRIBUTE_HEADERS = {_KAFKA_PREFIX + name: name for name in HEADERS}
_batch = JsonReader(list[msgspec.Raw], around=2)


class TooManyEvents(Invalid):
    """A batch has more events than the app may post at once."""

    def __init__(self, most: int) -> None:
        super().__init__(f"Batch too large (> {most}, limits.events_batch)")


def is_structured(headers: Mapping[str, bytes]) -> bool:
    """Tell whether a record's headers announce an event in one document."""
    return headers.get("content-type", b"").lower().startswith(b"application/cloudevents")


def is_envelope(document: Mapping[str, Any]) -> bool:
    """Tell whether a JSON object is an event in the JSON format, though nothing announced one."""
    return all(isinstance(document.get(name), str) for name in _NEEDED)


def is_binary(headers: Mapping[str, bytes]) -> bool:
    """Tell whether a record's headers hold an event's attributes."""
    return not _REQUIRED.isdisjoint(headers)


def is_whole(headers: Mapping[str, bytes]) -> bool:
    """Tell whether a record's headers hold all the attributes that an event must have."""
    return headers.keys() >= _REQUIRED


def check_structured(headers: Mapping[str, bytes]) -> None:
    """
    Check that the event that a record's headers announce is in the JSON format.

    Raises:
        Undecodable: It is in another one.
    """
    media_type = _media_type(_header(headers, "content-type"))
    if media_type not in _JSON_FORMAT:
        raise Undecodable(f"of the content types of CloudEvents only {STRUCTURED} is supported")


def decode_structured(
    record: Record, value: bytes | msgspec.Raw, *, headers: Mapping[str, bytes]
) -> DomainEvent | None:
    """
    Read an event in the JSON format.

    Returns:
        The event; None where a snapshot of Debezium's tells of a row.

    Raises:
        Undecodable: The record holds no CloudEvent.
    """
    envelope, moment = opened(value)
    data = _data(envelope)
    return _event(envelope, data, moment=moment, record=record, headers=headers)


def decode_binary(
    record: Record, value: bytes | None, *, headers: Mapping[str, bytes]
) -> DomainEvent | None:
    """
    Read an event whose attributes are headers; no value means no data (Kafka binding, 3.2.2).

    Returns:
        See `decode_structured`.

    Raises:
        Undecodable: A header or the data cannot be read.
    """
    attributes, moment = attributes_of(_texts(headers))
    data = None if value is None else _content(_header(headers, "content-type"), value)
    return _event(attributes, data, moment=moment, record=record, headers=headers)


def _event(
    attributes: Attributes,
    data: Any,
    *,
    moment: float | None,
    record: Record,
    headers: Mapping[str, bytes],
) -> DomainEvent | None:
    operation = attributes.iodebeziumop
    if operation in debezium.SILENT:
        return None
    is_change = operation is not None or debezium.is_change(attributes.type)
    # Kafka's own header speaks of the last hop, the extension of the event's origin.
    trace = trace_of(headers) or valid_trace(attributes.traceparent or "")
    return DomainEvent(
        type=attributes.type,
        id=attributes.id,
        source=attributes.source,
        subject=attributes.subject or "",
        time=record.timestamp if moment is None else moment,
        data=debezium.converted(data) if is_change else data,
        key=key_of(record),
        socket_id=attributes.socketid or "",
        user_id=attributes.user,
        trace=trace,
        changed=is_change,
    )


def _data(envelope: Envelope) -> Any:
    content_type = envelope.datacontenttype or ""
    if envelope.data_base64 is not None:
        if envelope.data is not UNSET:
            raise Undecodable("both data and data_base64")
        return _content(content_type, envelope.data_base64)
    if envelope.data is UNSET:
        return None
    value = envelope.data
    # JSON event format, 3.1.1: a text stands for the content of what is no JSON.
    if isinstance(value, str) and not _is_json(media_type := _media_type(content_type)):
        return value if _is_text(media_type) else _base64(value.encode(errors="surrogatepass"))
    return value


def _texts(headers: Mapping[str, bytes]) -> dict[str, str]:
    """Return the attributes of a binary event by their names; an empty one counts as absent."""
    texts = {}
    for header, value in headers.items():
        name = _ATTRIBUTE_HEADERS.get(header)
        if name and value:
            texts[name] = _decoded(header, value)
    return texts


def _content(content_type: str, body: bytes) -> Any:
    """Turn data of a media type into a JSON value; what is neither JSON nor text becomes base64."""
    media_type = _media_type(content_type)
    if _is_json(media_type):
        return parse(body, "data") if body else None
    if not _is_text(media_type):
        return _base64(body)
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise Undecodable("data of a text type is not UTF-8") from error


def _base64(body: bytes) -> str:
    return base64.b64encode(body).decode()


def _is_json(media_type: str) -> bool:
    return not media_type or media_type.endswith(("/json", "+json"))


def _is_text(media_type: str) -> bool:
    return media_type.startswith("text/") or media_type.endswith(("/xml", "+xml"))


def _header(headers: Mapping[str, bytes], name: str) -> str:
    return _decoded(name, headers.get(name, b""))


def _decoded(header: str, value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise Undecodable(f"header {header} is not UTF-8") from error


def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def records_of(
    topic: str, *, content_type: str, headers: Mapping[str, str], body: bytes, most: int = 0
) -> Iterable[NewRecord]:
    """
    Turn an HTTP request into the records that hold its events, one by one as they are taken.

    The caller takes all before it stores any.

    Args:
        topic: Where the records shall go.
        content_type: As received, parameters included; empty where there was none.
        headers: Header name in lower case to value.
        body: As received.
        most: Events that a batch may have; 0 or less: any number.

    Raises:
        TooManyEvents: A batch has more.
        Undecodable: There is no event, or the one that is taken breaks a rule.
    """
    media_type = _media_type(content_type)
    trace = _trace_header(headers)
    if media_type == BATCH:
        events = _split(body)
        if exceeds(len(events), most):
            raise TooManyEvents(most)
        return (_structured_record(topic, event, trace) for event in events)
    if media_type in _JSON_FORMAT:
        return (_structured_record(topic, body, trace),)
    if media_type.startswith("application/cloudevents"):
        raise Undecodable(f"{media_type[:64]!r} is not supported, only {STRUCTURED} and {BATCH}")
    if "ce-specversion" not in headers:
        wanted = BATCH if body.lstrip().startswith(b"[") else STRUCTURED
        raise Undecodable(
            "neither a CloudEvents content type nor a ce-specversion header"
            f"; send Content-Type: {wanted}"
        )
    return (_binary_record(topic, content_type, headers=headers, body=body, trace=trace),)


_Headers = tuple[tuple[str, bytes], ...]


def _split(body: bytes) -> list[msgspec.Raw]:
    try:
        return _batch.read(body)
    except NestedTooDeeply as error:
        raise TooDeep("the batch") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Undecodable(f"not a batch of CloudEvents: {broken(error)}") from error


def _structured_record(topic: str, document: bytes | msgspec.Raw, trace: _Headers) -> NewRecord:
    envelope, _ = opened(document)
    _data(envelope)
    headers = (("content-type", STRUCTURED.encode()), *trace)
    return NewRecord(topic, bytes(document), envelope.key, headers)


def _binary_record(
    topic: str, content_type: str, *, headers: Mapping[str, str], body: bytes, trace: _Headers
) -> NewRecord:
    texts = dict(_attribute_headers(headers))
    known = {name: texts[name] for name in HEADERS & texts.keys()}
    attributes, _ = attributes_of(known)
    _content(content_type, body)
    kept = tuple((_KAFKA_PREFIX + name, text.encode()) for name, text in texts.items())
    if content_type:
        kept += (("content-type", _encoded("content-type", content_type)),)
    return NewRecord(topic, body, attributes.key, kept + trace)


def _attribute_headers(headers: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the attributes of a binary event, decoded; an empty one counts as absent."""
    found = []
    for header, value in headers.items():
        if not header.startswith(_HTTP_PREFIX):
            continue
        name = header.removeprefix(_HTTP_PREFIX)
        if not _ATTRIBUTE.fullmatch(name):
            raise Undecodable(f"header {header[:64]!r} names no attribute: a-z and 0-9 are allowed")
        if text := _unescape(header, value):
            found.append((name, text))
    return found


def _unescape(header: str, value: str) -> str:
    """Decode a header's value, quotes first, then percent signs (HTTP binding, "Header values")."""
    text = value.strip(" \t")
    if len(text) >= 2 and text[0] == text[-1] == '"':
        text = _QUOTED_PAIR.sub(r"\1", text[1:-1])
    _encoded(header, text)
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError as error:
        raise Undecodable(f"header {header[:64]!r} is not percent-encoded UTF-8") from error


def _encoded(header: str, value: str) -> bytes:
    """Encode a header's value, which HTTP libraries pad with surrogates where it is no UTF-8."""
    try:
        return value.encode()
    except UnicodeEncodeError as error:
        raise Undecodable(f"header {header[:64]!r} is not UTF-8") from error


def _trace_header(headers: Mapping[str, str]) -> _Headers:
    trace = valid_trace(headers.get("traceparent", ""))
    return (("traceparent", trace.encode()),) if trace else ()
