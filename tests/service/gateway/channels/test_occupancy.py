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
from tests.support.fakes.lines import Line
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

    def come(self, channel: Channel, name: str) -> Line:
        line = Line()
        self.hub.subscribe(channel, Client(name))
        self.occupancy.came(channel, line)
        return line

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

    async def test_gathered(self) -> None:
        """
        However many come while the tally is being told, they are in the one report that follows.
        """
        async with running() as bench:
            bench.tally.answers.clear()
            bench.come(CHANNELS[0], "1.1")
            await until(lambda: len(bench.tally.reports) == 1)
            for number in range(10_000):
                bench.come(CHANNELS[number % 2], f"{number}.2")
            bench.tally.answers.set()

            await bench.settled()

            assert [len(counts) for counts in bench.tally.reports] == [1, 2]
            assert [count.number for count in bench.tally.reports[1]] == [5001, 5000]


class TestHeld:
    """What a newcomer is told waits until the tally is told, and for nothing else."""

    async def test_until_answered(self) -> None:
        """
        A newcomer is held until its report is answered: whoever asks then finds it counted.
        """
        async with running(Timers(count_patience=NEVER)) as bench:
            bench.tally.answers.clear()

            line = bench.come(CHANNELS[0], "1.1")

            await until(lambda: len(bench.tally.reports) == 1)
            assert line.holds == 1
            bench.tally.answers.set()
            await until(lambda: line.holds == 0)

    async def test_behind_another(self) -> None:
        """
        Who comes while a report is under way is held for the next one, once for all its channels.
        """
        async with running(Timers(count_patience=NEVER)) as bench:
            bench.tally.answers.clear()
            first = bench.come(CHANNELS[0], "1.1")
            await until(lambda: len(bench.tally.reports) == 1)
            second = bench.come(CHANNELS[0], "2.1")
            bench.occupancy.came(CHANNELS[1], second)
            assert (first.holds, second.holds) == (1, 1)

            bench.tally.answers.set()
            await bench.settled()

            assert (first.holds, second.holds) == (0, 0)
            assert len(bench.tally.reports) == 2

    async def test_in_handfuls(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        A report in several parts is answered when its last part is.
        """
        monkeypatch.setattr(occupancy, "BATCH", 1)
        async with running(Timers(count_patience=NEVER)) as bench:
            bench.tally.answers.clear()
            lines = [bench.come(channel, "1.1") for channel in CHANNELS[:2]]
            await until(lambda: len(bench.tally.reports) == 1)
            assert [line.holds for line in lines] == [1, 1]

            bench.tally.answers.set()
            await bench.settled()

            assert [line.holds for line in lines] == [0, 0]

    async def test_silent(self) -> None:
        """
        Behind a report that is not answered a newcomer is held for a while; those after it not at all.
        """
        async with running(Timers(count_patience=0.05)) as bench:
            bench.tally.answers.clear()
            first = bench.come(CHANNELS[0], "1.1")
            await until(lambda: first.holds == 0)

            second = bench.come(CHANNELS[0], "2.1")
            await until(lambda: second.holds == 0)
            third = bench.come(CHANNELS[0], "3.1")

            assert third.holds == 0
            assert len(bench.tally.reports) == 1
            bench.tally.answers.set()
            await bench.settled()
            assert bench.come(CHANNELS[0], "4.1").holds == 1

    async def test_away(self) -> None:
        """
        Nobody is held while the tally is away, also who came before that was known; later again.
        """
        async with running() as bench:
            bench.tally.is_away = True
            first = bench.come(CHANNELS[0], "1.1")
            await until(lambda: first.holds == 0)
            await until(lambda: bench.tally.refusals > 0)

            assert bench.come(CHANNELS[0], "2.1").holds == 0
            bench.tally.is_away = False
            await bench.settled()
            assert bench.come(CHANNELS[0], "3.1").holds == 1


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
