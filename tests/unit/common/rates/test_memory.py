"""Rates of one process: how much the memory adapter keeps."""

import pytest

from libs.common.rates.memory import TIDY_FROM, MemoryRates
from libs.common.rates.port import Act
from tests.support.fakes.clock import Clock

ACT = Act("1", "publishes")


class TestMemory:
    """The rates of one process."""

    async def test_time_passes(self) -> None:
        """What was used up is earned again."""
        clock = Clock()
        rates = MemoryRates(clock)
        waits = []
        for seconds in (0, 0, 0, 0.25, 0.25, 5, 0, 0):
            clock.now += seconds
            waits.append(await rates.take(ACT, rate=2))

        assert waits == [0, 0, 0.5, 0.25, 0, 0, 0, 0.5]

    async def test_refused_counts_nothing(self) -> None:
        """Who asks too often is not kept waiting for longer."""
        rates = MemoryRates(Clock())
        await rates.take(ACT, rate=1)

        assert {await rates.take(ACT, rate=1) for _ in range(100)} == {1.0}

    async def test_kept(self) -> None:
        """Acts that are done no more are forgotten, once what they took is earned again."""
        clock = Clock()
        rates = MemoryRates(clock)
        for number in range(10 * TIDY_FROM):
            clock.now += 0.001
            await rates.take(Act("1", str(number)), rate=1)
        last = Act("1", str(10 * TIDY_FROM - 1))

        assert len(rates._earned_at) <= TIDY_FROM
        assert await rates.take(last, rate=1) == pytest.approx(1.0)
