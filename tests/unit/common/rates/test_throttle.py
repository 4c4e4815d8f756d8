"""What an app may do how often, while the shared count is there and while it is away."""

from collections import Counter

import pytest

from libs.common.errors import Invalid, Unavailable
from libs.common.rates.limited import refusals_by_limit
from libs.common.rates.memory import MemoryRates
from libs.common.rates.port import Act
from libs.common.rates.throttle import Throttle, TooManyRequests

ACT, OTHER = Act("1", "publishes"), Act("2", "publishes")


class Rates:
    """
    Rates at a standstill: nothing is earned again.

    Attributes:
        is_away: Whether every call fails.
        asked: What was asked, call by call.
    """

    def __init__(self) -> None:
        self.is_away = False
        self.asked: list[tuple[Act, float, int]] = []
        self._inner = MemoryRates(lambda: 1000.0)

    async def check(self) -> None:
        raise NotImplementedError

    async def take(self, act: Act, *, rate: float, cost: int = 1) -> float:
        """See `Rates.take`."""
        self.asked.append((act, rate, cost))
        if self.is_away:
            raise Unavailable("rates")
        return await self._inner.take(act, rate=rate, cost=cost)


async def passed(throttle: Throttle, act: Act, *, rate: float, tries: int) -> int:
    """Try so often, and count what passed."""
    count = 0
    for _ in range(tries):
        try:
            await throttle.check(act, rate=rate)
        except TooManyRequests:
            continue
        count += 1
    return count


class TestLimited:
    """docs/configuration.md: what is above a rate is answered with 429."""

    async def test_above(self) -> None:
        """
        A second's worth passes; what is more is told which limit it met, and when it may come back.
        """
        throttle = Throttle(Rates())
        assert await passed(throttle, ACT, rate=4, tries=4) == 4

        with pytest.raises(
            TooManyRequests, match=r"limits\.publishes: the app may have 4 a second"
        ) as caught:
            await throttle.check(ACT, rate=4)

        assert isinstance(caught.value, Invalid)
        assert caught.value.status == 429
        assert caught.value.retry_after == pytest.approx(0.25, abs=1e-3)

    async def test_counted(self) -> None:
        """
        What is refused is counted, by the limit, and once whatever it costs.
        """
        before = Counter(refusals_by_limit())

        throttle = Throttle(Rates())
        await passed(throttle, ACT, rate=1, tries=3)
        with pytest.raises(TooManyRequests):
            await throttle.check(ACT, rate=1, cost=9)

        assert Counter(refusals_by_limit()) - before == {"publishes": 3}

    async def test_cost(self) -> None:
        """
        What counts for several uses up as much.
        """
        rates = Rates()
        throttle = Throttle(rates)
        await throttle.check(ACT, rate=10, cost=7)

        with pytest.raises(TooManyRequests):
            await throttle.check(ACT, rate=10, cost=4)

        await throttle.check(ACT, rate=10, cost=3)
        assert [cost for _, _, cost in rates.asked] == [7, 4, 3]

    async def test_each_for_itself(self) -> None:
        """
        One app's acts do not count for another's.
        """
        throttle = Throttle(Rates())

        assert await passed(throttle, ACT, rate=1, tries=5) == 1
        assert await passed(throttle, OTHER, rate=1, tries=5) == 1

    async def test_two_processes(self) -> None:
        """
        Processes share one count.
        """
        rates = Rates()

        assert await passed(Throttle(rates), ACT, rate=3, tries=2) == 2
        assert await passed(Throttle(rates), ACT, rate=3, tries=2) == 1


class TestUnlimited:
    """An app without a limit."""

    @pytest.mark.parametrize("rate", [0.0, -1.0])
    async def test_asks_nobody(self, rate: float) -> None:
        """
        It waits for no backend, and nothing of it is counted.
        """
        rates = Rates()
        rates.is_away = True
        throttle = Throttle(rates)

        assert await passed(throttle, ACT, rate=rate, tries=100) == 100

        assert rates.asked == []


class TestAway:
    """While the shared count is away."""

    async def test_own_count(self) -> None:
        """
        The process counts for itself: nothing stops, and not everything passes.
        """
        rates = Rates()
        rates.is_away = True
        throttle = Throttle(rates)

        assert await passed(throttle, ACT, rate=0.01, tries=5) == 1
        assert await passed(throttle, OTHER, rate=0.01, tries=5) == 1

    async def test_back(self) -> None:
        """
        When it is back it counts again, whatever was counted here meanwhile.
        """
        rates = Rates()
        throttle = Throttle(rates)
        rates.is_away = True
        await passed(throttle, ACT, rate=0.01, tries=5)

        rates.is_away = False

        assert await passed(throttle, ACT, rate=0.01, tries=5) == 1
