"""
Answers to "may this connection join?", and departures, in batches and in order.

What has already arrived is handled together: one round trip follows all new channels, another seats
all new members.  While a backend is away questions wait for it, and so do departures, lest a member
stays for ever.  Whoever does not need that backend, or the part of it that is away, does not wait.

Of seatings three ledgers are kept: ``_counted``, how many wait that the limit is for; ``_again``,
the places that wait to be seated again, so that none waits twice; and ``stuck``, during one pass,
the places of which something failed, so that nothing of theirs is tried out of order.  An example.
Ann is to be seated again after a lost lease (not counted, ``_again`` has her), Bob joins, Ann
leaves (2 counted), all in one channel, and its part of the roster is away.  The pass empties
``_again``, for what is asked from now on needs another pass.  The first batch,
both joins, fails: Ann and Bob are stuck.  The second, Ann's departure, is not tried, for it must
not overtake her seat.  All three are left, in their order: 2 counted, and Ann is in ``_again``.  If
the roster asks for all seats anew now, Ann is not put a second time.  Had it asked during the pass,
she would wait twice; `_once` leaves the later of the two out of the next pass.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from logging import DEBUG
from typing import NamedTuple

import structlog

from libs.common.channels import Channel
from libs.common.errors import Unavailable
from libs.common.leases.port import LeaseLost
from libs.common.roster.port import JoinRequest, Members, Roster, Seat, TooManyMembers
from libs.common.tally.port import LARGE
from services.gateway.channels.feed import Feed
from services.gateway.channels.hub import Hub, announcements
from services.gateway.channels.mirror import UNCHANGED
from services.gateway.channels.occupancy import Occupancy
from services.gateway.channels.retry_queue import RetryQueue
from services.gateway.connections.connection import Connection
from services.gateway.lease import Lease
from services.gateway.protocol.effects import WITHDRAWN, Ask, Leave, Refusal, Withdraw
from services.gateway.protocol.frames import Member, cache_miss
from services.gateway.protocol.limits import OVER_CAPACITY
from services.gateway.quotas.budgets import UNLIMITED, SubscribeLimits
from services.gateway.quotas.channel_limiter import ChannelLimiter
from services.gateway.timers import TIMERS, Timers

log = structlog.get_logger()

BATCH = 500  # Requests of one round trip.

Place = tuple[Channel, str]  # A channel and a socket id: whose requests keep their order.


class Follow(NamedTuple):
    """A connection that wants to join a channel without members."""

    connection: Connection
    channel: Channel


@dataclass(frozen=True, slots=True)
class Join:
    """
    A connection that wants to join a presence channel.

    Attributes:
        connection: The connection that joins.
        channel: The presence channel.
        member: The member that it joins as.
        again: Whether it was admitted before, and needs its seat under a new name: its client hears
            nothing.
    """

    connection: Connection
    channel: Channel
    member: Member
    again: bool = False

    @property
    def place(self) -> Place:
        """See `Place`."""
        return self.channel, self.connection.socket_id


@dataclass(frozen=True, slots=True)
class Departure:
    """A seat that is given up, at once or after a grace period in seconds."""

    seat: Seat
    grace: float

    @property
    def place(self) -> Place:
        """See `Place`."""
        return self.seat.channel, self.seat.socket_id


Seating = Join | Departure


class Admission:
    """
    Joining and leaving, for all channels of this gateway.

    Args:
        feed: Follows channels.
        roster: Seats members.
        hub: Is told who is subscribed.
        lease: The name under which members are seated.
        occupancy: Is told which channels have gained or lost somebody.
        limits: How fast clients may ask; what is beyond that waits for its turn.
        missed: Told of a cache channel of which a newcomer hears that it keeps nothing.
        limit: How many questions and departures may wait; members who are seated again do not
            count.  Above it a question closes its connection (4100), and a departure gives up the
            lease: all members here are then seated again under a new name, and the seat that should
            be left goes with the old one.
        timers: The delays between attempts at a backend that is away.
    """

    def __init__(
        self,
        feed: Feed,
        roster: Roster,
        hub: Hub[Connection],
        *,
        lease: Lease,
        occupancy: Occupancy,
        limit: int,
        limits: SubscribeLimits = UNLIMITED,
        missed: Callable[[Channel], None] = lambda _: None,
        timers: Timers = TIMERS,
    ) -> None:
        self._feed = feed
        self._roster = roster
        self._hub = hub
        self._lease = lease
        self._occupancy = occupancy
        self._limit = limit
        self._missed = missed
        self._limiter: ChannelLimiter[Connection] = ChannelLimiter(
            limits,
            is_new=lambda whose, ask: self._is_new(whose.channel(ask.channel), ask),
            pass_on=lambda whose, ask: self._find_out(whose, whose.channel(ask.channel), ask),
            timers=timers,
        )
        self._log = log.bind()  # Found anew for each line, a logger takes two microseconds.
        self._follows: RetryQueue[Follow] = RetryQueue(self._follow, timers)
        self._seatings: RetryQueue[Seating] = RetryQueue(self._settle, timers)
        self._counted = 0  # Of the seatings, those that the limit is for.
        # Places that wait to be seated again; not those in the present pass.
        self._again: set[Place] = set()

    def ask(self, connection: Connection, ask: Ask) -> None:
        """Find out whether a connection may join, when it is its turn; its session is told."""
        channel = connection.channel(ask.channel)
        if self._limiter.admits(connection, ask, is_new=self._is_new(channel, ask)):
            self._find_out(connection, channel, ask)

    def withdraw(self, connection: Connection, withdrawn: Withdraw) -> None:
        """Do not find it out, if that was not begun; its session then waits for no answer."""
        if self._limiter.withdraw(connection, withdrawn.channel):
            connection.perform(connection.session.refused(withdrawn.channel, WITHDRAWN))

    def gone(self, connection: Connection) -> None:
        """Know that a connection has ended: it waits for its turn no more."""
        self._limiter.gone(connection)

    def _is_new(self, channel: Channel, ask: Ask) -> bool:
        """Tell whether Redis is asked, or keeps more, if somebody comes to a channel now."""
        # Of a large channel it counts all who come at about the same time together.
        room = self._hub.room(channel)
        if ask.member is not None or room is None or len(room.subscribers) <= LARGE:
            return True
        return room.keeps_last and (room.last is None or room.last.misses(time.time()))

    def _find_out(self, connection: Connection, channel: Channel, ask: Ask) -> None:
        if ask.member is None and self._hub.is_ready(channel):
            self._admit(Follow(connection, channel))
        elif self._is_full:
            connection.close(OVER_CAPACITY, "over capacity: too many wait to join")
        elif ask.member is None:
            self._follows.put(Follow(connection, channel))
        else:
            self._put(Join(connection, channel, ask.member))

    def leave(self, connection: Connection, leave: Leave) -> None:
        """Take a connection off a channel; its seat is kept for a grace if it may come back."""
        channel = connection.channel(leave.channel)
        # A member who asked anew, and waits for its turn, would come back by itself.
        self._limiter.withdraw(connection, leave.channel)
        self._hub.unsubscribe(channel, connection, now=time.monotonic())
        self._occupancy.changed(channel)
        # That one which ends leaves its channels goes without saying.
        if not leave.returns and self._log.is_enabled_for(DEBUG):
            self._log.debug(
                "channel.unsubscribed",
                app=channel.app,
                socket_id=connection.socket_id,
                channel=channel.name,
            )
        if channel.is_presence:
            grace = connection.session.app.leave_grace if leave.returns else 0.0
            self._depart(Departure(self._lease.seat(channel, connection.socket_id), grace))

    def seat_again(self, connection: Connection) -> None:
        """Seat a connection again where it is a member, unless it waits for that already."""
        for name, member in connection.session.members():
            join = Join(connection, connection.channel(name), member, again=True)
            if join.place not in self._again:
                self._again.add(join.place)
                self._seatings.put(join)

    def _depart(self, departure: Departure) -> None:
        if self._is_full:
            self._lease.forsake(departure.seat.gateway)
        else:
            self._put(departure)

    def _put(self, seating: Seating) -> None:
        self._counted += 1
        self._seatings.put(seating)

    @property
    def waiting(self) -> int:
        """How many subscribes, departures and members to be seated again wait, or are worked on."""
        return len(self._follows) + len(self._seatings)

    @property
    def delayed(self) -> int:
        """How many subscribes wait for their turn."""
        return self._limiter.waiting

    @property
    def _is_full(self) -> bool:
        return len(self._follows) + self._counted >= self._limit

    async def settled(self) -> None:
        """Return once nobody waits to be seated or to leave; the caller sets the deadline."""
        await self._seatings.settled()

    async def run(self) -> None:
        """Answer until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._limiter.run())
            tasks.create_task(self._follows.run())
            tasks.create_task(self._seatings.run())

    async def _follow(self, questions: list[Follow]) -> list[Follow]:
        """Admit to channels without members; return who must ask again."""
        left: list[Follow] = []
        for start in range(0, len(questions), BATCH):
            batch = [each for each in questions[start : start + BATCH] if each.connection.is_open]
            async with self._feed.following({question.channel for question in batch}) as followed:
                for question in batch:
                    if question.channel not in followed:
                        left.append(question)
                    elif question.connection.is_open:
                        self._admit(question)
        return left

    async def _settle(self, seatings: list[Seating]) -> list[Seating]:
        """Seat members, and let members go; return what must be tried again, in order."""
        left: list[Seating] = []
        stuck: set[Place] = set()
        # Whoever is asked for again while this pass is under way may have got its seat too early,
        # under a name that is lost by then: it takes part in the next pass.
        self._again.clear()
        for batch in _batches(map(self._present, _once(seatings))):
            # After a join that failed its departure must wait, or the seat would be taken when it
            # is over.
            failed = await self._settle_alike([each for each in batch if each.place not in stuck])
            left += [each for each in batch if each.place in stuck]
            left += failed
            stuck.update(each.place for each in failed)
        self._again.update(each.place for each in left if _is_again(each))
        # Added and not set: others were put, and counted, while this pass was under way.
        self._counted += _count(left) - _count(seatings)
        return left

    def _present(self, seating: Seating) -> Seating:
        """Turn the join of a connection that went while it waited into a departure."""
        # An earlier attempt may have taken a seat although it failed, as when its answer was lost.
        if isinstance(seating, Departure) or seating.connection.is_open:
            return seating
        connection = seating.connection
        seat = self._lease.seat(seating.channel, connection.socket_id)
        return Departure(seat, connection.session.app.leave_grace)

    async def _settle_alike(self, batch: Sequence[Seating]) -> Sequence[Seating]:
        joins = [each for each in batch if isinstance(each, Join)]
        departures = [each for each in batch if isinstance(each, Departure)]
        try:
            if departures:
                seats = [departure.seat for departure in departures]
                await self._roster.leave(seats, grace=departures[0].grace)
            if joins:
                async with self._feed.following({join.channel for join in joins}) as followed:
                    reached = [join for join in joins if join.channel in followed]
                    others = [join for join in joins if join.channel not in followed]
                    return [*await self._seat(reached), *others]
        except Unavailable:
            return batch
        return []

    async def _seat(self, joins: Sequence[Join]) -> list[Join]:
        """Seat members; return those who must ask again."""
        left: list[Join] = []
        name = self._lease.name
        known = {join.channel: self._hub.version(join.channel) for join in joins}
        taken: dict[Channel, Members] = {}  # Many answers share a reading, which is taken once.
        answers = await self._roster.join([self._request(join) for join in joins])
        for join, answer in zip(joins, answers, strict=True):
            if isinstance(answer, Members) and self._is_settled(join.channel, name):
                news = None if taken.get(join.channel) is answer else answer
                taken[join.channel] = answer
                await self._introduce(join, news, known=known[join.channel])
            elif isinstance(answer, TooManyMembers):
                refusal = Refusal("LimitReached", str(answer), answer.code, limit="members")
                join.connection.perform(join.connection.session.refused(join.channel.name, refusal))
            else:
                # A seat under a lost name does not count: it will be cleared.
                left.append(join)
                if isinstance(answer, LeaseLost):
                    self._lease.lose(answer.gateway)
        return left

    def _is_settled(self, channel: Channel, name: str) -> bool:
        """Tell whether a seat's name still holds, and it is still known what newcomers are sent."""
        return name == self._lease.name and self._hub.is_ready(channel)

    def _request(self, join: Join) -> JoinRequest:
        seat = self._lease.seat(join.channel, join.connection.socket_id)
        limit = 0 if join.again else join.connection.session.app.limits.members
        return JoinRequest(seat, join.member.user_id, join.member.info, limit)

    async def _introduce(self, join: Join, members: Members | None, *, known: int) -> None:
        """
        Bring the mirror up to date, show it to the newcomer, and the difference to the others.

        Without members the mirror is up to date already.
        The newcomer is admitted before anything is awaited, so that it misses no later difference.
        """
        diff = self._hub.snapshot(join.channel, members, known=known) if members else UNCHANGED
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
        self._occupancy.came(channel, connection.socket)
        view = self._hub.view(channel) if isinstance(question, Join) else None
        greeting = self._hub.greeting(channel, now=time.time())
        if channel.is_cache and greeting == (cache_miss(channel.name),):
            self._missed(channel)
        if self._log.is_enabled_for(DEBUG):
            self._log.debug(
                "channel.subscribed",
                app=channel.app,
                socket_id=connection.socket_id,
                channel=channel.name,
            )
        connection.perform(connection.session.admitted(channel.name, view, greeting))


def _batches(seatings: Iterable[Seating]) -> Iterator[list[Seating]]:
    """Put together what one call of the roster does: neighbours of one kind, and not too many."""
    for _, group in groupby(seatings, key=_alike):
        alike = list(group)
        for start in range(0, len(alike), BATCH):
            yield alike[start : start + BATCH]


def _once(seatings: Iterable[Seating]) -> Iterator[Seating]:
    """Leave out a member that is to be seated again twice: see `admission` on ``_again``."""
    seen: set[Place] = set()
    for seating in seatings:
        if _is_again(seating):
            if seating.place in seen:
                continue
            seen.add(seating.place)
        yield seating


def _is_again(seating: Seating) -> bool:
    return isinstance(seating, Join) and seating.again


def _count(seatings: Iterable[Seating]) -> int:
    return sum(not _is_again(seating) for seating in seatings)


def _alike(seating: Seating) -> object:
    return (Departure, seating.grace) if isinstance(seating, Departure) else Join
