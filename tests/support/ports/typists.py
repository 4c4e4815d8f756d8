"""Typists on any backend, whose clock a test moves, and an ear on the bus for what they announce."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

from libs.common.bus.memory import MemoryBus
from libs.common.bus.messages import Typed
from libs.common.bus.port import Bus
from libs.common.bus.redis import RedisBus
from libs.common.channels import Channel
from libs.common.config.address import Url
from libs.common.leases.memory import MemoryLeases
from libs.common.leases.port import Leases
from libs.common.leases.redis import RedisLeases
from libs.common.redis.connection import RedisConnection, raise_first
from libs.common.redis.keys import PARTITIONS, Keys
from libs.common.redis.scripts import Call
from libs.common.roster.memory import MemoryRoster
from libs.common.roster.port import Roster
from libs.common.roster.redis import RedisRoster
from libs.common.typists.memory import MemoryTypists
from libs.common.typists.port import Report, Typing, TypingBounds, Typists
from libs.common.typists.redis import RedisTypists
from tests.support.ports.rosters import LONG, MEMORY, Ear

CHAT, ROOM, PUBLIC = (
    Channel("1", "private-chat"),
    Channel("1", "presence-room"),
    Channel("2", "a;b"),
)
CHANNELS = (CHAT, ROOM, PUBLIC)
# Seconds: so long that on a Redis, whose clock goes on, nothing is over before a test says so.
PAUSE, LASTS, ENDED_FOR, TOLD_FOR = 100.0, 600.0, 1000.0, 36_000.0
BOUNDS = TypingBounds(typists=4, listed=2, pause=PAUSE, told_for=TOLD_FOR, ended_for=ENDED_FOR)

_AGE = """
local function older(instant) return string.format('%.0f', instant - ARGV[1]) end
for _, key in ipairs({ KEYS[1], KEYS[3], KEYS[4] }) do
  local ends = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
  for i = 1, #ends, 2 do redis.call('ZADD', key, older(ends[i + 1]), ends[i]) end
end
if redis.call('EXISTS', KEYS[2]) == 1 then
  redis.call('HSET', KEYS[2], 'at', older(redis.call('HGET', KEYS[2], 'at')))
end
for _, key in ipairs({ KEYS[2], KEYS[3] }) do
  if redis.call('EXISTS', key) == 1 then
    redis.call('PEXPIRE', key, older(redis.call('PTTL', key)))
  end
end
"""


@dataclass(frozen=True, slots=True)
class TypingProcess:
    """One of the processes that share typists."""

    typists: Typists
    leases: Leases
    roster: Roster


class TypingWorld(Protocol):
    """Two processes that share typists, and what befalls their backend."""

    @property
    def processes(self) -> Sequence[TypingProcess]:
        """Two of them."""

    @property
    def ear(self) -> Ear:
        """Hears what is announced in `CHANNELS`."""

    async def age(self, seconds: float, channels: Sequence[Channel] = CHANNELS) -> None:
        """Let time pass for these channels."""

    async def lose(self, *kinds: str) -> None:
        """Lose keys of these kinds, where there are keys; else lose all data."""


@dataclass(slots=True)
class MemoryTypingWorld:
    """A `TypingWorld` in this process."""

    bus: MemoryBus
    ear: Ear
    bounds: TypingBounds
    now: float = 0.0
    processes: Sequence[TypingProcess] = field(init=False)

    def __post_init__(self) -> None:
        self._found()

    def _found(self) -> None:
        leases = MemoryLeases(lambda: self.now)
        roster = MemoryRoster(self.bus.announce, leases)
        typists = MemoryTypists(self.bus.announce, leases, roster.size, bounds=self.bounds)
        self.processes = (TypingProcess(typists, leases, roster),) * 2

    async def age(self, seconds: float, _: Sequence[Channel] = CHANNELS) -> None:
        """See `TypingWorld.age`."""
        self.now += seconds

    async def lose(self, *_: str) -> None:
        """See `TypingWorld.lose`."""
        self._found()


@dataclass(frozen=True, slots=True)
class RedisTypingWorld:
    """A `TypingWorld` on a Redis: its clock cannot be moved, so all that is kept grows older."""

    processes: Sequence[TypingProcess]
    ear: Ear
    connection: RedisConnection
    keys: Keys

    async def age(self, seconds: float, channels: Sequence[Channel] = CHANNELS) -> None:
        """See `TypingWorld.age`."""
        await self._ask(
            Call(names[0], ("EVAL", _AGE, len(names), *names, round(seconds * 1000)))
            for names in self._aged(channels)
        )

    def _aged(self, channels: Sequence[Channel]) -> Iterable[Sequence[str]]:
        """Name what grows older together: what is due is shared by channels, and does so once."""
        shared = set()
        for channel in channels:
            index = self.keys.index(channel)
            due = "typists.due" if index not in shared else "typists.nothing"
            shared.add(index)
            kinds = ("typists.sources", "typists.told", "typists.ended")
            own = [self.keys.of(kind, channel) for kind in kinds]
            yield [*own, self.keys.partition(due, index)]

    async def lose(self, *kinds: str) -> None:
        """See `TypingWorld.lose`."""
        names = {
            *(self.keys.of(kind, channel) for kind in kinds for channel in CHANNELS),
            *(
                self.keys.partition(kind, self.keys.index(channel))
                for kind in kinds
                for channel in CHANNELS
            ),
        }
        await self._ask(Call(name, ("DEL", name)) for name in names)

    async def _ask(self, calls: Iterable[Call]) -> None:
        raise_first(await self.connection.ask_all(list(calls)))


@asynccontextmanager
async def typing_world(
    url: str, prefix: str, *, bounds: TypingBounds = BOUNDS, partitions: int = PARTITIONS
) -> AsyncIterator[TypingWorld]:
    """Set up processes on memory or on a Redis, and an ear for `CHANNELS`."""
    async with AsyncExitStack() as stack:
        if url == MEMORY:
            memory = MemoryBus()
            yield MemoryTypingWorld(memory, await _ear(stack, memory), bounds)
            return
        keys = Keys(prefix, partitions)
        opened = [await _opened(stack, url, name) for name in ("roster", "roster", "bus")]
        ear = await _ear(stack, RedisBus(opened[2], keys))
        processes = [_process(connection, keys, bounds) for connection in opened[:2]]
        yield RedisTypingWorld(processes, ear, opened[0], keys)


async def _opened(stack: AsyncExitStack, url: str, name: str) -> RedisConnection:
    return await stack.enter_async_context(RedisConnection(Url(url), name))


async def _ear(stack: AsyncExitStack, bus: Bus) -> Ear:
    listener = await stack.enter_async_context(bus.listen())
    await listener.follow(CHANNELS)
    return Ear(bus, listener, CHANNELS)


def _process(connection: RedisConnection, keys: Keys, bounds: TypingBounds) -> TypingProcess:
    roster, typists = RedisRoster(connection, keys), RedisTypists(connection, keys, bounds)
    leases = RedisLeases(connection, keys, holdings=[roster], terms=[roster, typists])
    return TypingProcess(typists, leases, roster)


def says(
    user_id: str,
    *,
    source: str = "g1",
    lasts: float = LASTS,
    channel: Channel = CHAT,
    age: float = 0.0,
) -> Report:
    """Say that a user types."""
    return Report(channel, user_id, source, lasts, age=age)


def stops(
    user_id: str,
    *,
    source: str = "g1",
    channel: Channel = CHAT,
    everywhere: bool = False,
    age: float = 0.0,
) -> Report:
    """Say that a user has stopped."""
    return Report(channel, user_id, source, 0.0, everywhere, age)


def told(*user_ids: str, channel: Channel = CHAT) -> Typed:
    """Tell that these users type."""
    return Typed(channel, len(user_ids), user_ids)


async def typing_in(world: TypingWorld, channel: Channel = CHAT) -> Typing:
    """Read who types in a channel, as the second process does."""
    (typing,) = await world.processes[1].typists.typing([channel])
    return typing


async def pass_and_sweep(world: TypingWorld, seconds: float) -> None:
    """Let time pass, and have somebody sweep; what another one finds then is nothing new."""
    await world.age(seconds)
    for process in world.processes:
        assert await process.leases.sweep(grace=LONG) == 0
