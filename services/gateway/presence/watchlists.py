"""
Tells clients that signed in whether the users whom they watch are online, on whatever gateway.

Each user's own channel is followed once, however many watch the user.  What changes within a moment
is told in one frame.  After an outage of the bus or the roster all is read again, and clients are
told what differs from what they were told.
"""

import asyncio
import time
from collections.abc import Sequence

import structlog

from libs.common.channels import Channel, online_channel
from libs.common.parts import by_parts
from libs.common.roster.port import Roster
from services.gateway.channels.feed import Feed
from services.gateway.channels.hub import Hub
from services.gateway.connections.connection import Connection
from services.gateway.overflow import Overflow
from services.gateway.presence.distinct_queue import DistinctQueue
from services.gateway.presence.watched_users import WatchedUsers
from services.gateway.protocol import frames
from services.gateway.protocol.effects import WatchUsers, error_told
from services.gateway.protocol.limits import TooManyWatched
from services.gateway.timers import TIMERS, Timers

log = structlog.get_logger()

BATCH = 500  # Users of one round trip.
SLICE = 256  # Clients that are told before others get a turn.


class Watchlists:
    """
    The watchlists of this gateway's clients.

    Args:
        feed: Follows channels.
        roster: Knows who is online.
        hub: Keeps what is followed.
        most: How many users may be watched at a time; of more nobody is told anything.
        timers: How long changes are gathered, and the delays between attempts at the roster.
    """

    def __init__(
        self,
        feed: Feed,
        roster: Roster,
        hub: Hub[Connection],
        *,
        most: int,
        timers: Timers = TIMERS,
    ) -> None:
        self._feed = feed
        self._roster = roster
        self._hub = hub
        self._users: WatchedUsers[Connection] = WatchedUsers(most)
        self._gathering = timers.gathering
        self._reading: DistinctQueue[Channel] = DistinctQueue(self._read, timers)
        self._stirred = asyncio.Event()
        self._overflow = Overflow()

    def __len__(self) -> int:
        """Tell how many users are watched."""
        return len(self._users)

    def watch(self, connection: Connection, wanted: WatchUsers) -> None:
        """Tell a client of these users from now on, and of no others."""
        self.gone(connection)
        app = connection.session.app.id
        channels = [online_channel(app, user_id) for user_id in wanted.user_ids]
        taken = self._users.watch(connection, channels)
        for channel in taken:
            if not self._users.is_known(channel):
                self._reading.put(channel)
        if len(taken) < len(channels):
            self._refuse(connection, len(channels) - len(taken))
        self._stirred.set()

    def _refuse(self, connection: Connection, count: int) -> None:
        connection.perform([error_told(TooManyWatched(count))])
        if self._overflow.begins():
            log.warning("watchlists.exceeded", watched=len(self._users), pace_by="begun")

    def gone(self, connection: Connection) -> None:
        """Tell a client nothing more."""
        ended = self._users.unwatch(connection)
        for channel in ended:
            self._hub.unwatch(channel, now=time.monotonic())
        if ended:
            self._overflow.ends()

    def changed(self, channel: Channel) -> None:
        """Note that somebody came to a user's own channel, or went from it."""
        self._users.learn(channel, is_online=bool(self._hub.members(channel)))
        self._stirred.set()

    def restate(self) -> None:
        """Read again who is online: something may have been missed."""
        for channel in self._users.channels():
            self._reading.put(channel)

    async def run(self) -> None:
        """Tell until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._reading.run())
            tasks.create_task(self._tell())

    async def _read(self, channels: list[Channel]) -> list[Channel]:
        """Find out who is online; return of whom it must be asked again."""
        left: list[Channel] = []
        for start in range(0, len(channels), BATCH):
            batch = [each for each in channels[start : start + BATCH] if each in self._users]
            async with self._feed.following(batch) as followed:
                for channel in followed:
                    self._hub.watch(channel)
                left += [channel for channel in batch if channel not in followed]
                there = [channel for channel in batch if channel in followed]
                left += await by_parts(there, self._read_members, batch=BATCH)
            self._let_go(batch)
        self._users.miss(left)
        self._stirred.set()
        return left

    def _let_go(self, channels: Sequence[Channel]) -> None:
        """Keep nothing of whom nobody watches any more."""
        for channel in channels:
            if channel not in self._users:
                self._hub.unwatch(channel, now=time.monotonic())

    async def _read_members(self, channels: Sequence[Channel]) -> None:
        known = {channel: self._hub.version(channel) for channel in channels}
        answers = await self._roster.members(channels)
        for channel, members in zip(channels, answers, strict=True):
            self._hub.snapshot(channel, members, known=known[channel])
            self.changed(channel)

    async def _tell(self) -> None:
        while True:
            await self._stirred.wait()
            await asyncio.sleep(self._gathering)
            self._stirred.clear()
            for number, connection in enumerate(self._users.stirred(), start=1):
                self._write(connection)
                if number % SLICE == 0:
                    await asyncio.sleep(0)

    def _write(self, connection: Connection) -> None:
        online, offline = self._users.news(connection)
        if online or offline:
            connection.send(frames.watchlist_events(online, offline))
