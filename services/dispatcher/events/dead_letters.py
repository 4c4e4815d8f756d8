"""
Dead letters: records that could not be read or routed, as they stand in their topic.

Pure.  A letter is the record as it was, with headers after its own that say where it stood and why
it is there (docs/events.md, "Dead letters").  A *note* in the same topic says that a letter was
sent again.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from libs.common.eventlog.records import NewRecord, Record

PREFIX = "fanfare-dlq-"
REPLAYED = f"{PREFIX}replayed"  # Of a note: the id of the letter.
HEADERS = 6  # Those that are added to a record, after its own.


@dataclass(frozen=True, slots=True, kw_only=True)
class PutAside:
    """
    A dead letter.

    Attributes:
        record: As it stands in the topic of dead letters.
        topic: Where it stood.
        partition: Where it stood.
        offset: Where it stood.
        timestamp: When it was produced, UTC epoch seconds.
        kind: Why it was put aside, in a word.
        reason: Why, in a sentence.
    """

    record: Record
    topic: str
    partition: int
    offset: int
    timestamp: float
    kind: str
    reason: str

    @property
    def id(self) -> str:
        """Where the letter stands: partition and offset in the topic of dead letters."""
        return f"{self.record.partition}/{self.record.offset}"

    @property
    def is_bare(self) -> bool:
        """Whether the content was too large to stand here, so that it is only where it stood."""
        return self.record.value is None and self.record.key is None and not self._own_headers

    @property
    def again(self) -> NewRecord:
        """The record as it was, for the topic where it stood."""
        return NewRecord(self.topic, self.record.value, self.record.key, self._own_headers)

    @property
    def note(self) -> NewRecord:
        """What says, in the topic of dead letters, that it was sent again."""
        return NewRecord(self.record.topic, None, headers=((REPLAYED, self.id.encode()),))

    @property
    def _own_headers(self) -> tuple[tuple[str, bytes], ...]:
        return tuple(
            (name, value) for name, value in self.record.headers if not name.startswith(PREFIX)
        )


def dead_letter(record: Record, topic: str, *, kind: str, reason: str) -> NewRecord:
    """
    Write a dead letter.

    Args:
        record: What is put aside.
        topic: The topic of dead letters.
        kind: Why, in a word.
        reason: Why, in a sentence.
    """
    headers = (
        (f"{PREFIX}topic", record.topic.encode()),
        (f"{PREFIX}partition", str(record.partition).encode()),
        (f"{PREFIX}offset", str(record.offset).encode()),
        (f"{PREFIX}timestamp", f"{record.timestamp:.3f}".encode()),
        (f"{PREFIX}reason", kind.encode()),
        (f"{PREFIX}error", reason.encode(errors="replace")),
    )
    return NewRecord(topic, record.value, record.key, (*record.headers, *headers))


def bare(letter: NewRecord) -> NewRecord:
    """Take the content out of a letter that is too large: it says where that lies."""
    return NewRecord(letter.topic, None, headers=letter.headers[-HEADERS:])


def put_aside(record: Record) -> PutAside | None:
    """Read a dead letter; None: it is something else, such as a note."""
    # Of a name that occurs twice the last is ours: it may have been put aside before.
    headers = {name: value.decode(errors="replace") for name, value in record.headers}
    try:
        return PutAside(
            record=record,
            topic=headers[f"{PREFIX}topic"],
            partition=int(headers[f"{PREFIX}partition"]),
            offset=int(headers[f"{PREFIX}offset"]),
            timestamp=float(headers[f"{PREFIX}timestamp"]),
            kind=headers[f"{PREFIX}reason"],
            reason=headers[f"{PREFIX}error"],
        )
    except (KeyError, ValueError):
        return None


def replayed(records: Sequence[Record]) -> set[str]:
    """Name the letters of which notes among these records say that they were sent again."""
    return {
        value.decode(errors="replace")
        for record in records
        for name, value in record.headers
        if name == REPLAYED
    }
