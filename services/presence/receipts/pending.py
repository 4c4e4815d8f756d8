"""
Marks that subscribers are to be told of, and how often.

Pure.  Of each user and channel the newest is told, so many times a second; what was told is
remembered for a while, so that no user seems to go back.  `now` is in monotonic seconds.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from libs.common.channels import Channel
from libs.common.marks.mark import Mark
from libs.common.marks.port import Reading

PAUSE = 0.25  # Seconds between two announcements of one channel, at least.
LISTED = 500  # Marks of one announcement; more wait for the next.
REMEMBERED = 10.0  # Seconds after its last announcement for which a channel's marks are remembered.


@dataclass(slots=True)
class _ChannelMarks:
    """
    What is told of one channel.

    Attributes:
        waiting: Marks that are to be told, in the order in which their users came.
        told: Marks that were told.
        told_at: When some were last; -inf: never.
    """

    waiting: dict[str, Mark] = field(default_factory=dict)
    told: dict[str, Mark] = field(default_factory=dict)
    told_at: float = float("-inf")


class PendingMarks:
    """Marks that wait to be told; as many as the callers put there."""

    def __init__(self) -> None:
        self._rooms: dict[Channel, _ChannelMarks] = {}  # Which was told last is at the end.
        self._waiting: dict[Channel, None] = {}

    def __len__(self) -> int:
        return len(self._rooms)

    def put(self, reading: Reading) -> bool:
        """Take a mark, and tell whether it is to be told: not if a higher one was."""
        channel, user, mark = reading
        room = self._rooms.setdefault(channel, _ChannelMarks())
        known = room.waiting.get(user) or room.told.get(user)
        if known is not None and known.moved(mark) != mark:
            return user in room.waiting
        room.waiting[user] = mark
        self._waiting[channel] = None
        return True

    def due(self, now: float) -> list[Channel]:
        """Return the channels that may be told now."""
        return [channel for channel in self._waiting if self._due_at(channel) <= now]

    def next_at(self) -> float | None:
        """Tell when a channel will be due; None: nothing waits."""
        return min(map(self._due_at, self._waiting), default=None)

    def _due_at(self, channel: Channel) -> float:
        return self._rooms[channel].told_at + PAUSE

    def take(self, channel: Channel, now: float) -> dict[str, Mark]:
        """Return what is told of a channel that is due, and hold it for told."""
        room = self._rooms.pop(channel)
        self._rooms[channel] = room
        marks = dict(_first(room.waiting))
        for user in marks:
            del room.waiting[user]
        if not room.waiting:
            del self._waiting[channel]
        room.told |= marks
        room.told_at = now
        self._forget(now)
        return marks

    def _forget(self, now: float) -> None:
        while True:
            channel, room = next(iter(self._rooms.items()))
            if room.waiting or room.told_at > now - REMEMBERED:
                return
            del self._rooms[channel]


def _first(waiting: dict[str, Mark]) -> Iterator[tuple[str, Mark]]:
    for (user, mark), _ in zip(waiting.items(), range(LISTED), strict=False):
        yield user, mark
