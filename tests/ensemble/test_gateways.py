"""Gateways stand still, are ended in order, and crash: what members of presence channels are told of it."""

import asyncio
import json
import os
import secrets
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.clients.visitors import Visitor, visitors
from tests.support.deadline import DEADLINE
from tests.support.deployments.fleet import APP, Fleet, said
from tests.support.deployments.program import Program, spawned
from tests.support.ports.eventlogs import create


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


def last_said(process: Program) -> str:
    """Name the last event of a process's log, but for the counts of lines that were held back."""
    events: list[str] = [line["event"] for line in said(process)]
    return [event for event in events if event != "log.held_back"][-1]


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
            assert last_said(leaving) == "process.stopped"

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
                assert last_said(process) == "process.stopped"


# A program of which a service has a fault.
FAULTY = """
from services.cli import main
from services.presence.service import Presence

async def sweep(self):
    raise ArithmeticError("this cannot be")

Presence._sweep = sweep
raise SystemExit(main())
"""
ANYWHERE = {
    "FANFARE_SERVER_LISTEN": "127.0.0.1:0",
    "FANFARE_SERVER_INTERNAL_LISTEN": "127.0.0.1:0",
}


class TestCrashed:
    """A fault of our own, that nothing is known to help against."""

    async def test_ends_the_process(self, tmp_path: Path) -> None:
        """
        A service that fails ends its process with an error, for whoever watches over it to start another.
        """
        fleet, log = Fleet(tmp_path), tmp_path / "log"
        command = (sys.executable, "-c", FAULTY, "run", "--config", str(fleet.write_settings()))
        environ = {**os.environ, **fleet.environ, **ANYWHERE}
        async with spawned(command, environ=environ, log=log) as process:
            async with asyncio.timeout(DEADLINE):
                status = await process.wait()

        assert status == 1
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        (crash,) = (line for line in lines if line["event"] == "process.crashed")
        assert crash["level"] == "error"
        assert "this cannot be" in crash["exception"]
