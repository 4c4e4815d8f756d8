"""
Tells the typists of all gateways who types on this one.

Nobody waits for that.  While they are away the newest word of each user is kept, and told when they
are back; what is over by then is not.
"""

import asyncio
import time
from collections.abc import Sequence
from itertools import islice
from math import inf

import structlog

from libs.common.channels import Channel, ChannelUser
from libs.common.parts import by_parts
from libs.common.typists.port import Typists
from services.gateway.connections.connection import Connection
from services.gateway.counters import Counters
from services.gateway.overflow import Overflow
from services.gateway.presence.distinct_queue import DistinctQueue
from services.gateway.presence.typing_users import TypingUsers
from services.gateway.protocol.effects import HasSent, Types
from services.gateway.timers import TIMERS, Timers

log = structlog.get_logger()

BATCH = 500  # Users of one round trip.
FULL = 0.9  # Of `TypingReports.LIMIT`, from which on an app may have its share (`Shares`).


class TypingReports:
    """
    The reports of one gateway.

    Args:
        typists: Know who types on whatever gateway.
        source: The gateway's name for them, the same for as long as it lives: under another one it
            could not end what it had said.
        ttl: Seconds for which a user types, unless that is said again.
        counters: Counts words that were dropped.
        timers: How long reports are gathered after each round trip, and the delays between
            attempts.
    """

    LIMIT = 10_000  # Users, each in each channel, who type here; of more nobody is told.

    def __init__(
        self,
        typists: Typists,
        *,
        source: str,
        ttl: float,
        counters: Counters,
        timers: Timers = TIMERS,
    ) -> None:
        self._typists = typists
        self._counters = counters
        self._pause = timers.gathering
        self._overflow = Overflow()
        self._users: TypingUsers[Connection] = TypingUsers(ttl, source=source, most=self.LIMIT)
        self._queue: DistinctQueue[ChannelUser] = DistinctQueue(self._report, timers)
        self._stirred = asyncio.Event()

    def __len__(self) -> int:
        """Tell how many users, each in each channel, type here or did so a moment ago."""
        return len(self._users)

    def told(self, connection: Connection, word: Types | HasSent) -> None:
        """Know that a connection's user types in a channel, does so no more, or has sent that."""
        now, typist = time.monotonic(), ChannelUser(connection.channel(word.channel), word.user_id)
        if len(self._users) < self.LIMIT * FULL:
            self._overflow.ends()
        if isinstance(word, Types) and not word.is_typing:
            self._put(self._users.stops(connection, typist.channel))
        elif self._users.has_no_room_for(typist):
            self._drop()
        elif isinstance(word, HasSent):
            self._put(self._users.has_sent(typist, now=now))
        else:
            self._put(self._users.types(connection, typist, now=now))

    def _drop(self) -> None:
        self._counters.typing_dropped += 1
        if self._overflow.begins():
            log.warning("typing.exceeded", typing=len(self._users), pace_by="begun")

    def left(self, connection: Connection, channel: Channel) -> None:
        """Know that a connection is in a channel no more: whoever typed there types no more."""
        self._put(self._users.stops(connection, channel))

    def restate(self) -> None:
        """Say everything anew: the typists may have lost it."""
        self._put(self._users.restated())

    async def settled(self) -> None:
        """Return once the typists were told everything; the caller sets the deadline."""
        await self._queue.settled()

    async def run(self) -> None:
        """Tell them until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._queue.run())
            tasks.create_task(self._look())

    async def _look(self) -> None:
        """Look after users by the clock: who goes on must be reported again."""
        while True:
            while (due := self._users.due) == inf:
                self._stirred.clear()
                await self._stirred.wait()
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            self._put(self._users.look(time.monotonic()))

    def _put(self, typists: Sequence[ChannelUser]) -> None:
        if not typists:
            return
        for typist in typists:
            self._queue.put(typist)
        self._stirred.set()

    async def _report(self, typists: list[ChannelUser]) -> list[ChannelUser]:
        """Report what stands; return of whom it must be reported again."""
        left = await by_parts(typists, self._tell, batch=BATCH)
        # Those that are told together cost a tenth of what they cost alone.
        await asyncio.sleep(self._pause)
        return left

    async def _tell(self, typists: Sequence[ChannelUser]) -> None:
        now = time.monotonic()
        due = (self._users.take_report(each, now=now) for each in typists)
        reports = [each for each in due if each is not None]
        said = [report for each in reports for report in each.reports]
        taken = iter(await self._typists.report(said))
        for each in reports:
            are_taken = list(islice(taken, len(each.reports)))
            self._put(self._users.reported(each, is_taken=all(are_taken)))
