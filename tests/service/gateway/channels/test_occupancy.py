"""How occupancy tells the tally what it should know."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from libs.common.bus.messages import Position
from libs.common.channels import Channel
from libs.common.tally.port import Count
from services.gateway.channels import occupancy
from services.gateway.channels.hub import Hub
from services.gateway.channels.occupancy import Occupancy
from services.gateway.lease import Lease
from services.gateway.timers import TIMERS, Timers
from tests.support.deadline import DEADLINE
from tests.support.fakes.faults import FaultyBus, FaultyRoster
from tests.support.fakes.tallies import subscriptions
from tests.support.services.gateway import until
from tests.support.services.quotas import SlowTally

CHANNELS = [Channel("1", f"a{number}") for number in range(3)]
NEVER = 100 * DEADLINE


@dataclass(eq=False)
class Client:
    """A subscriber."""

    socket_id: str


@dataclass
class Bench:
    """
    An occupancy that runs.

    Attributes:
        occupancy: What is tested.
        tally: Whom it tells.
        hub: What it counts; all of `CHANNELS` are followed.
        lease: Under whose name.
        roster: Who keeps that.
    """

    occupancy: Occupancy
    tally: SlowTally
    hub: Hub[Any]
    lease: Lease
    roster: FaultyRoster

    def come(self, channel: Channel, name: str) -> None:
        self.hub.subscribe(channel, Client(name))
        self.occupancy.changed(channel)

    async def settled(self) -> None:
        async with asyncio.timeout(DEADLINE):
            await self.occupancy.settled()


@asynccontextmanager
async def running(timers: Timers = TIMERS) -> AsyncIterator[Bench]:
    bus = FaultyBus()
    roster = FaultyRoster(bus)
    tally, hub = SlowTally(bus, roster), Hub[Any]()
    for channel in CHANNELS:
        hub.open(channel, Position("e", 0), now=0.0)
    lease = Lease(roster, ttl=NEVER, interval=NEVER, unseated=asyncio.Event())
    reporter = Occupancy(tally, hub, lease=lease, announced=lambda _: True, timers=timers)
    task = asyncio.create_task(reporter.run())
    try:
        yield Bench(reporter, tally, hub, lease, roster)
    finally:
        task.cancel()
        await asyncio.wait([task])


class TestReports:
    """Changes of a moment together, a channel's once."""

    async def test_once(self) -> None:
        """
        However much changed in a moment, there is one report, with each channel's number as it is then.
        """
        async with running() as bench:
            for number in range(100):
                for channel in CHANNELS[:2]:
                    bench.come(channel, f"{number}.1")

            await bench.settled()

            assert bench.tally.reports == [
                [Count(subscriptions(channel), 100, announced=True) for channel in CHANNELS[:2]]
            ]

    async def test_presence(self) -> None:
        """
        A presence channel's number is not announced.
        """
        async with running() as bench:
            bench.occupancy.changed(Channel("1", "presence-a"))

            await bench.settled()

            ((count,),) = bench.tally.reports
            assert not count.announced

    async def test_in_handfuls(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        A report has so many channels and no more; all are reported.
        """
        monkeypatch.setattr(occupancy, "BATCH", 2)
        async with running() as bench:
            for channel in CHANNELS:
                bench.come(channel, "1.1")

            await bench.settled()

            assert [len(counts) for counts in bench.tally.reports] == [2, 1]

    async def test_not_in_a_hurry(self) -> None:
        """
        What changes while the tally is being told is gathered for a moment, too.
        """
        async with running(Timers(count_moment=0.3)) as bench:
            bench.tally.answers.clear()
            bench.come(CHANNELS[0], "1.1")
            await until(lambda: len(bench.tally.reports) == 1)
            bench.come(CHANNELS[0], "2.1")
            bench.tally.answers.set()

            for _ in range(20):
                await asyncio.sleep(0)

            assert len(bench.tally.reports) == 1


class TestSettled:
    """Whoever waits for it may go once the tally knows everything."""

    async def test_at_rest(self) -> None:
        """
        Where nothing changed there is nothing to wait for.
        """
        async with running() as bench:
            await bench.settled()

            assert bench.tally.reports == []

    async def test_being_told(self) -> None:
        """
        While the tally is being told it does not know yet.
        """
        async with running() as bench:
            bench.tally.answers.clear()
            bench.come(CHANNELS[0], "1.1")
            await until(lambda: len(bench.tally.reports) == 1)

            waiting = asyncio.create_task(bench.settled())
            for _ in range(20):
                await asyncio.sleep(0)
            assert not waiting.done()
            bench.tally.answers.set()

            await waiting

    async def test_away(self) -> None:
        """
        What could not be told is told again until it could, as it is then.
        """
        async with running() as bench:
            bench.tally.is_away = True
            bench.come(CHANNELS[0], "1.1")
            await until(lambda: bench.tally.refusals > 1)
            bench.come(CHANNELS[0], "2.1")

            bench.tally.is_away = False
            await bench.settled()

            numbers = bench.tally.numbers(subscriptions(CHANNELS[0]))
            assert numbers == {bench.lease.name: 2}

    async def test_name_lost(self) -> None:
        """
        Whoever is told that its name was cleared goes on under another.
        """
        async with running() as bench:
            former = bench.lease.name
            bench.roster.clear(former)
            bench.come(CHANNELS[0], "1.1")

            await bench.settled()

            assert bench.lease.name != former
