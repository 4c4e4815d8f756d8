"""A gateway that goes: clients are sent elsewhere bit by bit, and members may return without having left."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import msgspec
from aiohttp import WSMsgType

from libs.common.apps.memory import MemoryApps
from libs.common.channels import Channel
from tests.support.clients.client import ADDED, Client
from tests.support.deadline import DEADLINE
from tests.support.services.gateway import APP, QUICK, Place, place, until

ROOM = "presence-room"
CHANNEL = Channel(APP.id, ROOM)
SLOW = replace(QUICK, drain_slice=DEADLINE)
PATIENT = MemoryApps([msgspec.structs.replace(APP, leave_grace=DEADLINE)])


@asynccontextmanager
async def draining(here: Place) -> AsyncIterator["asyncio.Task[None]"]:
    """Drain, and stop draining in the end."""
    task = asyncio.create_task(here.gateway.drain())
    try:
        yield task
    finally:
        task.cancel()


async def drained(here: Place) -> None:
    async with asyncio.timeout(DEADLINE):
        await here.gateway.drain()


async def expect_sent_away(client: Client) -> None:
    await client.expect_error(4200)
    assert await client.expect_close() == 4200


class TestDrain:
    """architecture.md, 5, "Lifecycle of a service"."""

    async def test_sent_away(self) -> None:
        """
        All are told to come back at once; when it returns nobody is left.
        """
        async with place() as here:
            clients = [await here.join("a") for _ in range(5)]

            async with draining(here) as task:
                for client in clients:
                    await expect_sent_away(client)
                async with asyncio.timeout(DEADLINE):
                    await task

            assert here.gateway.counters.closed == {4200: 5}

    async def test_bit_by_bit(self) -> None:
        """
        They are sent away in handfuls; until its turn comes a client is served.
        """
        async with place(drain_spread=4 * DEADLINE, timers=SLOW) as here:
            clients = [await here.join("a") for _ in range(8)]

            async with draining(here):
                reading = [asyncio.create_task(client.receive()) for client in clients]
                await until(lambda: sum(task.done() for task in reading) == 2)
                await here.publish("a", "1")
                messages = [await task for task in reading]

            events = [message.data for message in messages if message.type is WSMsgType.TEXT]
            assert sum("pusher:error" in event for event in events) == 2
            assert sum('"news"' in event for event in events) == 6

    async def test_new_clients(self) -> None:
        """
        Who comes meanwhile is sent away with 4100.
        """
        async with place(drain_spread=2 * DEADLINE, timers=SLOW) as here:
            await here.connect()
            await here.connect()
            async with draining(here):
                await until(lambda: not here.gateway.state().is_accepting)

                late = await here.open()

                await late.expect_error(4100)
                assert await late.expect_close() == 4100

    async def test_silent_client(self) -> None:
        """
        A client that does not answer is not waited for.
        """
        async with place(timers=replace(QUICK, closing=0.1)) as here:
            await here.connect()

            await drained(here)

            assert here.gateway.counters.closed == {4200: 1}

    async def test_nobody_there(self) -> None:
        """
        Without clients it is done at once.
        """
        async with place() as here:
            await drained(here)

    async def test_lease_not_released(self) -> None:
        """
        A lease that cannot be released is left to lapse.
        """
        async with place() as here:
            name = here.gateway.state().name
            await until(lambda: name in here.roster.leases())
            here.roster.is_away = True

            await drained(here)

            assert name in here.roster.leases()

    async def test_members(self) -> None:
        """
        Members leave with grace, and the lease is given up, before it returns; no client hears of a leave.
        """
        async with (
            place(apps=PATIENT) as here,
            place(bus=here.bus, roster=here.roster, apps=PATIENT) as there,
        ):
            ann = await there.join(ROOM, user="ann")
            bob = await here.join(ROOM, user="bob")
            await ann.expect(ADDED, ROOM)
            name = here.gateway.state().name

            async with draining(here) as task:
                await expect_sent_away(bob)
                async with asyncio.timeout(DEADLINE):
                    await task

            assert here.roster.leaving() == {bob.socket_id}
            assert name not in here.roster.leases()
            back = await there.connect()
            assert await back.subscribe(ROOM, user="bob") == ["ann", "bob"]
            await here.publish(ROOM, "marker")
            assert await ann.expect("news", ROOM) == "marker"

    async def test_after_it_was_empty(self) -> None:
        """
        It waits for those who are there now, whoever came and went before.
        """
        async with place(apps=PATIENT) as here:
            visitor = await here.connect()
            await visitor.close()
            await until(lambda: here.gateway.counters.closed == {1000: 1})
            member = await here.join(ROOM, user="ann")

            async with draining(here) as task:
                await expect_sent_away(member)
                async with asyncio.timeout(DEADLINE):
                    await task

            assert here.gateway.counters.closed == {1000: 1, 4200: 1}
            assert here.roster.leaving() == {member.socket_id}

    async def test_roster_away(self) -> None:
        """
        While the roster is away it waits, up to the caller's deadline, so that departures are not lost.
        """
        async with place(apps=PATIENT) as here:
            member = await here.join(ROOM, user="ann")
            here.roster.is_away = True
            async with draining(here) as task:
                await expect_sent_away(member)
                await until(lambda: here.roster.refusals > 1)
                assert not task.done()

                here.roster.is_away = False

                async with asyncio.timeout(DEADLINE):
                    await task
            assert here.roster.leaving() == {member.socket_id}
