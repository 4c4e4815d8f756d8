"""What becomes of channels and members comes to a topic, whatever happens to the processes that tell it."""

import asyncio
import signal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from libs.common.config.address import Url
from libs.common.eventlog.kafka.log import KafkaEventLog
from tests.support.clients.visitors import Visitor, visitors
from tests.support.deadline import DEADLINE
from tests.support.deployments.fleet import APP, Fleet, said
from tests.support.deployments.program import Program
from tests.support.ports.eventlogs import PATIENT, create

ROOM, OTHER = "presence-room", "presence-other"


class Told:
    """
    Reads a topic of facts.

    Attributes:
        events: All that came, in order, repeats left out.
        repeats: How many of those there were.
    """

    def __init__(self) -> None:
        self.events: dict[str, dict[str, Any]] = {}
        self.repeats = 0

    async def read(self, url: str, topic: str) -> None:
        """Read until cancelled."""
        async with (
            KafkaEventLog(Url(url), PATIENT) as log,
            log.consume([topic], group=f"{topic}.test") as consumer,
        ):
            while True:
                for record in await consumer.fetch(1.0):
                    event = msgspec.json.decode(record.value or b"")
                    self.repeats += event["id"] in self.events
                    self.events.setdefault(event["id"], event)

    def about(self, channel: str) -> list[str]:
        """Return what became of a channel and its members, in order."""
        return [
            event["type"].removeprefix("fanfare.") + " " + event["data"].get("user_id", "")
            for event in self.events.values()
            if event["data"].get("channel") == channel
        ]

    async def until(self, channel: str, count: int) -> list[str]:
        """Wait until so much was told about a channel."""
        async with asyncio.timeout(DEADLINE):
            while len(self.about(channel)) < count:
                await asyncio.sleep(0.01)
        return self.about(channel)


@pytest.fixture
async def fleet(tmp_path: Path, redis_url: str, kafka_url: str) -> Fleet:
    fleet = Fleet(tmp_path, redis=redis_url, kafka=kafka_url)
    await create(kafka_url, f"{fleet.prefix}.facts")
    return fleet


async def visited(visitor: Visitor, gateway: Program, channel: str, user: str) -> Visitor:
    """Join a channel."""
    await visitor.connect(gateway.url)
    await visitor.join(channel, user=user)
    return visitor


async def test_told(fleet: Fleet) -> None:
    """
    Two presence processes share the work; one is killed, one stopped and continued: each fact comes, in order.
    """
    topic = f"{fleet.prefix}.facts"
    wanted = {
        "FANFARE_PRESENCE_LIFECYCLE_TOPIC": topic,
        "FANFARE_PRESENCE_SHARE_TTL": "1",
    }
    told = Told()
    async with (
        fleet.running("gateway", **wanted) as gateway,
        fleet.running("gateway", **wanted) as other,
        fleet.running("presence", **wanted) as stopped,
        fleet.running("presence", **wanted) as killed,
        visitors(APP) as visitor,
        asyncio.TaskGroup() as tasks,
    ):
        reading = tasks.create_task(told.read(fleet.kafka, topic))
        ann = await visited(visitor(), gateway, ROOM, "ann")
        second = await visited(visitor(), other, ROOM, "ann")
        bob = await visited(visitor(), other, ROOM, "bob")
        await told.until(ROOM, 3)

        killed.kill()
        await visited(visitor(), gateway, OTHER, "cat")
        await ann.leave()
        await bob.leave()
        await told.until(ROOM, 4)
        stopped.send(signal.SIGSTOP)
        async with fleet.running("presence", **wanted) as third:
            await second.leave()
            await told.until(ROOM, 6)
            stopped.send(signal.SIGCONT)
            other.kill()
            dan = await visited(visitor(), gateway, OTHER, "dan")
            await dan.leave()
            await told.until(OTHER, 4)
            assert await third.stop() == 0
        reading.cancel()
        assert not said(gateway, "facts.lost")

    room = told.about(ROOM)
    assert [each for each in room if each != "channel_occupied "] == [
        "member_added ann",
        "member_added bob",
        "member_removed bob",
        *sorted(["member_removed ann", "channel_vacated "], key=room.index),
    ]
    assert room.count("channel_occupied ") == 1
    assert sorted(told.about(OTHER)) == [
        "channel_occupied ",
        "member_added cat",
        "member_added dan",
        "member_removed dan",
    ]
