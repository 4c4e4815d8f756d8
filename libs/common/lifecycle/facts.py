"""
Facts: what became of channels, members and users, as values.

Pure.  The kinds are those of Pusher's webhooks (docs/protocol.md, "Webhooks"), and some of our own:
``user_online``, ``user_offline`` and ``message_read``.  ``client_read`` is what a client says of
its user before it is known whether a mark moves; nobody else is told.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, get_args

import msgspec

ToldKind = Literal[
    "channel_occupied",
    "channel_vacated",
    "member_added",
    "member_removed",
    "user_online",
    "user_offline",
    "client_event",
    "cache_miss",
    "subscription_count",
    "message_read",
]
Kind = ToldKind | Literal["client_read"]

KINDS: tuple[ToldKind, ...] = get_args(ToldKind)
KNOWN_KINDS: frozenset[Kind] = frozenset({*KINDS, "client_read"})
ABOUT_USERS: frozenset[Kind] = frozenset({"user_online", "user_offline"})

# What a fact tells the state of: the last one tells all that still matters.  As ``facts.lua`` has.
_STATES: Mapping[Kind, str] = {
    "channel_occupied": "occupancy",
    "channel_vacated": "occupancy",
    "member_added": "membership",
    "member_removed": "membership",
    "user_online": "online",
    "user_offline": "online",
    "subscription_count": "count",
    "message_read": "mark",
    "client_read": "word",  # What a client says of a mark.
}


class Stream(NamedTuple):
    """
    Where facts are recorded: those of one app in one partition, in the order of the decisions.

    All facts about one channel are in one stream, and so are all about one user.

    Attributes:
        app: The app's id.
        partition: Of the deployment's keys; 0 in memory.
    """

    app: str
    partition: int


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """
    Something that became so.

    Attributes:
        kind: What.
        app: The app's id.
        at: When it was decided, in UTC epoch seconds; 0: whoever records it says when.
        channel: The channel's name; empty where it is about a user.
        user: The user's id: who became a member or none, came online or went offline, has read, or
            sent the client event if that is known; else empty.
        event: The name of the client event.
        data: The data of the client event, as it was sent; how far the user has read, as a text.
        socket_id: Which connection sent the client event.
        count: How many subscriptions the channel has now.
    """

    kind: Kind
    app: str
    at: float = 0.0
    channel: str = ""
    user: str = ""
    event: str = ""
    data: str = ""
    socket_id: str = ""
    count: int = 0

    @property
    def subject(self) -> tuple[str, str, str] | None:
        """What it tells the state of, and the next one of the same subject tells anew, if so."""
        state = _STATES.get(self.kind)
        return None if state is None else (state, self.channel, self.user)


@dataclass(frozen=True, slots=True)
class Recorded:
    """
    A fact that is recorded, and where it stands.

    Attributes:
        stream: Its stream.
        number: Counts up by one with each fact of the stream, and never begins anew while the
            stream is remembered.
        epoch: Which beginning of the stream the number counts from: differs after data were lost.
        fact: What became so.
        after_gap: Whether facts about the same subject before it may have been left out.
    """

    stream: Stream
    number: int
    epoch: str
    fact: Fact
    after_gap: bool = field(default=False, compare=False)

    @property
    def id(self) -> str:
        """A name that no other record has, and that the same record always has."""
        return f"{self.stream.app}-{self.stream.partition}-{self.epoch}-{self.number}"
