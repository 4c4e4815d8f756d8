"""Gateways stand still, are ended in order, and crash: what members of presence channels are told of it."""

import asyncio
import secrets
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from libs.common.redis.keys import Keys
from tests.support.clients.visitors import Visitor, visitors
from tests.support.deadline import DEADLINE
from tests.support.deployments.fleet import APP, Fleet, said
from tests.support.deployments.program import Program
from tests.support.ports.eventlogs import create
from tests.support.servers.redis.server import visit


class Stage(NamedTuple):
    """A deployment whose gateways the tests may break."""

    fleet: Fleet
    gateways: tuple[Program, Program]


@pytest.fixture(scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory, redis_url: str) -> AsyncIterator[Stage]:
    """Yield two gateways, and presence beside them."""
    fleet = Fleet(tmp_path_factory.mktemp("gateways"), redis=redis_url)
    async with (
        fleet.running("presence"),
        fleet.running("gateway") as one,
        fleet.running("gateway") as two,
    ):
        yield Stage(fleet, (one, two))


@pytest.fixture
def presence() -> str:
    """Return a channel that no other test uses."""
    return f"presence-{secrets.token_hex(4)}"


async def seated(visitor: Visitor, gateway: Program, presence: str, name: str) -> None:
    """Connect a visitor, and seat it under a name."""
    await visitor.connect(gateway.url)
    await visitor.join(presence, user=name)


class TestZombie:
    """A gateway stands still for longer than lease and grace, and then goes on."""

    async def test_goes_on(self, stage: Stage, presence: str) -> None:
        """
        Its members left once, and are back once; in the end everybody sees everybody.
        """
        observer, zombie = stage.gateways
        async with visitors(APP) as visitor:
            ann, bob, cat, dan = (visitor() for _ in range(4))
            await seated(ann, observer, presence, "ann")
            await seated(bob, zombie, presence, "bob")
            await seated(cat, zombie, presence, "cat")
            await ann.until_members(presence, "ann", "bob", "cat")

            zombie.send(signal.SIGSTOP)
            await ann.until_members(presence, "ann")
            zombie.send(signal.SIGCONT)
            await ann.until_members(presence, "ann", "bob", "cat")
            await seated(dan, observer, presence, "dan")
            for guest in (ann, bob, cat, dan):
                await guest.until_members(presence, "ann", "bob", "cat", "dan")
            await dan.leave()
            for guest in (ann, bob, cat):
                await guest.until_members(presence, "ann", "bob", "cat")

            told = ["+bob", "+cat", "-bob", "-cat", "+bob", "+cat", "+dan", "-dan"]
            assert sorted(ann.changes(presence)) == sorted(told)
            for guest in (bob, cat):
                changes = guest.changes(presence)
                assert changes.count("+dan") == changes.count("-dan") == 1
                assert changes.count("-bob") <= 1
                assert changes.count("-cat") <= 1
            assert said(zombie, "lease.lost")


class TestEnded:
    """SIGTERM ends a process in order."""

    async def test_members_return_elsewhere(self, stage: Stage, presence: str) -> None:
        """
        Clients are told to return at once; of who does so in time the others see neither leaving nor coming.
        """
        async with visitors(APP) as visitor, stage.fleet.running("gateway") as leaving:
            ann, bob, cat, dan = (visitor() for _ in range(4))
            await seated(bob, leaving, presence, "bob")
            await seated(cat, leaving, presence, "cat")
            await seated(ann, stage.gateways[0], presence, "ann")

            async with asyncio.TaskGroup() as tasks:
                ending = tasks.create_task(leaving.stop())
                for guest, name in ((bob, "bob"), (cat, "cat")):
                    assert await guest.until_closed() == 4200
                    await seated(guest, stage.gateways[1], presence, name)
            # Her grace begins later than that of those who returned, so it ends later.
            await seated(dan, stage.gateways[1], presence, "dan")
            await ann.until_members(presence, "ann", "bob", "cat", "dan")
            await dan.leave()
            await ann.until_members(presence, "ann", "bob", "cat")

            assert ending.result() == 0
            assert ann.changes(presence) == ["+dan", "-dan"]
            assert said(leaving)[-1]["event"] == "process.stopped"

    async def test_every_service(self, tmp_path: Path, redis_url: str, kafka_url: str) -> None:
        """
        Each service ends with status 0, and says that it did.
        """
        fleet = Fleet(tmp_path, redis=redis_url, kafka=kafka_url)
        await create(kafka_url, fleet.topic)
        async with AsyncExitStack() as stack:
            running = await asyncio.gather(
                *(
                    stack.enter_async_context(fleet.running(name))
                    for name in ("auth", "dispatcher", "presence")
                )
            )

            statuses = await asyncio.gather(*(process.stop() for process in running))

            assert statuses == [0, 0, 0]
            for process in running:
                assert said(process)[-1]["event"] == "process.stopped"


class TestCrashed:
    """A fault of our own, or in our data, that nothing is known to help against."""

    async def test_ends_the_process(self, tmp_path: Path, redis_url: str) -> None:
        """
        A service that fails ends its process with an error, for whoever watches over it to start another.
        """
        fleet = Fleet(tmp_path, redis=redis_url)
        async with visit(redis_url) as redis, fleet.running("presence") as process:
            await redis.set(Keys(fleet.prefix).partition("roster.leases", 0), "no sorted set")

            async with asyncio.timeout(DEADLINE):
                status = await process.process.wait()

            assert status == 1
            (crash,) = said(process, "process.crashed")
            assert crash["level"] == "error"
            assert "WRONGTYPE" in crash["exception"]
