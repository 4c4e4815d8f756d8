"""Messages of the feeds."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.bus.messages import (
    Broadcast,
    Counted,
    Entry,
    Position,
    Transition,
    Typed,
    Whisper,
    pack,
)
from libs.common.bus.wire import (
    PROBE,
    decode,
    encode_counted,
    encode_entry,
    encode_transition,
    encode_typed,
    encode_whisper,
)
from libs.common.channels import Channel

CHANNEL = Channel("1", "presence-room")
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
BROADCAST = Broadcast(b"one\ntwo", 1.5, ("1.2",), "trace")


class TestThereAndBack:
    """What is written is read as it was."""

    @given(st.text().map(str.encode), st.integers(1, 2**53))
    def test_entry(self, frame: bytes, offset: int) -> None:
        """An entry: its position and its broadcast."""
        entry = Entry(CHANNEL, Position("9f3a01bc0", offset), Broadcast(frame, 1.5))

        assert decode(CHANNEL, encode_entry(pack(entry.broadcast), entry.position)) == entry

    def test_whisper(self) -> None:
        """A whisper: its broadcast."""
        assert decode(CHANNEL, encode_whisper(BROADCAST)) == Whisper(CHANNEL, BROADCAST)

    @given(st.integers(1, 2**53), TEXTS, st.none() | TEXTS.map(json.dumps))
    def test_transition(self, version: int, user_id: str, info: str | None) -> None:
        """A transition: version, user and, where it joined, its information."""
        transition = Transition(CHANNEL, version, user_id, info)

        assert decode(CHANNEL, encode_transition(transition)) == transition

    @given(st.integers(0, 2**53))
    def test_counted(self, total: int) -> None:
        """A count: how many subscriptions the channel has."""
        counted = Counted(CHANNEL, total)

        assert decode(CHANNEL, encode_counted(counted)) == counted

    @given(st.none() | st.lists(TEXTS).map(tuple), st.integers(0, 2**53))
    def test_typed(self, user_ids: tuple[str, ...] | None, count: int) -> None:
        """Typists: how many, and who, or only how many."""
        typed = Typed(CHANNEL, count, user_ids)

        assert decode(CHANNEL, encode_typed(typed)) == typed

    def test_probe(self) -> None:
        """A probe says nothing."""
        assert decode(CHANNEL, PROBE) is None


class TestForm:
    """The bytes that scripts of another release may have written."""

    def test_first_version(self) -> None:
        """Version 1 of each kind."""
        envelope = b'{"at":1.5,"v":1}\n{}'
        broadcast = Broadcast(b"{}", 1.5)

        assert decode(CHANNEL, b"e1 9f3a 7\n" + envelope) == Entry(
            CHANNEL, Position("9f3a", 7), broadcast
        )
        assert decode(CHANNEL, b"w1\n" + envelope) == Whisper(CHANNEL, broadcast)
        assert decode(CHANNEL, b'm1 8 + 2\nab{"n":1}') == Transition(CHANNEL, 8, "ab", '{"n":1}')
        assert decode(CHANNEL, b"m1 9 - 2\nab") == Transition(CHANNEL, 9, "ab", None)
        assert decode(CHANNEL, b"c1 12\n") == Counted(CHANNEL, 12)
        assert decode(CHANNEL, b't1 2\n["7","8"]') == Typed(CHANNEL, 2, ("7", "8"))
        assert decode(CHANNEL, b"t1 300\n") == Typed(CHANNEL, 300, None)

    def test_newer_version(self) -> None:
        """Fields that were added are ignored, and so are kinds."""
        envelope = b'{"at":1.5,"v":2,"new":1}\n{}'

        assert decode(CHANNEL, b"e2 9f3a 7 new 1\n" + envelope) == Entry(
            CHANNEL, Position("9f3a", 7), Broadcast(b"{}", 1.5)
        )
        assert decode(CHANNEL, b"m3 9 - 2 new\nab") == Transition(CHANNEL, 9, "ab", None)
        assert decode(CHANNEL, b"c2 12 new\nand more") == Counted(CHANNEL, 12)
        assert decode(CHANNEL, b"z1 what\nis this") is None

    @pytest.mark.parametrize(
        "message",
        [
            b"",
            b"e1 9f3a 7",
            b"e1\n{}",
            b"e1 9f3a\n{}",
            b"e1 9f3a seven\n" + pack(BROADCAST),
            b"e1 \xff 7\n" + pack(BROADCAST),
            b"e1 9f3a 7\nno envelope",
            b"w1\n{}",
            b"m1\nab",
            b"m1 1 +\nab",
            b"m1 1 ? 2\nab",
            b"m1 x + 2\nab",
            b"m1 1 + x\nab",
            b"m1 1 + 1\n\xff\xff",
            b"c1",
            b"c1\n",
            b"c1 many\n",
        ],
    )
    def test_unreadable(self, message: bytes) -> None:
        """What is of a known kind and cannot be read is a ValueError."""
        with pytest.raises(ValueError, match=r"."):
            decode(CHANNEL, message)

    @given(st.binary() | st.binary().map(lambda rest: b"e1 9 1\n" + rest))
    def test_any_bytes(self, message: bytes) -> None:
        """Other bytes are read, skipped or a ValueError, and nothing else."""
        try:
            decode(CHANNEL, message)
        except ValueError:
            return
