"""What Redis spends: on events, by the gateways that follow; on positions; and its memory."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from statistics import median

import msgspec

from bench.deployment import APP
from bench.fanout import DATA
from bench.scale.constants import RedisCosts
from bench.scale.costs import REST, Cost, solved
from bench.workers import cpu_seconds
from libs.common.bus.messages import Broadcast, Entry, Publication, event_frame
from libs.common.bus.port import Bus, Listener
from libs.common.channels import Channel
from tests.support.servers import Server
from tests.support.servers.redis.server import connect

TOGETHER = (1, 16)  # Events of one pipeline.
FOLLOWERS = (0, 8)  # Gateways that follow.
TURNS = 60  # Publishes of a round.
WARM_UP = 10
STANDING = 2.0  # Seconds.
CHANNELS = 2000
FIRST, ENTRIES = 30, 50  # Entries of a channel, and the further ones whose memory is taken.
BATCH = 500
CHANNEL = Channel(APP.id, "scale-redis")


def publications(channels: Sequence[Channel]) -> list[Publication]:
    """Compose an event for each channel."""
    frames = [event_frame(channel.name, "event", DATA) for channel in channels]
    return [
        Publication(channel, Broadcast(frame, time.time()))
        for channel, frame in zip(channels, frames, strict=True)
    ]


async def measure(server: Server, bus: Bus, *, rounds: int) -> RedisCosts:
    """Measure all of it, with nobody else on the server."""
    channel, entry, feed = await _memory(server, bus)
    return RedisCosts(
        publish=await publish(server, bus, rounds=rounds),
        standing=await _standing(server),
        check=await _check(server, bus, rounds),
        channel=channel,
        entry=entry,
        feed=feed,
    )


async def publish(server: Server, bus: Bus, *, rounds: int) -> Cost:
    """Measure events that come together, by the number of gateways that follow."""
    found: dict[tuple[int, int], float] = {}
    for followers in FOLLOWERS:
        async with AsyncExitStack() as stack:
            listeners = [await stack.enter_async_context(bus.listen()) for _ in range(followers)]
            for listener in listeners:
                await listener.follow([CHANNEL])
            for events in TOGETHER:
                await _turns(bus, listeners, events, WARM_UP)
                costs = [await _cost(server, bus, listeners, events) for _ in range(rounds)]
                found[events, followers] = median(costs)
    rested = [await _cost(server, bus, [], 1, pause=REST) for _ in range(rounds)]
    waking = median(rested) - found[1, 0]
    return msgspec.structs.replace(solved(found), waking=max(0.0, waking))


async def _cost(
    server: Server,
    bus: Bus,
    listeners: Sequence[Listener],
    events: int,
    *,
    pause: float = 0.0,
) -> float:
    before = cpu_seconds(server.pid)
    await _turns(bus, listeners, events, TURNS, pause=pause)
    return (cpu_seconds(server.pid) - before) / TURNS


async def _turns(
    bus: Bus,
    listeners: Sequence[Listener],
    events: int,
    turns: int,
    *,
    pause: float = 0.0,
) -> None:
    """Publish, and wait until all who follow have it, before it is published again."""
    for _ in range(turns):
        await asyncio.sleep(pause)
        await bus.publish(publications([CHANNEL] * events))
        for listener in listeners:
            missing = events
            while missing:
                taken = await listener.receive(1.0)
                missing -= sum(isinstance(each, Entry) for each in taken)


async def _standing(server: Server) -> float:
    before = cpu_seconds(server.pid)
    await asyncio.sleep(STANDING)
    return (cpu_seconds(server.pid) - before) / STANDING


async def _check(server: Server, bus: Bus, rounds: int) -> float:
    """Measure positions, as many in a pipeline as a gateway asks for."""
    channels = [Channel(APP.id, f"scale-check-{number}") for number in range(BATCH)]
    await bus.tops(channels)
    costs = []
    for _ in range(rounds):
        before = cpu_seconds(server.pid)
        await bus.tops(channels)
        costs.append((cpu_seconds(server.pid) - before) / BATCH)
    return median(costs)


async def _memory(server: Server, bus: Bus) -> tuple[float, float, float]:
    """Measure what channels, entries and channels that are followed take."""
    channels = [Channel(APP.id, f"scale-memory-{number}") for number in range(CHANNELS)]
    empty = await used_memory(server)
    await _fill(bus, channels)
    first = await used_memory(server)
    few = channels[: CHANNELS // 10]
    for _ in range(FIRST):
        await _fill(bus, few)
    some = await used_memory(server)
    for _ in range(ENTRIES):
        await _fill(bus, few)
    entries = await used_memory(server)
    async with bus.listen() as listener:
        await listener.follow(channels[:1])
        before = await used_memory(server)
        await listener.follow(channels)
        followed = await used_memory(server)
    return (
        (first - empty) / CHANNELS,
        (entries - some) / (ENTRIES * len(few)),
        (followed - before) / CHANNELS,
    )


async def _fill(bus: Bus, channels: Sequence[Channel]) -> None:
    for start in range(0, len(channels), BATCH):
        await bus.publish(publications(channels[start : start + BATCH]))


async def used_memory(server: Server) -> float:
    """Return the bytes that Redis has allocated."""
    async with connect(server.url) as client:
        told = await client.info("memory")
    return float(told["used_memory"])
