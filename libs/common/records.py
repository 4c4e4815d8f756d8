"""
Records of the event log: what a topic gives, and what is appended to one.

Pure.  Keys, values and headers are bytes, as a producer wrote them; what they mean is decided by who
reads them.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Record:
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


@dataclass(frozen=True, slots=True)
class NewRecord:
    """A record to append; the log chooses partition, offset and timestamp.  See `Record`."""

    topic: str
    value: bytes | None
    key: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()
