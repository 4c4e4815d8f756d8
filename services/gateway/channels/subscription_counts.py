"""
How many subscribe to a channel, and when its subscribers are told.

Pure.  Callers pass ``now`` in monotonic seconds.  Source: Pusher, "Subscription counting": a small
channel is told of each change, a large one at most every `PAUSE` seconds, and then of the newest
number.
"""

from libs.common.channels import Channel
from libs.common.tally.port import LARGE, PAUSE


class SubscriptionCounts:
    """
    Who is told what, and when.

    Remembers large channels alone, each for `PAUSE` seconds after it was told.
    """

    def __init__(self) -> None:
        self._told: dict[Channel, float] = {}  # When each was told last, in ascending order.
        self._waiting: dict[Channel, int] = {}

    def __len__(self) -> int:
        """Tell how many channels are remembered."""
        return len(self._told.keys() | self._waiting.keys())

    def counted(self, channel: Channel, total: int, *, now: float) -> bool:
        """Take a new number; tell whether subscribers shall hear it now."""
        if total <= LARGE:
            self._waiting.pop(channel, None)
            return True
        if channel in self._told:
            self._waiting[channel] = total
            return False
        self._told[channel] = now
        return True

    def due(self, *, now: float) -> list[tuple[Channel, int]]:
        """Return the channels that may be told again and have changed, with their numbers."""
        due: list[tuple[Channel, int]] = []
        while self._told and now - self._told[oldest := next(iter(self._told))] >= PAUSE:
            del self._told[oldest]
            if (total := self._waiting.pop(oldest, None)) is not None:
                due.append((oldest, total))
                self._told[oldest] = now
        return due
