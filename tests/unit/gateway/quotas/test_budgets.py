"""How fast clients may subscribe, as numbers."""

import pytest

from services.gateway.quotas.budgets import (
    ANY,
    MANY,
    Budget,
    SubscribeLimits,
    budget_of,
    subscribe_limits,
)
from services.gateway.settings import GatewaySettings


def taken(budget: Budget, *, earned_at: float, now: float, most: int = 10_000) -> tuple[int, float]:
    """Take as many as may be taken at once; return how many those are, and what is kept then."""
    for number in range(most):
        if not budget.allows(earned_at, now):
            return number, earned_at
        earned_at = max(earned_at, now) + budget.gap
    return most, earned_at


class TestBudget:
    """A rate and a burst."""

    @pytest.mark.parametrize("rate", [0.01, 1.0, 3.0, 1000.0])
    @pytest.mark.parametrize("burst", [1, 2, 200])
    def test_burst(self, rate: float, burst: int) -> None:
        """At once as many may be taken as the burst says: not fewer, not more."""
        assert taken(budget_of(rate, burst), earned_at=0.0, now=1e6)[0] == burst

    def test_rate(self) -> None:
        """After that as many as the rate says, however long it takes."""
        budget = budget_of(3.0, 10)
        total, earned_at = taken(budget, earned_at=0.0, now=1e6)
        for second in range(1, 1001):
            more, earned_at = taken(budget, earned_at=earned_at, now=1e6 + second)
            total += more

        assert total == 10 + 3 * 1000

    def test_rest(self) -> None:
        """Who takes nothing for long may take a burst again, and no more."""
        budget = budget_of(10.0, 7)
        _, earned_at = taken(budget, earned_at=0.0, now=0.0)

        assert taken(budget, earned_at=earned_at, now=0.3)[0] == 3
        assert taken(budget, earned_at=earned_at, now=1e9)[0] == 7

    def test_many(self) -> None:
        """A million fractions of a second sum up well enough."""
        budget, earned_at, now = budget_of(1000.0, 1_000_000), 0.0, 123_456.789
        for _ in range(1_000_000):
            assert budget.allows(earned_at, now)
            earned_at = max(earned_at, now) + budget.gap

        assert not budget.allows(earned_at, now)

    @pytest.mark.parametrize("rate", [0.0, -1.0])
    def test_any_number(self, rate: float) -> None:
        """Without a rate nobody waits."""
        assert budget_of(rate, 1) is ANY
        assert taken(ANY, earned_at=0.0, now=5.0)[0] == 10_000


class TestConnection:
    """The budget of a connection, by its app."""

    LIMITS = SubscribeLimits(rate=10.0, burst=200)

    @pytest.mark.parametrize("channels, burst", [(1, 200), (199, 200), (200, 201), (1000, 1001)])
    def test_returning(self, channels: int, burst: int) -> None:
        """A client that returns subscribes to all its channels, and to its user's, at once."""
        assert self.LIMITS.of_connection(channels) == budget_of(10.0, burst)

    @pytest.mark.parametrize("channels", [0, -1])
    def test_no_limit(self, channels: int) -> None:
        """Where its app has no limit, very many are reckoned with."""
        assert self.LIMITS.of_connection(channels) == budget_of(10.0, MANY + 1)


class TestSettings:
    """What operators set."""

    def test_all(self) -> None:
        settings = GatewaySettings(
            subscribes=1,
            subscribes_burst=2,
            new_channels_per_address=3,
            new_channels_per_address_burst=4,
            new_channels=5,
            new_channels_burst=6,
            max_waiting=7,
        )

        assert subscribe_limits(settings) == SubscribeLimits(
            rate=1, burst=2, address=budget_of(3, 4), gateway=budget_of(5, 6), waiting=7
        )

    @pytest.mark.parametrize("lifted", [0, -1])
    def test_lifted(self, lifted: int) -> None:
        """0 and -1 lift a limit."""
        settings = GatewaySettings(
            subscribes=lifted, new_channels_per_address=lifted, new_channels=lifted
        )
        limits = subscribe_limits(settings)

        assert limits.of_connection(100) is limits.address is limits.gateway is ANY

    def test_one_address(self) -> None:
        """By default one address alone cannot use up what all may take at once."""
        limits = subscribe_limits(GatewaySettings())

        assert limits.address.burst <= limits.gateway.burst / 2
        assert 1 / limits.address.gap <= 1 / limits.gateway.gap / 2
