"""
What stands on the pub/sub channels of Redis: entries, whispers, who is there and types, and probes.

Pure.  A message is a header line and a body.  The header's first field is a letter for the kind and
a number for the version; a reader ignores kinds it does not know, and further fields of those it
knows, so that a rolling deploy may add both.

    ``e1 <epoch> <offset>``   an envelope (`messages.pack`) of the history
    ``w1``                    an envelope that is in no history
    ``m1 <version> + <size>`` the id, so many bytes, and at once ``user_info``: the user joined
    ``m1 <version> - <size>`` the id, so many bytes: the user left
    ``c1 <total>``            nothing: so many subscriptions the channel has
    ``t1 <count>``            a JSON list of the ids of so many users who type; or nothing: only
                              their number is told
    ``p1``                    nothing: the sender asks whether its own ear still hears

Scripts write them too (``publish.lua``, those of the roster, the tally and the typists); here all
of it is described.
"""

import msgspec

from libs.common.bus.messages import (
    Broadcast,
    Counted,
    Entry,
    Position,
    Transition,
    Typed,
    Whisper,
    pack,
    unpack,
)
from libs.common.channels import Channel
from libs.common.json_text import JsonReader

PROBE = b"p1\n"

MOST = 2**53  # Beyond it not all readers of JSON tell whole numbers apart.

_read_info = JsonReader(msgspec.Raw).read  # It goes to clients as it is.
_decode_ids = msgspec.json.Decoder(tuple[str, ...]).decode


def encode_entry(envelope: bytes, position: Position) -> bytes:
    """Write an entry of a history as the publish script does."""
    return f"e1 {position.epoch} {position.offset}\n".encode() + envelope


def encode_whisper(broadcast: Broadcast) -> bytes:
    """Write a broadcast that is in no history."""
    return b"w1\n" + pack(broadcast)


def encode_transition(transition: Transition) -> bytes:
    """Write a transition as the roster's scripts do."""
    user_id = transition.user_id.encode()
    sign = "-" if transition.info is None else "+"
    header = f"m1 {transition.version} {sign} {len(user_id)}\n"
    return header.encode() + user_id + (transition.info or "").encode()


def encode_counted(counted: Counted) -> bytes:
    """Write a number of subscriptions as the tally's scripts do."""
    return f"c1 {counted.total}\n".encode()


def encode_typed(typed: Typed) -> bytes:
    """Write who is typing as the scripts of the typists do."""
    ids = b"" if typed.user_ids is None else msgspec.json.encode(typed.user_ids)
    return f"t1 {typed.count}\n".encode() + ids


def decode(
    channel: Channel, message: bytes
) -> Entry | Whisper | Transition | Counted | Typed | None:
    """
    Read a message of a channel's feed.

    Returns:
        What it says; None for a probe and for a kind that is not known here.

    Raises:
        ValueError: It is of a known kind, and unreadable.
    """
    header, found, body = message.partition(b"\n")
    if not found:
        raise ValueError("a feed message without a line feed")
    kind, *fields = header.split(b" ")
    match kind[:1]:
        case b"e":
            return Entry(channel, _position(fields), unpack(body))
        case b"w":
            return Whisper(channel, unpack(body))
        case b"m":
            return _transition(channel, fields, body)
        case b"c":
            return Counted(channel, _total(fields))
        case b"t":
            return _typed(channel, fields, body)
    return None


def _position(fields: list[bytes]) -> Position:
    if len(fields) < 2:
        raise ValueError("an entry without a position")
    return Position(fields[0].decode(), _number(fields[1]))


def _total(fields: list[bytes]) -> int:
    if not fields:
        raise ValueError("a count without a number")
    return _number(fields[0])


def _number(text: bytes) -> int:
    number = int(text)
    if not 0 <= number <= MOST:
        raise ValueError("a number that is too large, or too small")
    return number


def _typed(channel: Channel, fields: list[bytes], body: bytes) -> Typed:
    try:
        return Typed(channel, _total(fields), _decode_ids(body) if body else None)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError("typists that are no list of ids") from error


def _info(text: bytes) -> str:
    try:
        _read_info(text)
    except msgspec.DecodeError as error:
        raise ValueError("user_info that is no JSON") from error
    return text.decode()


def _transition(channel: Channel, fields: list[bytes], body: bytes) -> Transition:
    if len(fields) < 3 or fields[1] not in {b"+", b"-"}:
        raise ValueError("a transition without version, sign and length")
    version, length = _number(fields[0]), _number(fields[2])
    info = _info(body[length:]) if fields[1] == b"+" else None
    return Transition(channel, version, body[:length].decode(), info)
