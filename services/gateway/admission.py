"""
Answers to "may this connection join?", and departures, in batches and in order.

What has already arrived is handled together: one round trip follows all new channels, another seats all new
members.  While a backend is away questions wait for it, and so do departures, lest a member stays for ever.
"""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from libs.common.channels import Channel
from libs.common.errors import Unavailable
from libs.common.retry import Backoff
from libs.common.roster import JoinRequest, LeaseLost, Members, Roster, Seat, TooManyMembers
from services.gateway.connection import Connection
from services.gateway.feed import Feed
from services.gateway.frames import Member
from services.gateway.hub import Hub, announcements
from services.gateway.lease import Lease
from services.gateway.session import Refusal

BATCH = 500


@dataclass(frozen=True, slots=True)
class Follow:
    """A connection that wants to join a channel without members."""

    connection: Connection
    channel: Channel


@dataclass(frozen=True, slots=True)
class Join:
    """
    A connection that wants to join a presence channel.

    Attributes:
        connection: Which.
        channel: Where.
        member: As whom.
        again: It was admitted before, and needs its seat under a new name: its client hears nothing.
    """

    connection: Connection
    channel: Channel
    member: Member
    again: bool = False


@dataclass(frozen=True, slots=True)
class Departure:
    """A seat that is given up, at once or after a grace period in seconds."""

    seat: Seat
    grace: float


Item = Follow | Join | Departure


class Admission:
    """
    The gateway's desk for joining and leaving.

    Args:
        feed: Follows channels.
        roster: Seats members.
        hub: Takes who was admitted.
        lease: Under whose name members are seated.
        limit: What may wait.  When it is full a question closes its connection (4100), and a departure
            gives up the lease: all who are here are then seated again under a new name.
    """

    def __init__(
        self, feed: Feed, roster: Roster, hub: Hub[Connection], *, lease: Lease, limit: int
    ) -> None:
        self._feed = feed
        self._roster = roster
        self._hub = hub
        self._lease = lease
        self._limit = limit
        self._waiting: deque[Item] = deque()
        self._arrived = asyncio.Event()
        self._idle = asyncio.Event()

    def ask(self, question: Follow | Join) -> None:
        """Take a question; the answer goes to its connection's session."""
        if isinstance(question, Follow) and self._hub.room(question.channel) is not None:
            self._admit(question)
        elif len(self._waiting) >= self._limit:
            question.connection.close(4100, "over capacity: too many wait to join")
        else:
            self._put(question)

    def depart(self, departure: Departure) -> None:
        """Take a departure."""
        if len(self._waiting) >= self._limit:
            self._lease.lose(departure.seat.gateway)
        else:
            self._put(departure)

    def _put(self, item: Item) -> None:
        self._waiting.append(item)
        self._idle.clear()
        self._arrived.set()

    async def settled(self) -> None:
        """Return once nothing waits any more; the caller sets the deadline."""
        await self._idle.wait()

    async def run(self) -> None:
        """Answer until cancelled."""
        backoff = Backoff()
        while True:
            if not self._waiting:
                self._idle.set()
            await self._arrived.wait()
            batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            left = await self._handle([item for item in map(self._present, batch) if item])
            self._waiting.extendleft(reversed(left))
            if left:
                await asyncio.sleep(backoff.delay())
            else:
                backoff.reset()
            if not self._waiting:
                self._arrived.clear()

    def _present(self, item: Item) -> Item | None:
        """Whoever went while waiting need not be admitted; but an earlier try may have taken a seat."""
        if isinstance(item, Departure) or item.connection.is_open:
            return item
        if isinstance(item, Follow):
            return None
        connection = item.connection
        seat = self._lease.seat(item.channel, connection.socket_id)
        return Departure(seat, connection.session.app.leave_grace)

    async def _handle(self, batch: list[Item]) -> list[Item]:
        """Work on a batch, and return what must be tried again: from the first failure on, in order."""
        done = 0
        wanted = {item.channel for item in batch if not isinstance(item, Departure)}
        try:
            async with self._feed.following(wanted):
                for _, group in groupby(batch, key=_alike):
                    items = list(group)
                    left = await self._handle_alike(items)
                    done += len(items)
                    if left:
                        return left + batch[done:]
        except Unavailable:
            return batch[done:]
        return []

    async def _handle_alike(self, items: list[Item]) -> list[Item]:
        departures = [item for item in items if isinstance(item, Departure)]
        if departures:
            await self._roster.leave([d.seat for d in departures], grace=departures[0].grace)
        for item in items:
            if isinstance(item, Follow):
                self._admit(item)
        joins = [item for item in items if isinstance(item, Join)]
        return list(await self._seat(joins)) if joins else []

    async def _seat(self, joins: Sequence[Join]) -> list[Join]:
        """Seat members; return those who must ask again."""
        left: list[Join] = []
        known = {join.channel: self._hub.version(join.channel) for join in joins}
        answers = await self._roster.join([self._request(join) for join in joins])
        for join, answer in zip(joins, answers, strict=True):
            if isinstance(answer, Members):
                await self._introduce(join, answer, known=known[join.channel])
                known[join.channel] = min(known[join.channel], answer.version)
            elif isinstance(answer, TooManyMembers):
                refusal = Refusal("LimitReached", str(answer), answer.code)
                join.connection.perform(join.connection.session.refused(join.channel.name, refusal))
            else:
                left.append(join)
                if isinstance(answer, LeaseLost):
                    self._lease.lose(answer.gateway)
        return left

    def _request(self, join: Join) -> JoinRequest:
        seat = self._lease.seat(join.channel, join.connection.socket_id)
        limit = 0 if join.again else join.connection.session.app.max_members
        return JoinRequest(seat, join.member.user_id, join.member.info, limit)

    async def _introduce(self, join: Join, members: Members, *, known: int) -> None:
        """
        Bring the channel's mirror up to date, show it to the newcomer, and the difference to the others.

        The newcomer is admitted before anything is awaited, so that it misses no later difference.
        """
        diff = self._hub.snapshot(join.channel, members, known=known)
        shown: tuple[str, ...] = ()
        if not join.again:
            self._admit(join)
            shown = (join.connection.socket_id,)
        news = announcements(join.channel.name, diff, now=time.time(), excluded=shown)
        if news:
            await self._feed.announce(join.channel, news)

    def _admit(self, question: Follow | Join) -> None:
        connection, channel = question.connection, question.channel
        self._hub.subscribe(channel, connection)
        infos = self._hub.members(channel) if isinstance(question, Join) else None
        connection.perform(connection.session.admitted(channel.name, infos))


def _alike(item: Item) -> object:
    return (Departure, item.grace) if isinstance(item, Departure) else type(item)
