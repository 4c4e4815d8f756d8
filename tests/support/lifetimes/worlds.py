"""Leases, a roster, a tally and streams whose clock a test moves, and whose data it can lose, on memory and on a Redis."""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

import redis.asyncio

from libs.common.bus.memory import MemoryBus
from libs.common.bus.redis import RedisBus
from libs.common.channels import Channel
from libs.common.config.address import Url
from libs.common.leases.memory import MemoryLeases
from libs.common.leases.port import Leases
from libs.common.lifecycle.memory import MemoryLifecycle
from libs.common.lifecycle.port import Bounds, Lifecycle
from libs.common.lifecycle.redis import RedisLifecycle
from libs.common.redis.connection import RedisConnection
from libs.common.redis.keys import Keys
from libs.common.roster.memory import MemoryRoster
from libs.common.roster.port import Roster
from libs.common.tally.memory import MemoryTally
from libs.common.tally.port import Tally
from tests.support.ports.rosters import MEMORY, Ear, RedisProcess, everything
from tests.support.servers.redis.server import visit

PARTITIONS = 2
BOUNDS = Bounds(facts=3, subjects=100)  # Small, so that some are left out of most streams.

# Instants by the clock of the server, in each partition.  0 says that there is no lease, and stays.
_INSTANTS = ("roster.leases", "roster.renewed", "roster.lapsed", "roster.cleared", "roster.leaving")
_AGE = """
for _, key in ipairs(KEYS) do
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', key, '(0', '+inf')) do
    redis.call('ZINCRBY', key, -ARGV[1], member)
  end
end
"""
_AGE_OWNER = "if redis.call('HEXISTS', KEYS[1], 'until') == 1 then redis.call('HINCRBY', KEYS[1], 'until', -ARGV[1]) end"


@dataclass(frozen=True, slots=True)
class Process:
    """One of the processes that share a backend."""

    leases: Leases
    roster: Roster
    tally: Tally
    lifecycle: Lifecycle


class World(Protocol):
    """Processes that share a backend, and what befalls it."""

    @property
    def processes(self) -> Sequence[Process]:
        """Two of them."""

    @property
    def ear(self) -> Ear:
        """Hears what is announced in the channels."""

    @property
    def partitions(self) -> int:
        """Into how many parts the backend is divided."""

    def partition(self, channel: Channel) -> int:
        """Tell in which part a channel is."""

    async def age(self, seconds: float) -> None:
        """Let time pass."""

    async def lose(self, partition: int) -> None:
        """Lose all data of a part."""


@dataclass(slots=True)
class MemoryWorld:
    """A `World` in this process."""

    bus: MemoryBus
    ear: Ear
    partitions: int = 1
    now: float = 0.0
    processes: Sequence[Process] = field(init=False)

    def __post_init__(self) -> None:
        self._found()

    def _found(self) -> None:
        leases = MemoryLeases(lambda: self.now)
        lifecycle = MemoryLifecycle(everything, clock=lambda: self.now, bounds=BOUNDS)
        roster = MemoryRoster(self.bus.announce, leases, decided=lifecycle.decided)
        tally = MemoryTally(self.bus.announce, leases, decided=lifecycle.decided)
        process = Process(leases, roster, tally, lifecycle)
        self.processes = (process, process)

    def partition(self, _: Channel) -> int:
        """See `World.partition`."""
        return 0

    async def age(self, seconds: float) -> None:
        """See `World.age`."""
        self.now += seconds

    async def lose(self, _: int) -> None:
        """See `World.lose`."""
        self._found()


@dataclass(frozen=True, slots=True)
class RedisWorld:
    """A `World` on a Redis: its clock cannot be moved, so all that is kept there grows older."""

    processes: Sequence[Process]
    ear: Ear
    keys: Keys
    client: redis.asyncio.Redis

    @property
    def partitions(self) -> int:
        """See `World.partitions`."""
        return len(self.keys.tags)

    def partition(self, channel: Channel) -> int:
        """See `World.partition`."""
        return self.keys.index(channel)

    async def age(self, seconds: float) -> None:
        """See `World.age`."""
        names = [
            self.keys.partition(kind, index)
            for index in range(self.partitions)
            for kind in _INSTANTS
        ]
        milliseconds = str(round(seconds * 1000))
        await self.client.eval(_AGE, len(names), *names, milliseconds)
        for index in range(self.partitions):
            owner = self.keys.partition("lifecycle.owner", index)
            await self.client.eval(_AGE_OWNER, 1, owner, milliseconds)

    async def lose(self, partition: int) -> None:
        """See `World.lose`."""
        pattern = self.keys.partition("*", partition)
        if names := [name async for name in self.client.scan_iter(pattern, count=10_000)]:
            await self.client.delete(*names)


@asynccontextmanager
async def world(url: str, prefix: str, channels: Collection[Channel]) -> AsyncIterator[World]:
    """Set up processes on memory or on a Redis, and an ear for some channels."""
    async with AsyncExitStack() as stack:
        if url == MEMORY:
            memory = MemoryBus()
            listener = await stack.enter_async_context(memory.listen())
            await listener.follow(channels)
            yield MemoryWorld(memory, Ear(memory, listener, [*channels]))
            return
        keys = Keys(prefix, PARTITIONS)
        opened = [
            await stack.enter_async_context(RedisConnection(Url(url), name))
            for name in ("roster", "roster", "bus")
        ]
        bus = RedisBus(opened[2], keys)
        listener = await stack.enter_async_context(bus.listen())
        await listener.follow(channels)
        made = [RedisProcess.on(each, keys, everything, bounds=BOUNDS) for each in opened[:2]]
        client = await stack.enter_async_context(visit(url))
        processes = [
            Process(
                one.leases,
                one.roster,
                one.tally,
                RedisLifecycle(one.connection, keys, bounds=BOUNDS),
            )
            for one in made
        ]
        yield RedisWorld(processes, Ear(bus, listener, [*channels]), keys, client)
