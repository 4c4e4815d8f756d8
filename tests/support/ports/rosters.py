"""Leases, rosters and tallies on any backend, and an ear on the bus for what they announce."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self

from libs.common.bus.memory import MemoryBus
from libs.common.bus.messages import Broadcast, Counted, Delivery, Transition, Typed, Whisper
from libs.common.bus.port import Bus, Listener
from libs.common.bus.redis import RedisBus
from libs.common.channels import Channel
from libs.common.config.address import Url
from libs.common.leases.memory import MemoryLeases
from libs.common.leases.port import Leases
from libs.common.leases.redis import SHARE, SWEEP, RedisLeases
from libs.common.lifecycle.facts import Kind
from libs.common.lifecycle.memory import MemoryLifecycle
from libs.common.lifecycle.port import BOUNDS, Bounds, Lifecycle, Wanted, nobody
from libs.common.lifecycle.redis import RedisLifecycle
from libs.common.redis.connection import RedisConnection
from libs.common.redis.keys import PARTITIONS, Keys
from libs.common.redis.pubsub.ways import Pubsub
from libs.common.redis.scripts import Call
from libs.common.roster.memory import MemoryRoster
from libs.common.roster.port import JoinRequest, Members, Roster, Seat
from libs.common.roster.redis import RedisRoster
from libs.common.tally.memory import MemoryTally
from libs.common.tally.port import Tally
from libs.common.tally.redis import RedisTally
from libs.common.typists.redis import RedisTypists
from tests.support.deadline import DEADLINE

MEMORY = "memory://"
CHANNEL = Channel("1", "presence-room")
LONG = 3600.0  # Seconds that do not pass in a test.
SHORT = 0.005  # Seconds that do.


def everything(_app: str, _kind: Kind, /) -> bool:
    """Want all facts."""
    return True


class Ear:
    """Hears what is announced in some channels."""

    def __init__(self, bus: Bus, listener: Listener, channels: Sequence[Channel]) -> None:
        self._bus = bus
        self._listener = listener
        self._channels = channels
        self._numbers = itertools.count()

    async def heard(self) -> list[Transition]:
        """Return the transitions that were announced since the last time."""
        return [each for each in await self._heard() if isinstance(each, Transition)]

    async def counted(self) -> list[Counted]:
        """Return the counts that were announced since the last time."""
        return [each for each in await self._heard() if isinstance(each, Counted)]

    async def typed(self) -> list[Typed]:
        """Return who typed, as it was announced since the last time."""
        return [each for each in await self._heard() if isinstance(each, Typed)]

    async def announced(self) -> tuple[list[Transition], list[Counted]]:
        """Return both."""
        every = await self._heard()
        transitions = [each for each in every if isinstance(each, Transition)]
        return transitions, [each for each in every if isinstance(each, Counted)]

    async def _heard(self) -> list[Delivery]:
        """Return all that was announced since the last time, up to a whisper of ours."""
        frame = str(next(self._numbers)).encode()
        awaited = set(self._channels)
        broadcast = Broadcast(frame, time.time())
        await asyncio.gather(*(self._bus.whisper(channel, broadcast) for channel in awaited))
        announced: list[Delivery] = []
        async with asyncio.timeout(DEADLINE):
            while awaited:
                for delivery in await self._listener.receive(DEADLINE):
                    if isinstance(delivery, Whisper) and delivery.broadcast.frame == frame:
                        awaited.discard(delivery.channel)
                    else:
                        announced.append(delivery)
        return announced


@dataclass(frozen=True, slots=True)
class Deployment:
    """
    Processes that share leases, a roster and a tally.

    Attributes:
        roster: Of one process.
        other: Of another one.
        bus: Where both announce.
        leases: Of the process of `roster`.
        other_leases: Of the process of `other`.
        tally: Of the process of `roster`.
        other_tally: Of the process of `other`.
        lifecycle: The streams in which all is recorded, of the process of `roster`.
        other_lifecycle: Of the process of `other`.
    """

    roster: Roster
    other: Roster
    bus: Bus
    leases: Leases
    other_leases: Leases
    tally: Tally
    other_tally: Tally
    lifecycle: Lifecycle
    other_lifecycle: Lifecycle

    @asynccontextmanager
    async def ear(self, *channels: Channel) -> AsyncIterator[Ear]:
        """Listen to channels."""
        async with self.bus.listen() as listener:
            await listener.follow(channels)
            yield Ear(self.bus, listener, channels)


@asynccontextmanager
async def deployment(
    url: str, prefix: str, *, partitions: int = PARTITIONS, bounds: Bounds = BOUNDS
) -> AsyncIterator[Deployment]:
    """Set up a deployment on memory or on a Redis."""
    if url == MEMORY:
        memory = MemoryBus()
        leases = MemoryLeases()
        lifecycle = MemoryLifecycle(everything, bounds=bounds)
        roster = MemoryRoster(memory.announce, leases, decided=lifecycle.decided)
        tally = MemoryTally(memory.announce, leases, decided=lifecycle.decided)
        yield Deployment(roster, roster, memory, leases, leases, tally, tally, lifecycle, lifecycle)
        return
    keys = Keys(prefix, partitions)
    async with AsyncExitStack() as stack:
        one, other = [
            RedisProcess.on(
                await stack.enter_async_context(RedisConnection(Url(url), "roster")),
                keys,
                everything,
                bounds=bounds,
            )
            for _ in range(2)
        ]
        bus = RedisBus(await stack.enter_async_context(RedisConnection(Url(url), "bus")), keys)
        yield Deployment(
            one.roster,
            other.roster,
            bus,
            one.leases,
            other.leases,
            one.tally,
            other.tally,
            RedisLifecycle(one.connection, keys, bounds=bounds),
            RedisLifecycle(other.connection, keys, bounds=bounds),
        )


def request(
    channel: Channel,
    user_id: str,
    *,
    socket_id: str,
    gateway: str = "g1",
    info: str = "{}",
    limit: int = 0,
) -> JoinRequest:
    """Ask for a seat."""
    return JoinRequest(Seat(channel, socket_id, gateway), user_id, info, limit)


async def seated(roster: Roster, *requests: JoinRequest) -> list[Members]:
    """Join, and see that nobody is refused."""
    answers = await roster.join(requests)
    members = [answer for answer in answers if isinstance(answer, Members)]
    assert len(members) == len(requests)
    return members


async def sweep_away(leases: Leases, count: int, *, grace: float = 0.0) -> None:
    """Sweep until so many seats have been cleared, and see that it is not one more."""
    cleared = 0
    async with asyncio.timeout(DEADLINE):
        while cleared < count:
            cleared += await leases.sweep(grace=grace)
            await asyncio.sleep(0)  # For the deadline: a roster in memory never waits.
    assert cleared + await leases.sweep(grace=grace) == count


async def read(site: Deployment) -> Members:
    """Read the members of `CHANNEL` as another process does."""
    (members,) = await site.other.members([CHANNEL])
    return members


@dataclass(frozen=True, slots=True)
class RedisProcess:
    """Leases and what they hold on Redis, and the connection and keys that they use."""

    leases: RedisLeases
    roster: RedisRoster
    tally: RedisTally
    typists: RedisTypists
    connection: RedisConnection
    keys: Keys

    @classmethod
    def on(
        cls,
        connection: RedisConnection,
        keys: Keys,
        wanted: Wanted = nobody,
        *,
        bounds: Bounds = BOUNDS,
        pubsub: Pubsub = Pubsub.CLASSIC,
    ) -> Self:
        """Make the adapters, as the composition root does."""
        roster = RedisRoster(connection, keys, wanted, bounds=bounds, pubsub=pubsub)
        tally = RedisTally(connection, keys, wanted, bounds=bounds, pubsub=pubsub)
        typists = RedisTypists(connection, keys, pubsub=pubsub)
        leases = RedisLeases(connection, keys, holdings=[roster, tally], terms=[roster, typists])
        return cls(leases, roster, tally, typists, connection, keys)

    async def ask(self, key: str, command: str, *words: str | bytes | float) -> Any:
        """Perform a command on a key."""
        return await self.connection.ask(Call(key, (command, key, *words)))

    async def judge(self) -> None:
        """Do the first step of a sweep, and no more."""
        kinds = ("leases", "lapsed", "cleared", "renewed")
        for index in range(len(self.keys.tags)):
            names = [self.keys.partition(f"roster.{kind}", index) for kind in kinds]
            await self.connection.ask(SWEEP.call(names, 0, SHARE))


@asynccontextmanager
async def redis_process(
    url: str, prefix: str, wanted: Wanted = nobody
) -> AsyncIterator[RedisProcess]:
    """Set up a process."""
    async with RedisConnection(Url(url), "roster") as connection:
        yield RedisProcess.on(connection, Keys(prefix), wanted)
