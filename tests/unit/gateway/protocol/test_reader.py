"""What a client's frames say, and which are refused (RFC 6455)."""

import struct
import sys

import pytest

from services.gateway.protocol.reader import (
    BINARY,
    CLOSE,
    CONTINUATION,
    MAX_FRAGMENTS,
    PING,
    PONG,
    TEXT,
    Frame,
    FrameReader,
    Violation,
)
from tests.support.clients.raw_client import masked

MAX = 70_000
MASKED = 0x80


def read(*chunks: bytes, max_message: int = MAX) -> list[Frame]:
    """Read all that chunks say, as they come."""
    reader = FrameReader(max_message)
    return [frame for chunk in chunks for frame in fed(reader, chunk)]


def fed(reader: FrameReader, chunk: bytes) -> list[Frame]:
    """Feed a chunk, and read what there is to read then."""
    reader.feed(chunk)
    return list(iter(reader.next, None))


def refused(*chunks: bytes, max_message: int = MAX) -> tuple[int, str]:
    """Read what is refused; returns the code and the reason."""
    with pytest.raises(Violation) as error:
        read(*chunks, max_message=max_message)
    assert str(error.value) == error.value.reason
    return error.value.code, error.value.reason


def octets(data: bytes) -> list[bytes]:
    """Cut bytes into single ones."""
    return [data[at : at + 1] for at in range(len(data))]


class TestWhole:
    """Messages in one frame."""

    def test_example(self) -> None:
        """
        The masked frame of RFC 6455, 5.7, is its text.
        """
        data = bytes.fromhex("818537fa213d7f9f4d5158")

        assert read(data) == [Frame(TEXT, b"Hello")]

    @pytest.mark.parametrize("size", [0, 1, 3, 4, 125, 126, 127, 65_535, 65_536, MAX])
    @pytest.mark.parametrize("opcode", [TEXT, BINARY])
    def test_sizes(self, opcode: int, size: int) -> None:
        """
        Payloads of all three lengths are read, up to the longest.
        """
        payload = bytes(at % 127 for at in range(size))

        assert read(masked(payload, opcode)) == [Frame(opcode, payload)]

    def test_many(self) -> None:
        """
        What comes together is read one by one, in order.
        """
        data = masked(b"a") + masked(b"", PING) + masked(b"\xff", BINARY) + masked(b"b")

        said = [(TEXT, b"a"), (PING, b""), (BINARY, b"\xff"), (TEXT, b"b")]
        assert read(data) == [Frame(*each) for each in said]

    def test_nothing(self) -> None:
        """
        Nothing says nothing, in between too.
        """
        data = masked(b"a")

        assert read(b"", data[:4], b"", data[4:], b"") == [Frame(TEXT, b"a")]


class TestFragments:
    """RFC 6455, 5.4."""

    def test_joined(self) -> None:
        """
        Fragments are one message, of the first one's kind; it may be followed by others.
        """
        data = (
            masked(b"a", BINARY, final=False)
            + masked(b"", CONTINUATION, final=False)
            + masked(b"b", CONTINUATION)
        )

        assert read(data + data + masked(b"c")) == [
            Frame(BINARY, b"ab"),
            Frame(BINARY, b"ab"),
            Frame(TEXT, b"c"),
        ]

    @pytest.mark.parametrize("opcode", [PING, PONG, CLOSE])
    def test_controls_between(self, opcode: int) -> None:
        """
        Control frames may stand between them, and come out at once.
        """
        reader = FrameReader(MAX)

        assert fed(reader, masked(b"a", final=False) + masked(b"", opcode)) == [Frame(opcode, b"")]
        assert reader.is_partial
        assert fed(reader, masked(b"b", CONTINUATION)) == [Frame(TEXT, b"ab")]

    def test_controls_have_room(self) -> None:
        """
        A control frame takes no room from a message, however short that must be.
        """
        data = masked(b"ab", final=False) + masked(bytes(125), PING) + masked(b"", CONTINUATION)

        assert read(data, max_message=2) == [Frame(PING, bytes(125)), Frame(TEXT, b"ab")]

    def test_nothing_to_go_on_with(self) -> None:
        """
        A message does not go on before it has begun, nor after it has ended.
        """
        assert refused(masked(b"a", CONTINUATION))[0] == 1002
        assert refused(masked(b"a") + masked(b"b", CONTINUATION, final=False))[0] == 1002

    @pytest.mark.parametrize("opcode", [TEXT, BINARY])
    @pytest.mark.parametrize("final", [True, False])
    def test_begun_twice(self, opcode: int, *, final: bool) -> None:
        """
        A message does not begin before the last one has ended.
        """
        data = masked(b"a", final=False) + masked(b"b", opcode, final=final)

        code, reason = refused(data)

        assert (code, reason) == (1002, "a message begins before the last one has ended")

    def test_number(self) -> None:
        """
        A message has so many fragments at most, or as many as its size allows.
        """
        rest = masked(b"", CONTINUATION, final=False) * (MAX_FRAGMENTS - 2)
        begun = masked(b"", final=False) + rest
        whole = begun + masked(b"", CONTINUATION)

        assert read(whole, whole, max_message=MAX_FRAGMENTS) == 2 * [Frame(TEXT, b"")]
        goes_on = masked(b"", CONTINUATION, final=False)
        assert refused(begun + goes_on, max_message=MAX_FRAGMENTS)[0] == 1008
        assert read(begun + goes_on, max_message=2 * MAX_FRAGMENTS**2) == []


class TestHeaders:
    """RFC 6455, 5.2 and 5.5: what a frame's first bytes may say."""

    @pytest.mark.parametrize("bit", [0x40, 0x20, 0x10])
    @pytest.mark.parametrize("opcode", [TEXT, PING])
    def test_reserved(self, opcode: int, bit: int) -> None:
        """
        No bit is set that an extension would use.
        """
        assert refused(masked(b"a", bit | opcode)) == (
            1002,
            "a reserved bit is set, and no extension is spoken",
        )

    @pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
    def test_opcodes(self, opcode: int) -> None:
        """
        An opcode that has no meaning is refused.
        """
        assert refused(masked(b"a", opcode)) == (1002, f"unknown opcode {opcode}")

    @pytest.mark.parametrize("opcode", [TEXT, BINARY, CLOSE, PING, PONG])
    def test_unmasked(self, opcode: int) -> None:
        """
        A frame without a mask is refused by its first two bytes (5.1).
        """
        assert refused(bytes((0x80 | opcode, 5))) == (1002, "clients must mask their frames")

    @pytest.mark.parametrize("opcode", [CLOSE, PING, PONG])
    def test_controls(self, opcode: int) -> None:
        """
        A control frame is no fragment, and has 125 bytes at most: the first ones show it.
        """
        assert read(masked(struct.pack("!H", 1000).ljust(125), opcode))
        assert refused(bytes((opcode, MASKED)))[0] == 1002
        assert refused(bytes((0x80 | opcode, MASKED | 126)) + b"\0\x7e")[0] == 1002
        assert refused(bytes((0x80 | opcode, MASKED | 127)) + bytes(8))[0] == 1002

    @pytest.mark.parametrize(
        "size",
        [
            struct.pack("!BH", MASKED | 126, 125),
            struct.pack("!BQ", MASKED | 127, 65_535),
            struct.pack("!BQ", MASKED | 127, 1 << 63),
            struct.pack("!BQ", MASKED | 127, (1 << 64) - 1),
        ],
    )
    def test_lengths(self, size: bytes) -> None:
        """
        A length is as short as it can be, and has no 64th bit.
        """
        assert refused(bytes((0x80 | TEXT,)) + size, max_message=1 << 64)[0] == 1002


class TestTooBig:
    """Messages beyond `max_message`."""

    @pytest.mark.parametrize(
        "size, most",
        [
            (struct.pack("!B", MASKED | 101), 100),
            (struct.pack("!BH", MASKED | 126, 1001), 1000),
            (struct.pack("!BQ", MASKED | 127, MAX + 1), MAX),
            (struct.pack("!BQ", MASKED | 127, (1 << 63) - 1), MAX),
        ],
    )
    @pytest.mark.parametrize("opcode", [TEXT, BINARY])
    def test_by_header(self, opcode: int, size: bytes, most: int) -> None:
        """
        Its length is enough to refuse one, before any of it has come.
        """
        data = bytes((0x80 | opcode,)) + size
        refusal = (1009, f"a message may have {most} bytes")

        assert refused(data, max_message=most) == refusal
        assert refused(*octets(data), max_message=most) == refusal

    def test_sum(self) -> None:
        """
        Fragments may have as much together; the next message begins anew.
        """
        begun = masked(b"ab", final=False)
        fits = begun + masked(b"cd", CONTINUATION)

        assert read(fits + fits, max_message=4) == 2 * [Frame(TEXT, b"abcd")]
        header = bytes((CONTINUATION, MASKED | 3))
        assert refused(begun + header, max_message=4) == (1009, "a message may have 4 bytes")


class TestText:
    """RFC 6455, 8.1."""

    @pytest.mark.parametrize("text", ["µ", "€", "\U0001f600", "\0", "\x7f", "\ufeff", "\uffff"])
    def test_good(self, text: str) -> None:
        """
        Text is UTF-8, and may be cut within a character.
        """
        payload = text.encode()
        first, *rest = octets(payload) or [b""]
        pieces = [masked(first, final=False)]
        pieces += [masked(piece, CONTINUATION, final=False) for piece in rest]

        assert read(masked(payload)) == [Frame(TEXT, payload)]
        assert read(*pieces, masked(b"", CONTINUATION)) == [Frame(TEXT, payload)]

    @pytest.mark.parametrize(
        "payload",
        [b"\xff", b"a\x80", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82"],
    )
    def test_bad(self, payload: bytes) -> None:
        """
        What is not is refused at its end, however it came; binary messages may be anything.
        """
        begun = masked(payload[:1], final=False)

        assert refused(masked(payload)) == (1007, "the text is not UTF-8")
        assert refused(begun + masked(payload[1:], CONTINUATION))[0] == 1007
        assert read(masked(payload, BINARY)) == [Frame(BINARY, payload)]


class TestClose:
    """RFC 6455, 5.5.1 and 7.4."""

    @pytest.mark.parametrize("code", [*range(1000, 1004), *range(1007, 1015), 3000, 4000, 4999])
    def test_good(self, code: int) -> None:
        """
        A code that may be sent is handed over, with a reason or without.
        """
        payload = struct.pack("!H", code)

        assert read(masked(payload, CLOSE)) == [Frame(CLOSE, payload)]
        reason = payload + "µ".encode()
        assert read(masked(reason, CLOSE)) == [Frame(CLOSE, reason)]

    def test_none(self) -> None:
        """
        It may say nothing.
        """
        assert read(masked(b"", CLOSE)) == [Frame(CLOSE, b"")]

    @pytest.mark.parametrize(
        "code", [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535]
    )
    def test_bad(self, code: int) -> None:
        """
        A code that may not be sent is refused.
        """
        assert refused(masked(struct.pack("!H", code), CLOSE))[0] == 1002

    def test_half(self) -> None:
        """
        Half a code is none, and a reason is UTF-8.
        """
        assert refused(masked(b"\x03", CLOSE))[0] == 1002
        assert refused(masked(struct.pack("!H", 1000) + b"\xff", CLOSE))[0] == 1007


class TestKept:
    """What a reader holds, and what it waits for."""

    def test_idle(self) -> None:
        """
        One that has read all holds nothing, however it came.
        """
        reader = FrameReader(MAX)
        idle = sys.getsizeof(reader), reader.held, reader.is_partial
        begun = masked(b"a", final=False)

        for chunk in (masked(b"a"), *octets(masked(b"b" * 200)), begun, masked(b"", CONTINUATION)):
            fed(reader, chunk)

        assert (sys.getsizeof(reader), reader.held, reader.is_partial) == idle
        assert idle[1:] == (0, False)

    def test_part_of_a_frame(self) -> None:
        """
        From its first byte to its last a frame is partial, and held; what was read before is not.
        """
        reader = FrameReader(MAX)
        data = masked(b"a" * 200)

        for at, octet in enumerate(octets(data[:-1]), start=1):
            assert fed(reader, octet) == []
            assert (reader.held, reader.is_partial) == (at, True)

        assert fed(reader, data[-1:] + data[:150]) == [Frame(TEXT, b"a" * 200)]
        assert (reader.held, reader.is_partial) == (150, True)
        assert fed(reader, data[150:]) == [Frame(TEXT, b"a" * 200)]
        assert (reader.held, reader.is_partial) == (0, False)

    def test_part_of_a_message(self) -> None:
        """
        From its first fragment to its last a message is partial, and held without its headers; both are counted.
        """
        reader = FrameReader(MAX)

        fed(reader, masked(b"", final=False))
        assert (reader.held, reader.is_partial) == (0, True)
        fed(reader, masked(b"abc", CONTINUATION, final=False) + b"\x80")
        assert (reader.held, reader.is_partial) == (4, True)
        fed(reader, masked(b"d", CONTINUATION)[1:])
        assert (reader.fragments, reader.begun) == (2, 1)

    def test_slices(self) -> None:
        """
        What waits to be read is held, but not partial; more may come in between.
        """
        reader = FrameReader(MAX)
        frame = masked(b"a")
        reader.feed(2 * frame)

        assert reader.next() == Frame(TEXT, b"a")
        assert reader.held >= len(frame)
        assert not reader.is_partial
        reader.feed(frame)
        assert list(iter(reader.next, None)) == 2 * [Frame(TEXT, b"a")]
        assert reader.held == 0

    def test_octets(self) -> None:
        """
        A long message may come byte by byte, and is held as bytes: no object is kept for each.
        """
        reader = FrameReader(MAX)
        data = masked(b"a" * 65_536)
        for octet in octets(data[:-1]):
            fed(reader, octet)

        assert reader.held == len(data) - 1
        assert fed(reader, data[-1:]) == [Frame(TEXT, b"a" * 65_536)]

    def test_good_before_bad(self) -> None:
        """
        What came before something forbidden is read first.
        """
        reader = FrameReader(MAX)
        reader.feed(masked(b"a") + masked(b"b", 3))

        assert reader.next() == Frame(TEXT, b"a")
        with pytest.raises(Violation):
            reader.next()
