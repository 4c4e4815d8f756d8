"""
Reads who types in channels that this gateway begins to follow, for their newcomers.

From then on the feed tells of every change.  Newcomers do not wait for the answer: it is told to
all who are subscribed by then, right after their subscription was confirmed.  After an outage all
is read again, and who is subscribed is told what differs from what it was told.
"""

import asyncio
import time
from collections.abc import Collection, Sequence

from libs.common.bus.messages import Broadcast
from libs.common.channels import Channel
from libs.common.parts import by_parts
from libs.common.typists.port import Typing, Typists
from services.gateway.channels.feed import Feed
from services.gateway.channels.hub import Hub
from services.gateway.connections.connection import Connection
from services.gateway.presence.distinct_queue import DistinctQueue
from services.gateway.protocol import frames
from services.gateway.timers import TIMERS, Timers

BATCH = 500  # Channels of one round trip.


class TypingLists:
    """
    The lists of the channels that are followed here.

    Args:
        typists: Know who types on whatever gateway.
        feed: Tells subscribers.
        hub: Keeps the list of each channel that is followed.
        is_on: Whether anybody ever types.
        timers: How long channels are gathered after each round trip, for those that are read
            together cost a tenth; and the delays between attempts while the typists are away.
    """

    def __init__(
        self,
        typists: Typists,
        feed: Feed,
        hub: Hub[Connection],
        *,
        is_on: bool,
        timers: Timers = TIMERS,
    ) -> None:
        self._typists = typists
        self._feed = feed
        self._hub = hub
        self._is_on = is_on
        self._pause = timers.gathering
        self._queue: DistinctQueue[Channel] = DistinctQueue(self._read, timers)

    def followed(self, channels: Collection[Channel]) -> None:
        """Know that channels are followed from now on."""
        if self._is_on:
            for channel in channels:
                if channel.tells_of_users:
                    self._queue.put(channel)

    def restate(self) -> None:
        """Read all again: something may have been missed."""
        self.followed([room.channel for room in self._hub.rooms()])

    async def run(self) -> None:
        """Read until cancelled."""
        await self._queue.run()

    async def _read(self, channels: list[Channel]) -> list[Channel]:
        """Read lists; return of which channels that must be done again."""
        left = await by_parts(channels, self._read_some, batch=BATCH)
        await asyncio.sleep(self._pause)
        return left

    async def _read_some(self, channels: Sequence[Channel]) -> None:
        rooms = [room for room in map(self._hub.room, channels) if room is not None]
        if not rooms:
            return
        known = {room.channel: room.lists for room in rooms}
        answers = await self._typists.typing(list(known))
        for (channel, lists), typing in zip(known.items(), answers, strict=True):
            await self._take(channel, typing, known=lists)

    async def _take(self, channel: Channel, typing: Typing, *, known: int) -> None:
        if not (typing.count or typing.was_told or self._hub.has_list(channel)):
            return
        frame = frames.typing(channel.name, typing.count, typing.user_ids)
        if self._hub.list_read(channel, frame, known=known):
            await self._feed.announce(channel, [Broadcast(frame, time.time())])
