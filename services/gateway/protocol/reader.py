"""
Frames of a client's WebSocket: bytes in, whole messages out.

Pure.  It answers nothing: who reads says pong, and closes with the code of a `Violation`.  No
extension is spoken.  Source: RFC 6455, 5 (frames), 7.4 (close codes) and 8.1 (UTF-8).
"""

from typing import NamedTuple

from libs.common.errors import Invalid

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA

# Fragments that a message may have, or one for each as many bytes that it may have.  RFC 6455 has
# no bound; without one the work of a `FrameReader.next` would have none.
MAX_FRAGMENTS = 256

_FINAL, _RESERVED, _OPCODE, _CONTROL, _MASKED = 0x80, 0x70, 0x0F, 0x08, 0x80
_CONTROLS = {_FINAL | CLOSE, _FINAL | PING, _FINAL | PONG}
# What a frame's first byte may be: where a message may start, and where one has begun.
_STARTS = frozenset({TEXT, BINARY, _FINAL | TEXT, _FINAL | BINARY} | _CONTROLS)
_GOES_ON = frozenset({CONTINUATION, _FINAL | CONTINUATION} | _CONTROLS)
# RFC 6455, 7.4.1, and those that IANA has registered since, 1012 to 1014.
_CLOSE_CODES = frozenset({*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)})

_LARGE, _PIECE = 16_384, 4_096  # Bytes; larger numbers cost the allocator more than their pieces.
_number, _make = int.from_bytes, tuple.__new__


class Violation(Invalid):
    """
    A client broke RFC 6455, so that nothing more of it can be read.

    Attributes:
        code: What to close with (RFC 6455, 7.4.1): 1002 protocol error, 1007 no UTF-8, 1008 too
            many fragments, 1009 too big.
        reason: What was wrong, in words.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Frame(NamedTuple):
    """
    A message or a control frame, whole: its fragments are joined, and its mask is off.

    Attributes:
        opcode: `TEXT`, `BINARY`, `CLOSE`, `PING` or `PONG`.
        payload: UTF-8 if it is a text; that of a Close frame is empty, or a code that may be sent
            and a reason in UTF-8.
    """

    opcode: int
    payload: bytes


class FrameReader:
    """
    Reads what one client sends.

    Bytes are copied once, or twice if a message comes in pieces.  One that waits for nothing keeps
    no buffer.

    Args:
        max_message: Bytes that a message may have.

    Attributes:
        fragments: How many frames were read beside those that `next` returned: whoever counts
            frames adds them.
        begun: How many messages in fragments have begun.
        is_idle: Whether nothing is kept: `next` has nothing to read, and no message has begun.
    """

    __slots__ = (
        "_at",
        "_fragments",
        "_held",
        "_joined",
        "_max_message",
        "_needed",
        "_opcode",
        "_room",
        "begun",
        "fragments",
        "is_idle",
    )

    def __init__(self, max_message: int) -> None:
        self.fragments = 0
        self.begun = 0
        self.is_idle = True
        self._max_message = max_message
        self._held: bytes | bytearray = b""  # What came, from the first frame not read whole.
        self._at = 0  # Where in it the next frame starts.
        self._needed = 1  # Bytes from there on without which it is no use to look.
        self._opcode = 0  # That of the message that has begun, in fragments; 0: none has.
        self._joined: bytearray | None = None  # What there is of it,
        self._fragments = 0  # in so many fragments;
        self._room = max_message  # so many bytes may still come.

    @property
    def held(self) -> int:
        """How many bytes this keeps: half a message, and all that came with what is not read."""
        joined = self._joined
        return len(self._held) if joined is None else len(self._held) + len(joined)

    @property
    def is_partial(self) -> bool:
        """Whether `next` found a part of a frame, or of a message, when it was called last."""
        return self._needed > 1 or self._opcode > 0

    @property
    def is_joining(self) -> bool:
        """Whether a message has begun, and not all of its fragments have been read."""
        return self._opcode > 0

    def feed(self, data: bytes) -> None:
        """Take bytes as they came; a caller that has to bound what is held asks `held`."""
        if not data:
            return
        self.is_idle = False
        if not self._held:
            self._held = data
            return
        if isinstance(self._held, bytes):
            self._held = bytearray(self._held)
        del self._held[: self._at]
        self._at = 0
        self._held += data

    def next(self) -> Frame | None:
        """
        Read the next message or control frame; a Close frame is the last to ask for.

        Returns:
            It, or None if more bytes are needed.

        Raises:
            Violation: The client may not send this; nothing more can be read.
        """
        while len(self._held) - self._at >= self._needed:
            if (taken := self._take()) is None:
                return None
            opcode, payload = taken
            if opcode == TEXT:
                if not payload.isascii():  # Quicker than to decode.
                    _check_text(payload)
            elif opcode == CLOSE:
                _check_close(payload)
            elif opcode == CONTINUATION:
                continue
            return _make(Frame, taken)
        return None

    def _take(self) -> tuple[int, bytes] | None:
        """
        Take a frame that is there whole, without its mask.

        Returns:
            A message or a control frame; `CONTINUATION` if a message goes on after it; None if the
            frame is not there whole.
        """
        held, at = self._held, self._at
        left = len(held) - at
        head, size = self._measure(held, at, left)
        if left < head + size:
            self._wait(head + size)
            return None
        first = held[at]
        at += head
        end = at + size
        payload = _unmasked(held[at - 4 : at], held[at:end]) if size else b""
        self._needed = 1
        if end < len(held):
            self._at = end
        else:
            self._held, self._at, self.is_idle = b"", 0, not self._opcode
        opcode = first & _OPCODE
        return (opcode, payload) if first > _FINAL else self._join(first, payload)

    def _measure(self, held: bytes | bytearray, at: int, left: int) -> tuple[int, int]:
        """
        Check the head of a frame, as far as it is there.

        Returns:
            Bytes of the head, and of the payload; of a head that is not there, what must come next.
        """
        if left < 2:
            return 2, 0
        first, second = held[at], held[at + 1]
        if second < _MASKED or first not in (_GOES_ON if self._opcode else _STARTS):
            raise _fault(first, second)
        head, size = 6, second - _MASKED
        if size > 125:
            if first & _CONTROL:
                raise Violation(1002, "a control frame may have 125 bytes")
            head = 8 if size == 126 else 14
            if left < head - 4:
                return head - 4, 0
            size = _long_size(held[at + 2 : at + head - 4])
        if size > self._room and not first & _CONTROL:
            raise Violation(1009, f"a message may have {self._max_message} bytes")
        return head, size

    def _wait(self, needed: int) -> None:
        """Wait until there are so many bytes of a frame; what was read before it is let go."""
        self._needed = needed
        if self._at:
            self._held = self._held[self._at :]
            self._at = 0

    def _join(self, first: int, payload: bytes) -> tuple[int, bytes]:
        """Add a fragment to its message; returns that if it is whole, else `CONTINUATION`."""
        if self._joined is None:
            self._opcode, self._joined = first, bytearray()
            self.begun += 1
        self._joined += payload
        self._room -= len(payload)
        self._fragments += 1
        if first < _FINAL:
            self.is_idle = False
            self.fragments += 1
            if self._fragments >= max(MAX_FRAGMENTS, self._max_message // MAX_FRAGMENTS):
                raise Violation(1008, f"a message of {self._fragments} fragments has no end")
            return CONTINUATION, b""
        opcode, whole = self._opcode, bytes(self._joined)
        self._opcode, self._joined, self._fragments = 0, None, 0
        self._room = self._max_message
        self.is_idle = not self._held
        return opcode, whole


def _unmasked(mask: bytes | bytearray, masked: bytes | bytearray) -> bytes:
    """Take a mask off (RFC 6455, 5.3), by numbers: there is no quicker XOR in Python."""
    size = len(masked)
    if size <= _LARGE:
        key = (mask * (size // 4 + 1))[:size]
        return (_number(masked) ^ _number(key)).to_bytes(size)
    pieces = (masked[at : at + _PIECE] for at in range(0, size, _PIECE))
    return b"".join(_unmasked(mask, piece) for piece in pieces)


def _fault(first: int, second: int) -> Violation:
    """Say what is wrong with the first two bytes of a frame."""
    opcode = first & _OPCODE
    if first & _RESERVED:
        return Violation(1002, "a reserved bit is set, and no extension is spoken")
    if opcode not in {CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG}:
        return Violation(1002, f"unknown opcode {opcode}")
    if second < _MASKED:
        return Violation(1002, "clients must mask their frames")
    if opcode & _CONTROL:
        return Violation(1002, "a control frame is a fragment")
    if opcode == CONTINUATION:
        return Violation(1002, "a message goes on that has not begun")
    return Violation(1002, "a message begins before the last one has ended")


def _long_size(size: bytes | bytearray) -> int:
    """Read the size of a payload of more than 125 bytes, as short as it can be (RFC 6455, 5.2)."""
    number = _number(size)
    if number < (126 if len(size) == 2 else 65_536):
        raise Violation(1002, f"a size of {number} is written too long")
    if number >= 1 << 63:
        raise Violation(1002, "a size has 63 bits")
    return number


def _check_text(payload: bytes) -> None:
    try:
        payload.decode()
    except UnicodeDecodeError as error:
        raise Violation(1007, "the text is not UTF-8") from error


def _check_close(payload: bytes) -> None:
    """Check that a Close frame has nothing, or a code that may be sent and a text."""
    if not payload:
        return
    if _number(payload[:2]) not in _CLOSE_CODES:  # Half a code is none of them.
        raise Violation(1002, f"no close code: {payload[:2].hex()}")
    _check_text(payload[2:])
