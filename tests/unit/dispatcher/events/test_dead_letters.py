"""Dead letters as they stand in their topic."""

import pytest

from libs.common.eventlog.records import NewRecord, Record
from services.dispatcher.events.dead_letters import (
    HEADERS,
    bare,
    dead_letter,
    put_aside,
    replayed,
)

RECORD = Record("orders", 3, 17, 1.5, b"key", b"value", (("a", b"1"), ("a", b"\xff")))


def stored(new: NewRecord, offset: int = 5) -> Record:
    """Return a record as its topic has it."""
    return Record(new.topic, 2, offset, 9.0, new.key, new.value, new.headers)


def letter(record: Record = RECORD) -> NewRecord:
    return dead_letter(record, "dead", kind="Unroutable", reason="no \ud800 field")


class TestLetters:
    """A letter is the record, and says where it stood, and why it is there."""

    def test_read(self) -> None:
        found = put_aside(stored(letter()))

        assert found is not None
        assert (found.id, found.topic, found.partition, found.offset) == ("2/5", "orders", 3, 17)
        assert (found.timestamp, found.kind, found.reason) == (1.5, "Unroutable", "no ? field")
        assert not found.is_bare

    def test_again(self) -> None:
        """What is sent again is the record as it was."""
        found = put_aside(stored(letter()))

        assert found is not None
        assert found.again == NewRecord("orders", b"value", b"key", RECORD.headers)

    def test_twice(self) -> None:
        """A record that was sent again and put aside again is of where it stood last."""
        first = put_aside(stored(letter()))
        assert first is not None
        again = stored(first.again, offset=40)

        found = put_aside(stored(letter(again)))

        assert found is not None
        assert (found.partition, found.offset) == (2, 40)
        assert found.again.headers == RECORD.headers

    def test_bare(self) -> None:
        """One that is too large says where its content lies, and cannot be sent from here."""
        without = bare(letter())
        found = put_aside(stored(without))

        assert len(without.headers) == HEADERS
        assert found is not None
        assert found.is_bare
        assert (found.topic, found.offset) == ("orders", 17)

    def test_tombstone(self) -> None:
        """A record that never had a value has a key, and is whole."""
        found = put_aside(stored(letter(Record("orders", 0, 1, 1.0, b"key", None, ()))))

        assert found is not None
        assert not found.is_bare


class TestOthers:
    """What else stands in the topic is no letter."""

    @pytest.mark.parametrize("number", [b"", b"x"])
    def test_strange(self, number: bytes) -> None:
        headers = tuple(
            (name, number if name == "fanfare-dlq-offset" else value)
            for name, value in letter().headers
        )

        assert put_aside(stored(NewRecord("dead", b"v", headers=headers))) is None

    def test_none(self) -> None:
        assert put_aside(RECORD) is None

    def test_notes(self) -> None:
        """A note names a letter that was sent again."""
        found = put_aside(stored(letter()))
        assert found is not None
        note = stored(found.note, offset=6)

        assert put_aside(note) is None
        assert replayed([stored(letter()), note, RECORD]) == {"2/5"}
