"""
Records of Kafka as other tools print them: whole, with key and headers.

Pure.  Two forms are read.  ``json``: an object in each line, as ``kcat -J`` prints it, or as
`fanfare dead-letters list --json --values` does.  ``console``: what ``kafka-console-consumer``
prints with ``print.headers`` and ``print.key``, and further what else it was told to: timestamp,
partition, offset, headers, key and value in this order, tabs between them (Kafka,
"DefaultMessageFormatter").  What cannot be read is told with its line.
"""

import base64
import binascii
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from libs.common.eventlog.records import Record
from libs.common.json_text import JsonReader

Headers = tuple[tuple[str, bytes], ...]

_decode = JsonReader(dict[str, Any], around=1).read
_TIME = re.compile(rb"(?:(?:Create|LogAppend)Time:(\d+)|NO_TIMESTAMP)")
_PARTITION = re.compile(rb"Partition:(\d+)")
_DELIVERY = re.compile(rb"Delivery:(\d+|NONE)")  # Of a share group; it says nothing to us.
_OFFSET = re.compile(rb"Offset:(\d+)")
_HEADER = re.compile(rb"[^\s:,]+:")
_PRINT = (
    "expected headers, key and value, with tabs between them: print them with --property "
    "print.headers=true --property print.key=true"
)


@dataclass(frozen=True, slots=True)
class UnreadableRecord:
    """
    A record that cannot be read.

    Attributes:
        line: Where it stands, from 1.
        reason: Why.
    """

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class PrintedRecord:
    """
    A record, and where it was printed.

    Attributes:
        line: From 1.
        record: The record; where nothing says it, partition and offset are 0, and it is from now.
    """

    line: int
    record: Record


class _NoRecord(ValueError):
    """A line holds no record; the text says why."""


def printed(
    text: bytes, form: str, topic: str | None, *, now: float
) -> Iterator[PrintedRecord | UnreadableRecord]:
    """
    Read records, one of each line that is not empty.

    Args:
        text: What was printed.
        form: Of `FORMS`.
        topic: Where they stood; None: as they say.
        now: UTC epoch seconds.
    """
    read = FORMS[form]
    for number, line in enumerate(text.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            yield PrintedRecord(number, read(line.removesuffix(b"\r"), topic, now))
        except _NoRecord as error:
            yield UnreadableRecord(number, str(error))


def _of_console(line: bytes, topic: str | None, now: float) -> Record:
    fields = line.split(b"\t")
    time = _taken(fields, _TIME)
    partition, offset = _taken(fields, _PARTITION), _taken(fields, _OFFSET)
    _taken(fields, _DELIVERY)
    if len(fields) < 3:
        raise _NoRecord(f"{len(fields)} of 3 fields; {_PRINT}")
    if not topic:
        raise _NoRecord("nothing says of which topic it is: name it with --topic")
    headers, key, *value = fields
    return Record(
        topic,
        int(partition or 0),
        int(offset or 0),
        int(time) / 1000 if time else now,
        _unless_null(key),
        _unless_null(b"\t".join(value)),
        tuple(_console_headers(headers)),
    )


def _taken(fields: list[bytes], pattern: re.Pattern[bytes]) -> bytes | None:
    """Take the first field if it is what it may be; return what it says."""
    found = pattern.fullmatch(fields[0]) if fields else None
    if found is None:
        return None
    fields.pop(0)
    return found[1]


def _unless_null(text: bytes) -> bytes | None:
    return None if text == b"null" else text


def _console_headers(text: bytes) -> Iterator[tuple[str, bytes]]:
    """Read ``name:value,name:value``; a comma within a value is told from one between headers."""
    if text == b"NO_HEADERS":
        return
    if not _HEADER.match(text):
        raise _NoRecord(f"the headers are {_short(text)}; {_PRINT}")
    for part in re.split(rb",(?=[^\s:,]+:)", text):
        name, _, value = part.partition(b":")
        yield name.decode(errors="replace"), value


def _of_json(line: bytes, topic: str | None, now: float) -> Record:
    try:
        document = _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _NoRecord(f"it is no object in JSON: {error}") from error
    stood_in = topic or document.get("topic")
    if not isinstance(stood_in, str) or not stood_in:
        raise _NoRecord("it has no topic: name it with --topic")
    value = _content(document, "payload" if "payload" in document else "value")
    return Record(
        stood_in,
        _number(document, "partition", 0),
        _number(document, "offset", 0),
        _number(document, "ts", round(now * 1000)) / 1000,
        _content(document, "key", needed=False),
        value,
        tuple(_json_headers(document.get("headers"))),
    )


def _content(document: Mapping[str, Any], name: str, *, needed: bool = True) -> bytes | None:
    """Return a text or null as bytes; what is in base64 stands under another name."""
    encoded = document.get(f"{name}_base64")
    if isinstance(encoded, str):
        try:
            return base64.b64decode(encoded, validate=True)
        except binascii.Error as error:
            raise _NoRecord(f"{name}_base64 is no base64: {error}") from error
    if needed and name not in document:
        raise _NoRecord("it has neither payload nor value: print the whole record")
    text = document.get(name)
    if text is not None and not isinstance(text, str):
        raise _NoRecord(f"{name} is no text, as kcat -J prints it")
    return None if text is None else text.encode()


def _number(document: Mapping[str, Any], name: str, default: int) -> int:
    number = document.get(name, default)
    if not isinstance(number, int) or isinstance(number, bool) or number < 0:
        raise _NoRecord(f"{name} is no whole number")
    return number


def _json_headers(headers: Any) -> Iterator[tuple[str, bytes]]:
    """Read an object, or names and values by turns as kcat prints them."""
    if not isinstance(headers, list | dict | None):
        raise _NoRecord("headers are neither an object nor a list")
    if isinstance(headers, list) and len(headers) % 2:
        raise _NoRecord("headers are names and values by turns, and one has no value")
    if isinstance(headers, dict):
        headers = [each for pair in headers.items() for each in pair]
    listed = headers or []
    for name, value in zip(listed[::2], listed[1::2], strict=True):
        if not isinstance(name, str) or not isinstance(value, str | None):
            raise _NoRecord(f"the header {_short(str(name).encode())} is no text")
        yield name, (value or "").encode()


def _short(text: bytes) -> str:
    return repr(text[:60].decode(errors="replace"))


FORMS: Mapping[str, Callable[[bytes, str | None, float], Record]] = {
    "json": _of_json,
    "console": _of_console,
}
