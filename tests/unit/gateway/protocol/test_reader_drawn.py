"""Any stream of a client's frames, in any cut."""

import struct
from collections.abc import Iterable
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from services.gateway.protocol.reader import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Frame,
    FrameReader,
    Violation,
)
from tests.support.clients.raw_client import masked

MAX = 10_000

texts = st.text(max_size=300).map(str.encode)
closes = st.tuples(st.sampled_from([1000, 1001, 3000, 4999]), st.text(max_size=30)).map(
    lambda close: struct.pack("!H", close[0]) + close[1].encode()
)
controls = st.one_of(
    st.builds(Frame, st.sampled_from([PING, PONG]), st.binary(max_size=125)),
    st.builds(Frame, st.just(CLOSE), closes),
)
wholes = st.one_of(
    st.builds(Frame, st.just(TEXT), texts),
    st.builds(Frame, st.just(BINARY), st.binary(max_size=300)),
)


@st.composite
def streams(draw: st.DrawFn) -> tuple[list[Frame], bytes]:
    """Draw what a client sends, and the bytes by which it does: in fragments, with controls between."""
    said: list[Frame] = []
    data = b""
    for whole in draw(st.lists(st.one_of(wholes, controls), max_size=6)):
        if whole.opcode >= CLOSE:
            said.append(whole)
            data += masked(whole.payload, whole.opcode)
            continue
        pieces = cut(whole.payload, draw(cuts(whole.payload, most=3)))
        opcode = whole.opcode
        for piece in pieces[:-1]:
            between = draw(st.lists(controls, max_size=1))
            data += masked(piece, opcode, final=False)
            data += b"".join(masked(each.payload, each.opcode) for each in between)
            said += between
            opcode = CONTINUATION
        data += masked(pieces[-1], opcode)
        said.append(whole)
    return said, data


def cuts(data: bytes, *, most: int) -> st.SearchStrategy[list[int]]:
    """Draw where to cut bytes, in order."""
    return st.lists(st.integers(0, len(data)), max_size=most).map(sorted)


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    """Cut bytes at these places."""
    ends = [0, *places, len(data)]
    return [data[start:end] for start, end in pairwise(ends)]


def all_of(reader: FrameReader, chunks: Iterable[bytes]) -> list[Frame]:
    """Feed chunks, and read what each completes."""
    said: list[Frame] = []
    for chunk in chunks:
        reader.feed(chunk)
        said += iter(reader.next, None)
        assert reader.is_idle == (reader.held == 0 and not reader.is_partial)
    return said


def octets(data: bytes) -> list[bytes]:
    """Cut bytes into single ones."""
    return [data[at : at + 1] for at in range(len(data))]


class TestDrawn:
    """Any stream."""

    @given(streams(), st.data())
    def test_cut(self, stream: tuple[list[Frame], bytes], data: st.DataObject) -> None:
        """
        A good stream says the same whole, byte by byte, and cut anywhere; in the end nothing is held.
        """
        said, sent = stream
        reader = FrameReader(MAX)
        pieces = cut(sent, data.draw(cuts(sent, most=8)))

        assert all_of(FrameReader(MAX), [sent]) == said
        assert all_of(FrameReader(MAX), octets(sent)) == said
        assert all_of(reader, pieces) == said
        assert (reader.held, reader.is_partial) == (0, False)

    @given(streams(), st.lists(st.tuples(st.integers(0), st.integers(0, 255)), max_size=4))
    def test_damaged(
        self, stream: tuple[list[Frame], bytes], damage: list[tuple[int, int]]
    ) -> None:
        """
        Of a damaged stream any cut says the same, up to the same fault.
        """
        sent = bytearray(stream[1] or b"\0")
        for place, octet in damage:
            sent[place % len(sent)] = octet

        assert outcome([bytes(sent)]) == outcome(octets(bytes(sent)))

    @given(st.lists(st.binary(max_size=40), max_size=10))
    def test_anything(self, chunks: list[bytes]) -> None:
        """
        Whatever comes says something or is a violation, whatever its cut.
        """
        assert outcome(chunks) == outcome([b"".join(chunks)])


def outcome(chunks: Iterable[bytes]) -> tuple[list[Frame], tuple[int, str] | None]:
    """Read chunks; returns what they say, and by which violation it ends, if any."""
    reader = FrameReader(1000)
    said: list[Frame] = []
    for chunk in chunks:
        reader.feed(chunk)
        try:
            said += iter(reader.next, None)
        except Violation as error:
            return said, (error.code, error.reason)
    return said, None
