"""Buses for tests: opened by URL, spoken to in short, listened to with a deadline."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from libs.common.bus.memory import MemoryBus
from libs.common.bus.messages import (
    Broadcast,
    Delivery,
    Entry,
    Interrupted,
    Position,
    Publication,
    Source,
)
from libs.common.bus.port import Bus, Listener
from libs.common.bus.redis import PROBE_INTERVAL, RedisBus
from libs.common.bus.settings import HistorySettings
from libs.common.channels import Channel
from libs.common.config.address import Url
from libs.common.errors import Unavailable
from libs.common.redis.connection import RedisConnection
from libs.common.redis.keys import Keys
from libs.common.redis.pubsub.ways import Pubsub
from tests.support.deadline import DEADLINE
from tests.support.servers.process import eventually

MEMORY = "memory://"
BACKLOG = 65_536


@asynccontextmanager
async def processes(
    url: str,
    prefix: str,
    *,
    count: int = 2,
    history: HistorySettings | None = None,
    backlog: int = BACKLOG,
    probe_interval: float = PROBE_INTERVAL,
) -> AsyncIterator[Sequence[Bus]]:
    """
    Open the same bus as so many processes would; on memory there is one process.

    A URL with ``#sharded`` or another value of `Pubsub` behind it is used in that way.
    """
    if url == MEMORY:
        yield [MemoryBus(history, backlog=backlog)] * count
        return
    url, _, way = url.partition("#")
    pubsub = Pubsub(way or "classic")
    async with AsyncExitStack() as stack:
        connections = [
            await stack.enter_async_context(RedisConnection(Url(url), "bus")) for _ in range(count)
        ]
        yield [
            RedisBus(
                connection,
                Keys(prefix),
                history,
                backlog=backlog,
                probe_interval=probe_interval,
                pubsub=pubsub,
            )
            for connection in connections
        ]


def event(
    channel: Channel, text: str, source: tuple[str, int, float] | None = None, *, token: str = ""
) -> Publication:
    """Make a publication; a source is its name, the sequence and the timestamp."""
    broadcast = Broadcast(text.encode(), 1_763_640_000.25)
    return Publication(channel, broadcast, Source(*source) if source else None, token)


def texts(deliveries: Iterable[Delivery], channel: Channel | None = None) -> list[str]:
    """Read the frames of entries, of one channel or of all."""
    return [
        delivery.broadcast.frame.decode()
        for delivery in deliveries
        if isinstance(delivery, Entry) and channel in {None, delivery.channel}
    ]


async def kept(bus: Bus, channel: Channel, *, limit: int = 10_000) -> list[str]:
    """Read the frames of a channel's whole history."""
    top = (await bus.tops([channel]))[channel]
    history = await bus.history(channel, Position(top.epoch, 0), limit=limit)
    assert history.entries is not None
    return texts(history.entries)


async def reached(bus: Bus, channel: Channel, offset: int) -> None:
    """Wait until a channel has come to this offset."""

    async def has_come() -> bool:
        top = (await bus.tops([channel]))[channel]
        return top.offset >= offset

    await eventually(has_come, timeout=DEADLINE)


async def becomes_available(bus: Bus, channels: Sequence[Channel]) -> None:
    """Wait until all of the channels can be read."""

    async def succeeds() -> bool:
        try:
            return set(await bus.tops(channels)) == set(channels)
        except Unavailable:
            return False

    async with asyncio.timeout(2 * DEADLINE):
        await eventually(succeeds, timeout=DEADLINE)


async def heard(listener: Listener, count: int) -> list[Delivery]:
    """Receive until there are so many deliveries."""
    deliveries: list[Delivery] = []
    async with asyncio.timeout(DEADLINE):
        while len(deliveries) < count:
            deliveries += await listener.receive(1.0)
    return deliveries


async def heard_up_to(listener: Listener, channel: Channel, offset: int) -> list[Delivery]:
    """Receive until an entry of the channel has this offset."""
    deliveries: list[Delivery] = []
    async with asyncio.timeout(DEADLINE):
        while offset not in {position.offset for position in positions(deliveries, channel)}:
            deliveries += await listener.receive(1.0)
    return deliveries


async def heard_until_interrupted(listener: Listener) -> list[Delivery]:
    """Receive until the listener says that it was cut off."""
    deliveries: list[Delivery] = []
    async with asyncio.timeout(DEADLINE):
        while not any(isinstance(delivery, Interrupted) for delivery in deliveries):
            deliveries += await listener.receive(1.0)
    return deliveries


def positions(deliveries: Iterable[Delivery], channel: Channel) -> list[Position]:
    """Read the positions of a channel's entries."""
    return [
        delivery.position
        for delivery in deliveries
        if isinstance(delivery, Entry) and delivery.channel == channel
    ]
