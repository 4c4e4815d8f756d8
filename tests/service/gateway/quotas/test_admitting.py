"""Newcomers who are answered by a call, not waited for."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from libs.common.tally.port import Count, Subject
from services.gateway.lease import Lease
from services.gateway.quotas import limiter
from services.gateway.quotas.limiter import Admitted, ConnectionLimiter, OverQuota, QuotaInDoubt
from services.gateway.quotas.quotas import Quota
from services.gateway.timers import TIMERS
from tests.support.deadline import DEADLINE
from tests.support.fakes.faults import FaultyBus, FaultyRoster
from tests.support.fakes.lines import Line
from tests.support.services.gateway import until
from tests.support.services.quotas import WHOLE, SlowTally

FREE = (Quota(WHOLE, 0), Quota(Subject("address", WHOLE.app, "192.0.2.1"), 0))
ONE = (Quota(WHOLE, 1),)


@asynccontextmanager
async def door(
    *, patience: float = DEADLINE
) -> AsyncIterator[tuple[ConnectionLimiter, SlowTally, Callable[[], asyncio.Task[None]]]]:
    """Make a limiter, its tally, and what has it ask; ``patience`` is its newcomers' in seconds."""
    bus = FaultyBus()
    roster = FaultyRoster(bus)
    tally = SlowTally(bus, roster)
    lease = Lease(roster, ttl=DEADLINE, interval=DEADLINE, unseated=asyncio.Event())
    timers = replace(TIMERS, room_margin=patience / 2)
    gate = ConnectionLimiter(tally, lease, renewal=0.0, timers=timers)
    async with asyncio.timeout(2 * DEADLINE), asyncio.TaskGroup() as tasks:
        running: list[asyncio.Task[None]] = []

        def run() -> asyncio.Task[None]:
            running.append(tasks.create_task(gate.run()))
            return running[-1]

        yield gate, tally, run
        for each in running:
            each.cancel()


class TestWithoutLimit:
    """Those who have no limit."""

    async def test_answered_at_once(self) -> None:
        """
        It is answered before the call returns, and the socket is held until the tally counts it.
        """
        async with door() as (gate, tally, run):
            answers: list[Admitted] = []
            line = Line()

            assert gate.admit(FREE, line, answer=answers.append) is None

            assert answers == [tuple(quota.subject for quota in FREE)]
            assert line.holds == 1
            run()
            await gate.settled()
            assert line.holds == 0
            assert tally.reports == [(Count(WHOLE, 1),)]

    async def test_leaves(self) -> None:
        """
        Who leaves counts for nothing.
        """
        async with door() as (gate, tally, run):
            answers: list[Admitted] = []
            gate.admit(FREE, Line(), answer=answers.append)
            (subjects,) = answers
            assert isinstance(subjects, tuple)

            gate.leave(subjects)
            run()
            await gate.settled()

            assert gate.counted == 0
            assert tally.held(WHOLE) == 0


class TestLimit:
    """Those who have a limit."""

    async def test_room(self) -> None:
        """
        The answer comes with the tally's; the first gets the room, the second none.
        """
        async with door() as (gate, tally, run):
            tally.answers.clear()
            answers: list[Admitted] = []
            first = gate.admit(ONE, Line(), answer=answers.append)
            second = gate.admit(ONE, Line(), answer=answers.append)
            run()
            await until(lambda: len(tally.reports) == 1)
            assert answers == []
            assert first is not None
            assert second is not None

            tally.answers.set()

            await until(lambda: len(answers) == 2)
            assert answers[0] == (WHOLE,)
            assert isinstance(answers[1], OverQuota)
            assert not first.is_waiting

    async def test_goes(self) -> None:
        """
        One that goes while the tally is asked hears nothing, and what it was granted is given back.
        """
        async with door() as (gate, tally, run):
            tally.answers.clear()
            answers: list[Admitted] = []
            entering = gate.admit(ONE, line := Line(), answer=answers.append)
            run()
            await until(lambda: len(tally.reports) == 1)
            assert entering is not None

            entering.cancel()
            tally.answers.set()

            await gate.settled()
            assert answers == []
            assert line.holds == 0
            assert gate.counted == 0
            assert tally.held(WHOLE) == 0

    async def test_goes_after_the_answer(self) -> None:
        """
        To cancel what was answered changes nothing: its room is given back by `leave`.
        """
        async with door() as (gate, tally, run):
            answers: list[Admitted] = []
            entering = gate.admit(ONE, Line(), answer=answers.append)
            run()
            await until(lambda: len(answers) == 1)
            assert entering is not None

            entering.cancel()

            await gate.settled()
            assert tally.held(WHOLE) == 1

    async def test_patience(self) -> None:
        """
        One that waited too long is in doubt; a later grant is given back.
        """
        async with door(patience=0.02) as (gate, tally, run):
            tally.answers.clear()
            answers: list[Admitted] = []
            gate.admit(ONE, Line(), answer=answers.append)
            run()

            await until(lambda: len(answers) == 1)

            assert isinstance(answers[0], QuotaInDoubt)
            tally.answers.set()
            await gate.settled()
            assert len(answers) == 1
            assert tally.held(WHOLE) == 0

    async def test_too_many_wait(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        While as many wait as may the answer is given before the call returns.
        """
        monkeypatch.setattr(limiter, "MOST", 0)
        async with door() as (gate, _, _):
            answers: list[Admitted] = []

            assert gate.admit(ONE, Line(), answer=answers.append) is None

            assert isinstance(answers[0], QuotaInDoubt)
