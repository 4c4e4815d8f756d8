"""
What travels over the bus: finished frames, and what gateways must know of them.

Pure.  A frame is the whole text of a Pusher message, produced once by whoever publishes it and
written to sockets as it is.  Its envelope carries the rest in a JSON header: readers ignore header
fields they do not know, and a reader that meets a newer `VERSION` of the envelope than its own
still reads what it knows.

``gc=False`` stands where no value can refer to what refers to it, so that the garbage collector
need not look: histories keep these by the thousand.
"""

import msgspec

from libs.common.channels import Channel
from libs.common.json_text import write

VERSION = 1
# Ends the epoch of an origin, and no other: the rest of both is made of digits up to f.
ORIGIN = "o"


class Audited(msgspec.Struct, frozen=True, array_like=True):
    """
    What the audit log is to say of a broadcast wherever it is written to sockets.

    Attributes:
        id: The event's id.
        record: Where the log has it: topic, partition and offset.
        name: The name of the event, as subscribers are told it.
        bytes: The size of the data that they are told.
    """

    id: str
    record: str
    name: str
    bytes: int


class _EventFrame(msgspec.Struct, frozen=True, omit_defaults=True):
    event: str
    channel: str
    data: str | msgspec.Raw | None = None
    user_id: str | None = None


class _Header(msgspec.Struct, frozen=True, omit_defaults=True):
    at: float
    v: int
    x: tuple[str, ...] = ()
    t: str = ""
    a: Audited | None = None
    e: float = 0.0


_encode_header = msgspec.json.Encoder().encode
_decode_header = msgspec.json.Decoder(_Header).decode


class Broadcast(msgspec.Struct, frozen=True, gc=False):
    """
    An event for a channel, ready to be written.

    Attributes:
        frame: The text of the Pusher message, UTF-8.
        published_at: When it was published, UTC epoch seconds.
        excluded: Socket ids that must not receive it: its originators.
        trace: W3C ``traceparent``, or empty.
        audited: What the audit log is to say of it; None: it says nothing.
        occurred_at: When the event of the log happened that it tells of, UTC epoch seconds, by
            whoever produced it; 0: it comes from elsewhere, or from a former release.
    """

    frame: bytes
    published_at: float
    excluded: tuple[str, ...] = ()
    trace: str = ""
    audited: Audited | None = None
    occurred_at: float = 0.0


class Position(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """
    A place in a channel's history.

    A channel without a history has the position of an *origin*, which channels share and for which
    nothing is stored.  The history that begins with its first entry has an epoch of its own: the
    origin's, and behind it what no other life has.

    Attributes:
        epoch: Which life of the history: another epoch means that offsets start anew.
        offset: How many entries the history has seen; 0 before the first.
    """

    epoch: str
    offset: int

    def leads_to(self, epoch: str) -> bool:
        """Tell whether a life is this one, or was born since of this origin."""
        return epoch == self.epoch or (
            self.offset == 0 and self.epoch.endswith(ORIGIN) and epoch.startswith(self.epoch)
        )


class Source(msgspec.Struct, frozen=True, gc=False):
    """
    Where a broadcast comes from, so that a repeated publish is recognised.

    Attributes:
        name: The ordered log it was read from, such as ``kafka/orders/3``.
        sequence: Its place there; of one source and channel, published in ascending order.
        timestamp: When the log took it, UTC epoch seconds.  A lower sequence with a newer timestamp
            means that the log was made anew, and is not a repetition.
    """

    name: str
    sequence: int
    timestamp: float


class Publication(msgspec.Struct, frozen=True, gc=False):
    """
    A broadcast and its channel.

    Attributes:
        channel: Where it goes.
        broadcast: What is published.
        source: Where it comes from, if a log was its source.
        token: What its publisher calls it, to have it published once; empty: each publish is
            another.
    """

    channel: Channel
    broadcast: Broadcast
    source: Source | None = None
    token: str = ""


class Entry(msgspec.Struct, frozen=True, gc=False):
    """A broadcast of the history as it reaches a listener."""

    channel: Channel
    position: Position
    broadcast: Broadcast


class Cached(msgspec.Struct, frozen=True):
    """
    The last entry of a cache channel.

    Attributes:
        entry: What was published last.
        ttl: Seconds for which it is still kept.
    """

    entry: Entry
    ttl: float


class Whisper(msgspec.Struct, frozen=True, gc=False):
    """A broadcast that is in no history: sent at most once, to who listens now."""

    channel: Channel
    broadcast: Broadcast


class Transition(msgspec.Struct, frozen=True):
    """
    A user's first connection joined a presence channel, or the last one left.

    Attributes:
        version: The version of the channel's members after it; each transition raises it by one.
        user_id: The user who joined or left.
        info: ``user_info`` as JSON text where the user joined; None where it left.
    """

    channel: Channel
    version: int
    user_id: str
    info: str | None


class Counted(msgspec.Struct, frozen=True):
    """The number of a channel's subscriptions changed; `total` is that of all gateways."""

    channel: Channel
    total: int


class Typed(msgspec.Struct, frozen=True):
    """
    Who is typing in a channel changed.

    Attributes:
        channel: The channel.
        count: How many users are typing.
        user_ids: Their ids, sorted; None: only their number is told.
    """

    channel: Channel
    count: int
    user_ids: tuple[str, ...] | None


class Interrupted(msgspec.Struct, frozen=True):
    """
    The listener was cut off or overrun: anything may have been missed of what it follows.

    Attributes:
        channels: Those of which something may have been missed; None: all that it follows.
    """

    channels: frozenset[Channel] | None = None


Delivery = Entry | Whisper | Transition | Counted | Typed | Interrupted


def event_frame(
    channel: str, event: str, data: str | msgspec.Raw | None, *, user_id: str | None = None
) -> bytes:
    """
    Serialise an event for subscribers.

    Args:
        channel: The name of the channel.
        event: The name of the event.
        data: The publisher's text, passed on unchanged as a JSON string (Pusher, "Double
            encoding"); None leaves it out.  Where several frames have the same text it may be
            that JSON string already, by `json_text.write`: most of a frame's cost is to escape it.
        user_id: The user who sent it; only for client events on presence channels.
    """
    return write(_EventFrame(event, channel, data, user_id))


def pack(broadcast: Broadcast) -> bytes:
    """Put a broadcast into its envelope: a JSON header, a line feed, the frame."""
    header = _Header(
        broadcast.published_at,
        VERSION,
        x=broadcast.excluded,
        t=broadcast.trace,
        a=broadcast.audited,
        e=broadcast.occurred_at,
    )
    return _encode_header(header) + b"\n" + broadcast.frame


def unpack(envelope: bytes) -> Broadcast:
    """
    Take a broadcast out of its envelope.

    Raises:
        ValueError: The bytes are no envelope.
    """
    header, found, frame = envelope.partition(b"\n")
    if not found:
        raise ValueError("an envelope without a line feed")
    try:
        known = _decode_header(header)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError("an envelope with an unreadable header") from error
    if not frame.isascii():
        frame.decode()  # A client would close at what is not UTF-8 (RFC 6455, 8.1).
    return Broadcast(frame, known.at, known.x, known.t, known.a, known.e)
