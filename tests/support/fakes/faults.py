"""Ports in memory with the faults of real ones: away, late, forgetful, losing what they carry."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext

from libs.common.bus.memory import MemoryBus, MemoryListener
from libs.common.bus.messages import (
    ORIGIN,
    Broadcast,
    Cached,
    Delivery,
    Interrupted,
    Position,
    Publication,
)
from libs.common.bus.port import History
from libs.common.bus.settings import HistorySettings
from libs.common.channels import Channel
from libs.common.errors import Unavailable
from libs.common.leases.memory import MemoryLeases
from libs.common.leases.port import Leases
from libs.common.roster.memory import MemoryRoster
from libs.common.roster.port import JoinAnswer, JoinRequest, Members, Seat, Seated


class FaultyBus:
    """
    A bus for one process, with faults that a test switches on.

    Attributes:
        inner: The bus itself.
        is_away: Whether every call fails, and nothing is delivered.
        away_for: Of which channels nothing can be read, as where one master of a cluster is away.
        reads: Cleared to have answers of `tops` and `last` wait.
        loses: Which deliveries never arrive.
        lost: How many did not.
        whispers: Cleared to have whispers wait.
        whispered: To which channels something was whispered, in order.
        follows: Cleared to have answers to follows wait.
        held: How many of these answers wait.
        refusals: How many calls found it away.
        comparisons: How many calls of `tops` there were.
        followed: What is followed by anybody.
    """

    def __init__(self, history: HistorySettings | None = None) -> None:
        self.inner = MemoryBus(history)
        self.is_away = False
        self.away_for: set[Channel] = set()
        self.reads = asyncio.Event()
        self.reads.set()
        self.loses: Callable[[Delivery], bool] = lambda _: False
        self.lost = 0
        self.whispers = asyncio.Event()
        self.whispers.set()
        self.whispered: list[Channel] = []
        self.follows = asyncio.Event()
        self.follows.set()
        self.held = 0
        self.refusals = 0
        self.comparisons = 0
        self.followed: set[Channel] = set()
        self._listeners: list[MemoryListener] = []

    async def check(self) -> None:
        """See `Bus.check`."""
        if self.is_away:
            raise Unavailable("bus")

    def ensure(self) -> None:
        """Fail if it is away."""
        if self.is_away:
            self.refusals += 1
            raise Unavailable("bus")

    def reachable(self, channels: Collection[Channel]) -> list[Channel]:
        """Leave out the channels it is away for; fail if it is for all."""
        self.ensure()
        left = [channel for channel in channels if channel not in self.away_for]
        self.refusals += len(left) < len(channels)
        if channels and not left:
            raise Unavailable("bus")
        return left

    async def publish(self, publications: Sequence[Publication]) -> list[Position]:
        """See `Bus.publish`."""
        self.ensure()
        return await self.inner.publish(publications)

    async def claim(self, app: str, token: str, digest: str) -> bool:
        """See `Bus.claim`."""
        self.ensure()
        return await self.inner.claim(app, token, digest)

    async def last(self, channels: Collection[Channel]) -> dict[Channel, Cached | None]:
        """See `Bus.last`."""
        last = await self.inner.last(self.reachable(channels))
        await self.reads.wait()
        return last

    async def whisper(self, channel: Channel, broadcast: Broadcast) -> None:
        """See `Bus.whisper`."""
        await self.whispers.wait()
        self.ensure()
        self.whispered.append(channel)
        await self.inner.whisper(channel, broadcast)

    async def history(self, channel: Channel, after: Position, *, limit: int) -> History:
        """See `Bus.history`."""
        self.ensure()
        return await self.inner.history(channel, after, limit=limit)

    async def tops(self, channels: Collection[Channel]) -> dict[Channel, Position]:
        """See `Bus.tops`."""
        self.comparisons += 1
        tops = await self.inner.tops(self.reachable(channels))
        await self.reads.wait()
        return tops

    @asynccontextmanager
    async def listen(self) -> AsyncIterator["FaultyListener"]:
        """See `Bus.listen`."""
        async with self.inner.listen() as listener:
            assert isinstance(listener, MemoryListener)
            self._listeners.append(listener)
            yield FaultyListener(self, listener)

    def interrupt(self) -> None:
        """Tell all listeners that they were cut off."""
        for listener in self._listeners:
            listener.inbox.put(Interrupted())

    def lose_data(self) -> None:
        """Forget all histories: each channel begins anew, in another epoch."""
        self.inner._channels.clear()
        self.inner._origin = secrets.token_hex(4) + ORIGIN


class FaultyListener:
    """A `Listener` of a `FaultyBus`."""

    def __init__(self, bus: FaultyBus, inner: MemoryListener) -> None:
        self._bus = bus
        self._inner = inner

    async def follow(self, channels: Collection[Channel]) -> dict[Channel, Position]:
        """See `Listener.follow`."""
        reachable = self._bus.reachable(channels)
        self._bus.followed.update(reachable)
        positions = await self._inner.follow(reachable)
        self._bus.held += 1
        await self._bus.follows.wait()
        self._bus.held -= 1
        return positions

    async def unfollow(self, channels: Collection[Channel]) -> None:
        """See `Listener.unfollow`."""
        self._bus.followed.difference_update(channels)
        await self._inner.unfollow(channels)

    async def receive(self, timeout: float) -> list[Delivery]:
        """See `Listener.receive`."""
        deliveries = await self._inner.receive(timeout)
        return [each for each in deliveries if not self._is_lost(each)]

    def _is_lost(self, delivery: Delivery) -> bool:
        if isinstance(delivery, Interrupted):
            return False
        is_lost = self._bus.is_away or self._bus.loses(delivery)
        self._bus.lost += is_lost
        return is_lost


class FaultyRoster:
    """
    A roster for one process and the leases beside it, with faults that a test switches on.

    Attributes:
        inner: The roster itself.
        inner_leases: The leases themselves.
        ahead: Seconds by which its clock is fast.
        is_away: Whether every call fails, and changes nothing.
        away_for: Of which channels calls fail, as where one master of a cluster is away.
        loses_answers: Whether joins are done, and answered as if they had failed.
        answers: Cleared to have answers to joins wait; set again they come, as they were.
        refusals: How many calls found it away, or lost their answer.
        joins: How many calls of `join` there were, those for users' own channels left out.
    """

    def __init__(self, bus: FaultyBus) -> None:
        self.ahead = 0.0
        self.inner_leases = MemoryLeases(lambda: time.monotonic() + self.ahead)
        self.inner = MemoryRoster(bus.inner.announce, self.inner_leases)
        self.is_away = False
        self.away_for: set[Channel] = set()
        self.loses_answers = False
        self.answers = asyncio.Event()
        self.answers.set()
        self.refusals = 0
        self.joins = 0

    def _is_away(self, channels: Iterable[Channel]) -> bool:
        return self.is_away or not self.away_for.isdisjoint(channels)

    def _check(self, channels: Iterable[Channel] = ()) -> None:
        if self._is_away(channels):
            self.refusals += 1
            raise Unavailable("roster")

    async def check(self) -> None:
        """See `Roster.check` and `Leases.check`."""
        if self.is_away:
            raise Unavailable("roster")

    async def join(self, requests: Sequence[JoinRequest]) -> list[JoinAnswer]:
        """See `Roster.join`."""
        self.joins += not all(request.seat.channel.is_online for request in requests)
        answers = [await self._join(request) for request in requests]
        await self.answers.wait()
        return answers

    async def _join(self, request: JoinRequest) -> JoinAnswer:
        is_away = self._is_away([request.seat.channel])
        self.refusals += is_away or self.loses_answers
        if is_away:
            return Unavailable("roster")
        (answer,) = await self.inner.join([request])
        return Unavailable("roster") if self.loses_answers else answer

    async def leave(self, seats: Sequence[Seat], *, grace: float) -> None:
        """See `Roster.leave`."""
        reached = [seat for seat in seats if not self._is_away([seat.channel])]
        await self.inner.leave(reached, grace=grace)
        self._check([seat.channel for seat in seats])

    async def describe(self, requests: Sequence[JoinRequest]) -> None:
        """See `Roster.describe`."""
        reached = [each for each in requests if not self._is_away([each.seat.channel])]
        await self.inner.describe(reached)
        self._check([each.seat.channel for each in requests])

    async def members(self, channels: Sequence[Channel]) -> list[Members]:
        """See `Roster.members`."""
        self._check(channels)
        return await self.inner.members(channels)

    async def sizes(self, channels: Sequence[Channel]) -> list[int]:
        """See `Roster.sizes`."""
        self._check(channels)
        return await self.inner.sizes(channels)

    async def seated(self, channels: Sequence[Channel]) -> list[Seated]:
        """See `Roster.seated`."""
        self._check(channels)
        return await self.inner.seated(channels)

    async def online(self, app: str, *, prefix: str, after: str, limit: int) -> list[str]:
        """See `Roster.online`."""
        self._check()
        return await self.inner.online(app, prefix=prefix, after=after, limit=limit)

    @property
    def given_up(self) -> int:
        """See `Leases.given_up`."""
        return self.inner_leases.given_up

    async def renew(self, gateway: str, *, ttl: float) -> bool:
        """See `Leases.renew`."""
        self._check()
        return await self.inner_leases.renew(gateway, ttl=ttl)

    async def prolong(self, gateway: str, *, ttl: float) -> bool:
        """See `Leases.prolong`."""
        self._check()
        return await self.inner_leases.prolong(gateway, ttl=ttl)

    def apart(self) -> AbstractAsyncContextManager[Leases]:
        """See `Leases.apart`."""
        return nullcontext(self)

    async def release(self, gateway: str) -> None:
        """See `Leases.release`."""
        self._check()
        await self.inner_leases.release(gateway)

    async def sweep(self, *, grace: float) -> int:
        """See `Leases.sweep`."""
        self._check()
        return await self.inner_leases.sweep(grace=grace)

    def users(self, channel: Channel) -> set[str]:
        """Return who is in a channel."""
        return set(self.inner._read(channel).infos)

    def seats(self, channel: Channel) -> dict[str, str]:
        """Return the seats that are taken in a channel: socket id to gateway."""
        room = self.inner._rooms.get(channel)
        return {name: seat.gateway for name, seat in room.occupants.items()} if room else {}

    def leaving(self) -> set[str]:
        """Return the socket ids of those whose grace is running."""
        return {seat.socket_id for seat in self.inner._leaving}

    def leases(self) -> set[str]:
        """Return the gateways that hold a lease which has not lapsed."""
        leases = self.inner_leases
        return {name for name, at in leases._leases.items() if at > leases.clock()}

    def clear(self, gateway: str) -> None:
        """Refuse a gateway from now on, as a sweep does before it comes to its seats."""
        self.inner_leases._cleared[gateway] = self.inner_leases.clock()

    def lose_data(self) -> None:
        """Forget everybody; versions go on above those that were ever given, as on Redis."""
        roster, leases = self.inner, self.inner_leases
        versions = [roster._highest, *(room.version for room in roster._rooms.values())]
        roster._highest = max(versions) + 1000
        for each in (roster._rooms, roster._leaving, roster._held, leases._leases, leases._lapsed):
            each.clear()
