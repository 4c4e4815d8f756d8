"""
Passes on how far clients' users have read, to whoever keeps the marks: the presence service.

What is said goes into the stream of facts, the newest of each user and channel at a time.  Nobody
waits for that; while the stream is away it is kept, and told when it is back.  What a client goes
on saying is passed on now and then: it may have been forgotten, or refused, meanwhile.
"""

import time
from collections.abc import Sequence

import structlog

from libs.common.channels import ChannelUser
from libs.common.fairness.shares import Shares
from libs.common.lifecycle.facts import Fact
from libs.common.lifecycle.port import Lifecycle
from libs.common.marks.mark import Mark
from libs.common.parts import by_parts
from services.gateway.connections.connection import Connection
from services.gateway.counters import Counters
from services.gateway.overflow import Overflow
from services.gateway.presence.distinct_queue import DistinctQueue
from services.gateway.protocol.effects import HasRead
from services.gateway.timers import TIMERS, Timers

log = structlog.get_logger()

BATCH = 500  # Marks of one call.


class MarkReports:
    """
    Marks on their way.

    Args:
        lifecycle: Keeps the stream.
        counters: Counts marks that were dropped.
        timers: For how long marks are gathered, and the delays between attempts.
    """

    # Users, each in each channel, whose marks wait; those of others are dropped.  How many of them
    # are of one app, see `Shares`.  Of as many it is known what was passed on.
    LIMIT = 10_000

    def __init__(
        self, lifecycle: Lifecycle, counters: Counters, *, timers: Timers = TIMERS
    ) -> None:
        self._lifecycle = lifecycle
        self._counters = counters
        self._marks: dict[ChannelUser, Mark] = {}
        self._shares = Shares(self.LIMIT)
        # What was passed on last, and until when nobody need hear it again; the newest at the end.
        self._passed: dict[ChannelUser, tuple[Mark, float]] = {}
        self._repeating = timers.repeating
        self._overflow = Overflow()
        self._queue: DistinctQueue[ChannelUser] = DistinctQueue(
            self._pass_on, timers, gathering=timers.reading
        )

    def __len__(self) -> int:
        """Tell how many marks wait."""
        return len(self._marks)

    def told(self, connection: Connection, word: HasRead) -> None:
        """Know how far a connection's user has read in a channel."""
        reader = ChannelUser(connection.channel(word.channel), word.user_id)
        former = self._marks.get(reader)
        if former is None and self._is_passed(reader, word.mark):
            return
        app = reader.channel.app
        if former is None and not self._shares.has_room(app):
            self._drop()
            return
        if former is None:
            self._shares.take(app)
        # Of two tabs one may be behind the other.
        self._marks[reader] = former.moved(word.mark) if former else word.mark
        self._queue.put(reader)

    def _is_passed(self, reader: ChannelUser, mark: Mark) -> bool:
        """Whether it was the last that was passed on, not long ago."""
        passed, until = self._passed.get(reader, (None, 0.0))
        return passed == mark and time.monotonic() < until

    def _drop(self) -> None:
        self._counters.marks_dropped += 1
        if self._overflow.begins():
            log.warning("marks.exceeded", waiting=len(self._marks), pace_by="begun")

    async def settled(self) -> None:
        """Return once nothing waits any more; the caller sets the deadline."""
        await self._queue.settled()

    async def run(self) -> None:
        """Pass marks on until cancelled."""
        await self._queue.run()

    async def _pass_on(self, readers: list[ChannelUser]) -> list[ChannelUser]:
        """Tell the stream; return whose marks it must be told again."""
        left = await by_parts(readers, self._record, batch=BATCH)
        if not left:
            self._overflow.ends()
        return left

    async def _record(self, readers: Sequence[ChannelUser]) -> None:
        marks = {each: self._marks[each] for each in readers if each in self._marks}
        await self._lifecycle.record([_fact(*each) for each in marks.items()])
        for reader, mark in marks.items():
            if self._marks.get(reader) == mark:
                del self._marks[reader]
                self._shares.give_back(reader.channel.app)
            self._pass(reader, mark)

    def _pass(self, reader: ChannelUser, mark: Mark) -> None:
        self._passed.pop(reader, None)
        self._passed[reader] = mark, time.monotonic() + self._repeating
        if len(self._passed) > self.LIMIT:
            del self._passed[next(iter(self._passed))]


def _fact(reader: ChannelUser, mark: Mark) -> Fact:
    channel, user_id = reader
    return Fact(
        kind="client_read",
        app=channel.app,
        channel=channel.name,
        user=user_id,
        data=mark.text,
    )
