"""
Marks that subscribers are to be told of, and how often.

Pure.  Of each user and channel the newest is told, so many times a second; what was told is
remembered for a while, so that no user seems to go back.  `now` is in monotonic seconds.
"""

from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import islice

from libs.common.channels import Channel
from libs.common.marks.mark import Mark
from libs.common.marks.port import Reading

PAUSE = 0.25  # Seconds between two announcements of one channel, at least.
LISTED = 500  # Marks of one announcement; more wait for the next.
REMEMBERED = 10.0  # Seconds for which a mark that was told is remembered.


@dataclass(slots=True)
class _ChannelMarks:
    """
    What is told of one channel.

    Attributes:
        waiting: Marks that are to be told, in the order in which their users came.
        told: Marks that were told, each with when; the oldest first.
        told_at: When some were last; -inf: never.
        is_under_way: Whether it is not known yet that those were.
    """

    waiting: dict[str, Mark] = field(default_factory=dict)
    told: dict[str, tuple[Mark, float]] = field(default_factory=dict)
    told_at: float = float("-inf")
    is_under_way: bool = False

    def known(self, user: str) -> Mark | None:
        """Return the newest mark of a user that is told, or will be."""
        return self.waiting.get(user) or self.told.get(user, (None, 0.0))[0]

    def take(self, now: float) -> dict[str, Mark]:
        """Hold those that came first for told; forget what was told long ago."""
        marks = dict(islice(self.waiting.items(), LISTED))
        for user, mark in marks.items():
            del self.waiting[user]
            self.told.pop(user, None)
            self.told[user] = mark, now
        self.told_at, self.is_under_way = now, True
        while self.told[oldest := next(iter(self.told))][1] <= now - REMEMBERED:
            del self.told[oldest]
        return marks


class PendingMarks:
    """Marks that wait to be told; as many as the callers put there."""

    def __init__(self) -> None:
        self._rooms: dict[Channel, _ChannelMarks] = {}  # Which was told last is at the end.
        # A heap of the channels that may be told, and when.
        self._due: list[tuple[float, Channel]] = []

    def __len__(self) -> int:
        """Tell of how many channels something is known."""
        return len(self._rooms)

    def put(self, reading: Reading) -> bool:
        """Take a mark, and tell whether it is to be told: not if a higher one was."""
        channel, user, mark = reading
        room = self._rooms.setdefault(channel, _ChannelMarks())
        known = room.known(user)
        if known is not None and known.moved(mark) != mark:
            return user in room.waiting
        if not room.waiting and not room.is_under_way:
            self._await(channel, room)
        room.waiting[user] = mark
        return True

    def _await(self, channel: Channel, room: _ChannelMarks) -> None:
        heappush(self._due, (room.told_at + PAUSE, channel))

    def next_at(self) -> float | None:
        """Tell when a channel will be due; None: nothing waits, but for what is under way."""
        return self._due[0][0] if self._due else None

    def take(self, now: float) -> tuple[Channel, dict[str, Mark]] | None:
        """
        Return what is told of a channel that is due, and hold it for told.

        Nothing more of the channel is due until this is `over`; None: no channel is.
        """
        if not self._due or self._due[0][0] > now:
            return None
        _, channel = heappop(self._due)
        room = self._rooms[channel] = self._rooms.pop(channel)
        marks = room.take(now)
        self._forget(now)
        return channel, marks

    def over(self, channel: Channel) -> None:
        """Know that what was taken was told, or could not be."""
        room = self._rooms[channel]
        room.is_under_way = False
        if room.waiting:
            self._await(channel, room)

    def _forget(self, now: float) -> None:
        while True:
            channel, room = next(iter(self._rooms.items()))
            if room.waiting or room.is_under_way or room.told_at > now - REMEMBERED:
                return
            del self._rooms[channel]
