"""
Who is subscribed to what on this gateway, how far each channel is, and who gets a frame.

Pure.  The hub is told of subscribers and of deliveries in their order; it answers with what to fan
out, and where something is missing.  It knows subscribers only as objects with a socket id.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from typing import Generic, Protocol, TypeVar

import msgspec

from libs.common.bus.messages import Broadcast, Cached, Entry, Position, Transition
from libs.common.channels import Channel
from libs.common.roster.port import Members
from services.gateway.channels.mirror import UNCHANGED, Diff, Gap, Mirror
from services.gateway.protocol import frames

MAX_EARLY = 1000


class Subscriber(Protocol):
    """A connection, as the hub sees it."""

    @property
    def socket_id(self) -> str:
        """Its name."""


S = TypeVar("S", bound=Subscriber)


class Disposition(Enum):
    """What to do with an entry or a transition."""

    DELIVER = "deliver"
    IGNORE = "ignore"
    REPAIR = "repair"


@dataclass(frozen=True, slots=True)
class Last:
    """
    What newcomers to a cache channel are sent.

    Attributes:
        frame: The last event; None where there is none.
        expires_at: Until when it is sent, UTC epoch seconds.
        is_coming: It is on its way to all subscribers, so that newcomers need nothing else.
    """

    frame: bytes | None = None
    expires_at: float = 0.0
    is_coming: bool = False

    def misses(self, now: float) -> bool:
        """Tell whether a newcomer has to be told that nothing is kept."""
        return not self.is_coming and (self.frame is None or self.expires_at <= now)


@dataclass(slots=True)
class Room(Generic[S]):
    """
    A channel that somebody here is subscribed to, or was a moment ago.

    Attributes:
        channel: The channel that is followed.
        position: Up to where its entries were delivered here.
        subscribers: Those who are subscribed, in the order in which they came.
        mirror: Its members, if it is a presence channel that was joined.
        early: Transitions that came before the first snapshot, in order, the newest `MAX_EARLY`;
            None: none came.
        last: What newcomers to a cache channel are sent; None where that is not known.
        view: The frame that shows its members to newcomers; None until it is needed again.
        typing: The frame that tells newcomers who types; None: nothing need be told.
        lists: How many lists of who types the bus has brought.
        active: Whether an entry was delivered since the last position check.
        is_watched: Whether it is followed whether or not anybody is subscribed.
        empty_at: Since when it has no subscriber and is not watched, monotonic seconds.
        keeps_last: Whether it is a cache channel.
    """

    channel: Channel
    position: Position
    subscribers: dict[S, None] = field(default_factory=dict)
    mirror: Mirror | None = None
    early: deque[Transition] | None = None
    last: Last | None = None
    view: bytes | None = None
    typing: bytes | None = None
    lists: int = 0
    active: bool = False
    is_watched: bool = False
    empty_at: float = 0.0
    keeps_last: bool = field(init=False)

    def __post_init__(self) -> None:
        self.keeps_last = self.channel.is_cache


class Fanout(msgspec.Struct, Generic[S], frozen=True):
    """
    Frames of one channel that are written together.

    Attributes:
        channel: Whose they are.
        subscribers: Those who get the frames.
        broadcasts: The frames, in order.
    """

    channel: Channel
    subscribers: tuple[S, ...]
    broadcasts: tuple[Broadcast, ...]

    def excluded(self) -> dict[S, tuple[Broadcast, ...]]:
        """Return the subscribers that must not get everything, with what they get."""
        names = {name for broadcast in self.broadcasts for name in broadcast.excluded}
        if not names:
            return {}
        return {
            subscriber: tuple(b for b in self.broadcasts if subscriber.socket_id not in b.excluded)
            for subscriber in self.subscribers
            if subscriber.socket_id in names
        }

    def recipients(self, broadcast: Broadcast) -> int:
        """Count the subscribers that get one of the broadcasts."""
        left_out = sum(each.socket_id in broadcast.excluded for each in self.subscribers)
        return len(self.subscribers) - left_out


class Hub(Generic[S]):
    """
    The rooms of this gateway.

    Args:
        cache_ttl: Seconds for which the last event of a cache channel is sent to newcomers.
    """

    def __init__(self, cache_ttl: float = 1800.0) -> None:
        self._cache_ttl = cache_ttl
        self._rooms: dict[Channel, Room[S]] = {}

    def room(self, channel: Channel) -> Room[S] | None:
        """Return a channel's room, if it is followed here."""
        return self._rooms.get(channel)

    def rooms(self) -> tuple[Room[S], ...]:
        """Return all rooms."""
        return tuple(self._rooms.values())

    def open(self, channel: Channel, position: Position, *, now: float) -> Room[S]:
        """Begin to follow a channel at a position; one that is followed already stays as it is."""
        room = self._rooms.get(channel)
        if room is None:
            room = self._rooms[channel] = Room(channel, position, empty_at=now)
        return room

    def close(self, channel: Channel) -> None:
        """Follow a channel no longer."""
        self._rooms.pop(channel, None)

    def idle(self, *, since: float) -> list[Channel]:
        """Name the channels that nobody has been subscribed to, or watched, since an instant."""
        return [
            room.channel
            for room in self._rooms.values()
            if not (room.subscribers or room.is_watched) and room.empty_at <= since
        ]

    def subscribe(self, channel: Channel, subscriber: S) -> None:
        """Add a subscriber to a channel that is followed."""
        self._rooms[channel].subscribers[subscriber] = None

    def unsubscribe(self, channel: Channel, subscriber: S, *, now: float) -> None:
        """Take a subscriber off a channel."""
        room = self._rooms.get(channel)
        if room is not None:
            room.subscribers.pop(subscriber, None)
            room.empty_at = now

    def watch(self, channel: Channel) -> None:
        """Keep a channel that is followed, whether or not anybody is subscribed to it."""
        self._rooms[channel].is_watched = True

    def unwatch(self, channel: Channel, *, now: float) -> None:
        """Keep a channel no longer than for its subscribers."""
        room = self._rooms.get(channel)
        if room is not None:
            room.is_watched = False
            room.empty_at = now

    def judge(self, entry: Entry) -> Disposition:
        """Place an entry: it is the next, or is old, or others are missing before it."""
        room = self._rooms.get(entry.channel)
        if room is None:
            return Disposition.IGNORE
        known, new = room.position, entry.position
        if not known.leads_to(new.epoch) or new.offset > known.offset + 1:
            return Disposition.REPAIR
        if new.offset <= known.offset:
            return Disposition.IGNORE
        room.active = True
        self.advance(room, entry)
        return Disposition.DELIVER

    def advance(self, room: Room[S], entry: Entry) -> None:
        """Note that an entry is delivered now: it is the channel's last."""
        room.position = entry.position
        if room.keeps_last:
            room.last = self._last(entry)

    def _last(self, entry: Entry) -> Last:
        return Last(entry.broadcast.frame, entry.broadcast.published_at + self._cache_ttl)

    def is_ready(self, channel: Channel) -> bool:
        """Tell whether a channel is followed, and what its newcomers are sent is known."""
        room = self._rooms.get(channel)
        return room is not None and (room.last is not None or not room.keeps_last)

    def remember(self, channel: Channel, cached: Cached | None, *, asked_at: Position) -> None:
        """
        Take what the bus keeps of a cache channel, unless its position moved meanwhile.

        Args:
            channel: The cache channel.
            cached: Its last event; None: the bus keeps none.
            asked_at: The channel's position here when the bus was asked.
        """
        room = self._rooms.get(channel)
        if room is None or room.last is not None or room.position != asked_at:
            return
        if cached is None:
            room.last = Last()
            return
        # Of another life of the history nothing was delivered yet, and all will be.
        position = cached.entry.position
        is_ahead = not asked_at.leads_to(position.epoch) or position.offset > asked_at.offset
        room.last = Last(is_coming=True) if is_ahead else self._last(cached.entry)

    def skip_to(self, room: Room[S], position: Position) -> None:
        """Go on from a position; what comes before it is lost, perhaps also the last event."""
        room.position = position
        room.last = None

    def greeting(self, channel: Channel, *, now: float) -> tuple[bytes, ...]:
        """
        Return what a newcomer to a channel is sent after it was admitted.

        Args:
            channel: A channel that is ready, see `is_ready`.
            now: UTC epoch seconds.
        """
        room = self._rooms[channel]
        typing = (room.typing,) if room.typing is not None else ()
        if room.last is None or room.last.is_coming:
            return typing
        if room.last.frame is None or room.last.misses(now):
            return (frames.cache_miss(channel.name), *typing)
        return (room.last.frame, *typing)

    def list_told(self, channel: Channel, frame: bytes) -> bool:
        """
        Take a list of who types, as the bus has brought it.

        Args:
            channel: Where they type.
            frame: What subscribers are told.

        Returns:
            Whether they were told something else, or nothing, until now.
        """
        room = self._rooms.get(channel)
        if room is None:
            return False
        room.lists += 1
        before, room.typing = room.typing, frame
        return frame != before

    def has_list(self, channel: Channel) -> bool:
        """Tell whether newcomers to a channel are told who types, were it nobody."""
        room = self._rooms.get(channel)
        return room is not None and room.typing is not None

    def list_read(self, channel: Channel, frame: bytes, *, known: int) -> bool:
        """
        Take a list of who types as read from the typists; see `list_told`.

        Args:
            channel: Where they type.
            frame: What subscribers are told.
            known: The room's `lists` when the typists were asked.  What the bus has brought since
                may be newer than the answer; where it is not, it brings another list.
        """
        room = self._rooms.get(channel)
        if room is None or room.lists != known:
            return False
        before, room.typing = room.typing, frame
        return frame != before

    def transition(self, transition: Transition) -> Diff | None:
        """
        Take a transition.

        Returns:
            What changed; None where one before it is missing.
        """
        room = self._rooms.get(transition.channel)
        if room is None:
            return UNCHANGED
        if room.mirror is None:
            room.early = room.early or deque(maxlen=MAX_EARLY)
            room.early.append(transition)
            return UNCHANGED
        try:
            diff = room.mirror.apply(transition)
        except Gap:
            return None
        if diff is not UNCHANGED:
            room.view = None
        return diff

    def version(self, channel: Channel) -> int:
        """Return the version of a presence channel's members; 0 if they are not known yet."""
        room = self._rooms.get(channel)
        return room.mirror.version if room and room.mirror else 0

    def snapshot(self, channel: Channel, members: Members, *, known: int) -> Diff:
        """
        Take the members of a presence channel as read from the roster.

        Args:
            channel: A presence channel that is followed.
            members: The members, as the roster knows them.
            known: The `version` when the roster was asked.

        Returns:
            What changed; nothing the first time.
        """
        room = self._rooms[channel]
        room.view = None
        if room.mirror is not None:
            return room.mirror.reconcile(members, known=known)
        room.mirror = Mirror(members)
        with suppress(Gap):  # What is missing now is missing again at the next transition.
            for transition in room.early or ():
                room.mirror.apply(transition)
        room.early = None
        return UNCHANGED

    def members(self, channel: Channel) -> Mapping[str, str]:
        """Return the members of a presence channel, as its mirror has them."""
        mirror = self._rooms[channel].mirror
        return mirror.infos if mirror else {}

    def view(self, channel: Channel) -> bytes:
        """
        Return the frame that shows a newcomer the members of a presence channel.

        It is composed once for all who come between two changes: in a large channel that takes
        longer than all the rest of their coming.
        """
        room = self._rooms[channel]
        if room.view is None:
            room.view = frames.joined(channel.name, self.members(channel))
        return room.view

    def fanout(self, channel: Channel, broadcasts: Iterable[Broadcast]) -> Fanout[S] | None:
        """Name who gets these broadcasts now; None if nobody does."""
        room = self._rooms.get(channel)
        if room is None or not room.subscribers:
            return None
        return Fanout(channel, tuple(room.subscribers), tuple(broadcasts))


def announcements(
    channel: str, diff: Diff, *, now: float, excluded: tuple[str, ...] = ()
) -> list[Broadcast]:
    """
    Put a diff into frames: who left, then who joined.

    Args:
        channel: The channel's name.
        diff: Who left, and who joined.
        now: UTC epoch seconds.
        excluded: Socket ids of those who know already.
    """
    left = [frames.member_removed(channel, user_id) for user_id in diff.leaves]
    joined = [frames.member_added(channel, user_id, info) for user_id, info in diff.joins.items()]
    return [Broadcast(frame, now, excluded) for frame in left + joined]
