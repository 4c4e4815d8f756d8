"""Newcomers are told that they are connected when the tally counts them: back ends that ask then find them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import pytest

from libs.common.tally.port import Count, Subject
from services.gateway.lease import Lease
from services.gateway.quotas import limiter
from services.gateway.quotas.limiter import Admitted, ConnectionLimiter
from services.gateway.quotas.quotas import Quota
from services.gateway.timers import Timers
from tests.support.deadline import DEADLINE
from tests.support.fakes.faults import FaultyBus, FaultyRoster
from tests.support.fakes.lines import Line
from tests.support.services.gateway import QUICK, until
from tests.support.services.quotas import WHOLE, SlowTally, expect_sent_away, held, limited, slow

NEVER = 100 * DEADLINE
PATIENT = Timers(count_patience=NEVER)
ANYWHERE = Subject("address", WHOLE.app, "198.51.100.7")


@dataclass
class Bench:
    """
    A limiter that runs.

    Attributes:
        limiter: What is tested.
        tally: Whom it tells.
    """

    limiter: ConnectionLimiter
    tally: SlowTally

    async def come(self, *subjects: Subject, limit: int = 0) -> Line:
        """Enter, of the app alone where nothing is named; the limit is the last one's."""
        *others, last = subjects or (WHOLE,)
        quotas = (*(Quota(subject, 0) for subject in others), Quota(last, limit))
        line = Line()
        answers: list[Admitted] = []
        self.limiter.admit(quotas, line, answer=answers.append)
        await until(lambda: len(answers) == 1)
        assert isinstance(answers[0], tuple)
        return line

    async def reported(self, number: int) -> None:
        """Wait until so many reports have begun."""
        await until(lambda: len(self.tally.reports) == number)

    def answer_once(self) -> None:
        """Answer the report that is under way, and not the next."""
        self.tally.answers.set()
        self.tally.answers.clear()

    async def settled(self) -> None:
        async with asyncio.timeout(DEADLINE):
            await self.limiter.settled()


@asynccontextmanager
async def running(timers: Timers = PATIENT) -> AsyncIterator[Bench]:
    bus = FaultyBus()
    roster = FaultyRoster(bus)
    tally = SlowTally(bus, roster)
    lease = Lease(roster, ttl=NEVER, interval=NEVER, unseated=asyncio.Event())
    gate = ConnectionLimiter(tally, lease, renewal=NEVER, timers=timers)
    task = asyncio.create_task(gate.run())
    try:
        yield Bench(gate, tally)
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_until_answered() -> None:
    """
    A newcomer is held until its report is answered.
    """
    async with running() as bench:
        bench.tally.answers.clear()

        line = await bench.come()

        await bench.reported(1)
        assert line.holds == 1
        bench.tally.answers.set()
        await until(lambda: line.holds == 0)


async def test_behind_another() -> None:
    """
    Who comes while a report is under way is held for the next one.
    """
    async with running() as bench:
        bench.tally.answers.clear()
        first = await bench.come()
        await bench.reported(1)
        second = await bench.come()
        assert (first.holds, second.holds) == (1, 1)

        bench.tally.answers.set()
        await until(lambda: first.holds == 0)
        await bench.settled()

        assert second.holds == 0
        assert bench.tally.reports[1] == (Count(WHOLE, 2),)


async def test_more_than_a_report_has(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A newcomer whose app is not in the first report of many is held until the one that has it.
    """
    monkeypatch.setattr(limiter, "BATCH", 1)
    async with running() as bench:
        bench.tally.answers.clear()
        await bench.come()
        await bench.reported(1)
        others = [await bench.come(Subject("app", str(number))) for number in range(2, 5)]

        for number in (2, 3, 4):
            bench.answer_once()
            await bench.reported(number)
            assert others[-1].holds == 1
        bench.tally.answers.set()
        await bench.settled()

        assert [line.holds for line in others] == [0, 0, 0]
        assert len(bench.tally.reports) == 4


async def test_counted_before() -> None:
    """
    Of an app with a limit room is taken before anybody is let in: nobody is held.
    """
    async with running() as bench:
        line = await bench.come(limit=5)

        assert line.holds == 0
        assert bench.tally.held(WHOLE) == 1


async def test_limit_of_another_kind() -> None:
    """
    Where an address has a limit and its app has none, a newcomer is held until the app is counted, too.
    """
    async with running() as bench:
        bench.tally.answers.clear()
        coming = asyncio.create_task(bench.come(WHOLE, ANYWHERE, limit=5))
        await bench.reported(1)
        assert bench.tally.held(WHOLE) == 0

        bench.answer_once()
        line = await coming
        assert line.holds == 1
        bench.tally.answers.set()
        await bench.settled()

        assert line.holds == 0
        assert bench.tally.held(WHOLE) == 1


async def test_made_up_for() -> None:
    """
    Where another went meanwhile there is nothing more to report, and nobody is held for it.
    """
    async with running() as bench:
        bench.tally.answers.clear()
        await bench.come()
        await bench.reported(1)
        line = await bench.come()
        bench.limiter.leave([WHOLE])
        bench.tally.answers.set()

        await bench.settled()

        assert line.holds == 0
        assert len(bench.tally.reports) == 1


async def test_silent() -> None:
    """
    Behind a report that is not answered a newcomer is held for a while; those after it not at all.
    """
    async with running(replace(PATIENT, count_patience=0.05)) as bench:
        bench.tally.answers.clear()
        first = await bench.come()
        await until(lambda: first.holds == 0)

        assert (await bench.come()).holds == 0
        assert len(bench.tally.reports) == 1
        bench.tally.answers.set()
        await bench.settled()
        assert (await bench.come()).holds == 1


async def test_away() -> None:
    """
    Nobody is held while the tally is away; later again.
    """
    async with running(replace(QUICK, count_patience=NEVER)) as bench:
        bench.tally.is_away = True
        first = await bench.come()
        await until(lambda: first.holds == 0)

        assert (await bench.come()).holds == 0
        bench.tally.is_away = False
        await bench.settled()
        assert (await bench.come()).holds == 1


async def test_greeting() -> None:
    """
    The greeting is what is held, with the answer before it, and a client that is greeted is counted.
    """
    patient = replace(QUICK, count_patience=NEVER)
    async with slow(limited(), timers=patient) as (here, tally):
        tally.answers.clear()
        opening = asyncio.create_task(here.open())
        await until(lambda: here.gateway.state().unsent > 0)

        tally.answers.set()
        await (await opening).greeted()

        assert held(here, WHOLE) == 1


async def test_refused_meanwhile() -> None:
    """
    Who is sent away while it is held is told so at once.
    """
    patient = replace(QUICK, count_patience=NEVER)
    async with slow(limited(), timers=patient) as (here, tally):
        tally.answers.clear()
        opening = asyncio.create_task(here.open())
        await until(lambda: here.gateway.state().unsent > 0)
        draining = asyncio.create_task(here.gateway.drain())

        client = await opening
        await client.greeted()
        await expect_sent_away(client, 4200)

        tally.answers.set()
        async with asyncio.timeout(DEADLINE):
            await draining
