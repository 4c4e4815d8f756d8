"""What a listener of the bus on Redis follows, and what it hears of that."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import structlog

from libs.common.bus.inbox import Inbox
from libs.common.bus.messages import Entry, Position
from libs.common.bus.wire import decode
from libs.common.channels import Channel
from libs.common.redis.unreadable import note_passed

log = structlog.get_logger()


@dataclass(slots=True, eq=False)
class Followed:
    """
    A channel that is followed.

    Attributes:
        channel: The channel itself.
        claims: How many calls of `follow` are under way or have succeeded.
        epoch: Of the last entry heard.
        offset: Of the last entry heard.
        at: The server where it is heard; empty: nowhere, or it does not matter.
    """

    channel: Channel
    claims: int = 0
    epoch: str = ""
    offset: int = 0
    at: str = ""

    def passes(self, position: Position) -> bool:
        """
        Note an entry, unless one with a higher offset came over the same connection before.

        While a slot of a cluster moves, what the former node published can arrive last.  Then it
        counts as missing, which the higher offset told.
        """
        if position.epoch == self.epoch and position.offset <= self.offset:
            return False
        self.epoch, self.offset = position.epoch, position.offset
        return True

    def begin_anew(self) -> None:
        """Forget what was heard: after a failover, offsets may have gone back."""
        self.epoch, self.offset = "", 0


class Following:
    """
    The channels that a listener follows, by their feeds.

    Args:
        name_feed: Names the feed of a channel.
        inbox: Where deliveries wait.

    Attributes:
        feeds: All that are followed.
        heard: Messages until now, also of other feeds.
        unreadable: Messages that could not be read, or are of a kind not known here.
    """

    def __init__(self, name_feed: Callable[[Channel], str], inbox: Inbox) -> None:
        self._name_feed = name_feed
        self._inbox = inbox
        self.feeds: dict[bytes, Followed] = {}
        self.heard = 0
        self.unreadable = 0

    def claim(self, channels: Collection[Channel]) -> dict[bytes, Followed]:
        """Follow channels, and each once more that is followed already; `give_up` takes it back."""
        named = {self._name_feed(channel).encode(): channel for channel in channels}
        claimed = {}
        for feed, channel in named.items():
            claimed[feed] = followed = self.feeds.setdefault(feed, Followed(channel))
            followed.claims += 1
        return claimed

    def give_up(self, claimed: Mapping[bytes, Followed]) -> list[bytes]:
        """Take back claims, and return the feeds that have none any more."""
        for followed in claimed.values():
            followed.claims -= 1
        return [
            feed
            for feed, followed in claimed.items()
            if not followed.claims and self.feeds.get(feed) is followed
        ]

    def named(self, channels: Collection[Channel]) -> list[bytes]:
        """Name the feeds of channels."""
        return [self._name_feed(channel).encode() for channel in channels]

    def hear(self, feed: bytes, message: bytes) -> None:
        """Put into the inbox what a message of a feed says."""
        self.heard += 1
        followed = self.feeds.get(feed)
        if followed is None:  # A service's feed, or a channel that was left meanwhile.
            return
        try:
            delivery = decode(followed.channel, message)
        except ValueError as error:
            self._skip(followed.channel, message, reason=type(error).__name__)
            return
        if delivery is not None:
            if not isinstance(delivery, Entry) or followed.passes(delivery.position):
                self._inbox.put(delivery)
            return
        self._skip(followed.channel, message, reason="of a kind that is not known")

    def _skip(self, channel: Channel, message: bytes, *, reason: str) -> None:
        self.unreadable += 1
        note_passed("message")
        log.warning(
            "bus.message_skipped",
            reason=reason,
            app=channel.app,
            channel=channel.name,
            start=message[:2],
            pace_by="message",
        )
