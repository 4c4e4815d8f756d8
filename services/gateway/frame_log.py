"""
The frame log: shows frames of an app or a channel in the log, while an operator wants to see them.

A frame of a client or for one is a line; one for all subscribers of a channel is one line, with
their number.  Only so many are shown in a second, whatever is watched; those that were not are
counted, and the next line tells how many.  While nothing is watched it costs a look at `is_on`.
"""

import time
from collections.abc import Callable, Collection
from typing import Any

import structlog

from libs.common.channels import Channel
from libs.common.debugging.frames import channel_of, read, shown
from libs.common.debugging.orders import Watched
from libs.common.rates.gcra import judge

RATE = 20.0  # Frames in a second, and as many at once.

log = structlog.get_logger()


class FrameLog:
    """
    Shows frames of what is watched.

    Args:
        clock: Monotonic seconds.

    Attributes:
        is_on: Whether anything is watched.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, /) -> None:
        self._clock = clock
        self._apps: frozenset[str] = frozenset()  # Those watched as a whole.
        self._channels: frozenset[Channel] = frozenset()
        self._names: tuple[tuple[str, bytes], ...] = ()
        self._earned_at = 0.0
        self._skipped = 0
        self.is_on = False

    def watch(self, watched: Collection[Watched]) -> None:
        """Watch these, and nothing else any more."""
        self._apps = frozenset(app for app, channel in watched if not channel)
        self._channels = frozenset(Channel(*each) for each in watched if each.channel)
        self._names = tuple((app, name.encode()) for app, name in self._channels)
        self.is_on = bool(watched)

    def received(self, app: str, socket_id: str, frame: bytes) -> None:
        """Show what a client said, if it is watched."""
        found = self._of_one(app, frame)
        if found:
            log.info("frame.received", socket_id=socket_id, **self._told(*found, size=len(frame)))

    def answered(self, app: str, socket_id: str, frame: bytes) -> None:
        """Show what is said to one client, if it is watched."""
        found = self._of_one(app, frame)
        if found:
            log.info("frame.sent", socket_id=socket_id, **self._told(*found, size=len(frame)))

    def fanned_out(self, channel: Channel, frame: bytes, *, recipients: int) -> None:
        """Show what is said to so many subscribers of a channel, if it is watched."""
        is_watched = channel.app in self._apps or channel in self._channels
        if is_watched and self._may_show():
            told = self._told(channel, read(frame), size=len(frame))
            log.info("frame.sent", recipients=recipients, **told)

    def _of_one(self, app: str, frame: bytes) -> tuple[Channel, Any] | None:
        """Read a frame from or for one client, if it is watched and may be shown."""
        is_whole = app in self._apps
        if not is_whole and not any(app == a and name in frame for a, name in self._names):
            return None
        if not self._may_show():  # Before it is read: whoever sends many costs no more.
            return None
        document = read(frame)
        channel = Channel(app, channel_of(document))
        return (channel, document) if is_whole or channel in self._channels else None

    def _may_show(self) -> bool:
        wait, self._earned_at = judge(self._earned_at, now=self._clock(), rate=RATE, cost=1)
        self._skipped += bool(wait)
        return not wait

    def _told(self, channel: Channel, document: Any, *, size: int) -> dict[str, Any]:
        told = {"app": channel.app, "channel": channel.name, "size": size, "frame": shown(document)}
        if self._skipped:
            told["skipped"], self._skipped = self._skipped, 0
        return told
