"""
Records of the event log: what a topic gives, and what is appended to one.

Pure.  Keys, values and headers are bytes, as a producer wrote them; what they mean is decided by
who reads them.
"""

from typing import NamedTuple

import msgspec

from libs.common.errors import Invalid


class Record(msgspec.Struct, frozen=True, gc=False):  # Holds nothing that could hold it.
    """
    A record as a topic's partition holds it.

    Attributes:
        timestamp: When it was produced or stored, UTC epoch seconds.
        key: Records with the same key share a partition; None where there is no key.
        value: None is a tombstone: whatever the key names is gone.
        headers: In order; a name may occur more than once.
    """

    topic: str
    partition: int
    offset: int
    timestamp: float
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


class NewRecord(msgspec.Struct, frozen=True, gc=False):
    """A record to append; the log chooses partition, offset and timestamp.  See `Record`."""

    topic: str
    value: bytes | None
    key: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


MAX_RECORD = 1_000_000  # Bytes.  With its framing a record stays below what Kafka takes by default.


class RecordTooLarge(Invalid):
    """A record has more bytes than the log takes."""

    status = 413

    def __init__(self) -> None:
        super().__init__("the record is larger than the event log allows")


def size_of(record: NewRecord) -> int:
    """Count the bytes of a record: key, value and headers."""
    headers = sum(len(name) + len(value) for name, value in record.headers)
    return len(record.key or b"") + len(record.value or b"") + headers


class Partition(NamedTuple):
    """One ordered part of a topic."""

    topic: str
    number: int
