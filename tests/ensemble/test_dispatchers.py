"""Dispatchers die and come back from the dead in the middle of a stream: every record is told once, in order."""

import asyncio
import json
import signal
from contextlib import AsyncExitStack
from pathlib import Path

from libs.common.bus.messages import Position
from libs.common.bus.redis import RedisBus
from libs.common.channels import Channel
from libs.common.config.address import Url
from libs.common.redis.connection import RedisConnection
from libs.common.redis.keys import Keys
from tests.support.clients.visitors import Visitor, visitors
from tests.support.deployments.fleet import APP, Fleet, Upstream, channel, upstream_of
from tests.support.ports.consumer_groups import wait_for_members, wait_until_committed
from tests.support.ports.eventlogs import create

MANY = 100_000  # More than are told, however slow the machine is.
SMALL_BATCHES = {
    "FANFARE_KAFKA_BATCH": "10",  # So that the middle of the stream lasts.
    "FANFARE_HISTORY_MAX_ENTRIES": str(MANY),
}


async def history(fleet: Fleet, room: str) -> list[int]:
    """Read the whole history of a room's channel."""
    async with RedisConnection(Url(fleet.redis), "bus") as connection:
        bus, place = RedisBus(connection, Keys(fleet.prefix)), Channel(APP.id, channel(room))
        top = (await bus.tops([place]))[place]
        read = await bus.history(place, Position(top.epoch, 0), limit=MANY)
    assert read.entries is not None
    frames = [json.loads(entry.broadcast.frame) for entry in read.entries]
    return [json.loads(frame["data"])["n"] for frame in frames]


def numbers(visitor: Visitor, room: str) -> list[int]:
    return [item["n"] for item in visitor.heard(channel(room))]


class Stream:
    """
    Steps of a room, in a partition of its own, that run out only when they are ended.

    Args:
        upstream: Who tells them.
        visitor: Who hears them; it is never far behind, so that the test ends soon.
        room: The number of the room, and of the partition.
    """

    def __init__(self, upstream: Upstream, visitor: Visitor, room: str) -> None:
        self._upstream = upstream
        self._visitor = visitor
        self._goes_on = True
        self.room = room
        self.told = 0

    async def tell(self) -> None:
        """Keep the visitor a few hundred steps behind, until the end."""
        while self._goes_on:
            await self.add(400)
            await self._visitor.until(lambda: self._ahead() < 400 or not self._goes_on)

    async def add(self, count: int) -> None:
        """Tell so many more steps."""
        numbers = range(self.told, self.told + count)
        await self._upstream.tell(self.room, numbers, partition=int(self.room))
        self.told = numbers.stop

    def is_in_the_middle(self) -> bool:
        """Tell whether steps were heard, and many are still to come."""
        return self._ahead() >= 100 and self.told - self._ahead() >= 10

    def end(self) -> None:
        """Let there be no more steps than are being told."""
        self._goes_on = False

    def _ahead(self) -> int:
        return self.told - len(self._visitor.heard(channel(self.room)))


class TestKilled:
    """A dispatcher is killed, and another takes its place."""

    async def test_in_the_middle(self, tmp_path: Path, redis_url: str, kafka_url: str) -> None:
        """
        What was published and not committed is published again, and nobody notices.
        """
        fleet = Fleet(tmp_path, redis=redis_url, kafka=kafka_url)
        await create(kafka_url, fleet.topic)
        async with (
            fleet.running("gateway") as gateway,
            upstream_of(fleet) as upstream,
            visitors(APP) as visitor,
        ):
            ann = visitor()
            await ann.connect(gateway.url)
            await ann.join(channel("1"))
            await upstream.tell("1", range(2000))

            async with fleet.running("dispatcher", **SMALL_BATCHES) as doomed:
                await ann.until_heard(channel("1"), {"n": 100})
                doomed.kill()
            heard = len(numbers(ann, "1"))
            async with fleet.running("dispatcher"):
                await ann.until_heard(channel("1"), {"n": 1999})
                await wait_until_committed(kafka_url, fleet.group, 2000)

            assert heard < 2000
            assert numbers(ann, "1") == list(range(2000))
            assert await history(fleet, "1") == list(range(2000))


class TestZombie:
    """A dispatcher stands still for so long that its partitions go to another one, and then goes on."""

    async def test_goes_on(self, tmp_path: Path, redis_url: str, kafka_url: str) -> None:
        """
        What it still had in its hands was published by the other one, and is not published again.
        """
        fleet = Fleet(tmp_path, redis=redis_url, kafka=kafka_url)
        await create(kafka_url, fleet.topic, partitions=2)
        async with AsyncExitStack() as stack:
            start = stack.enter_async_context
            gateway = await start(fleet.running("gateway"))
            zombie = await start(fleet.running("dispatcher", **SMALL_BATCHES))
            await start(fleet.running("dispatcher", **SMALL_BATCHES))
            upstream = await start(upstream_of(fleet))
            visitor = await start(visitors(APP))
            ann = visitor()
            await ann.connect(gateway.url)
            for room in ("0", "1"):
                await ann.join(channel(room))
            await wait_for_members(kafka_url, fleet.group, 2)

            streams = [Stream(upstream, ann, room) for room in ("0", "1")]
            async with asyncio.TaskGroup() as telling:
                for stream in streams:
                    telling.create_task(stream.tell())
                await ann.until(lambda: all(stream.is_in_the_middle() for stream in streams))
                zombie.send(signal.SIGSTOP)
                for stream in streams:
                    stream.end()
            for stream in streams:
                await ann.until_heard(channel(stream.room), {"n": stream.told - 1})
            zombie.send(signal.SIGCONT)
            await wait_for_members(kafka_url, fleet.group, 2)
            for stream in streams:
                await stream.add(100)
                await ann.until_heard(channel(stream.room), {"n": stream.told - 1})
            told = sum(stream.told for stream in streams)
            await wait_until_committed(kafka_url, fleet.group, told)

            for stream in streams:
                assert numbers(ann, stream.room) == list(range(stream.told))
                assert await history(fleet, stream.room) == list(range(stream.told))
