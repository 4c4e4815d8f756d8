"""
How fast clients may subscribe: those of one connection, of an address, and of a gateway.

Pure.  Times are monotonic seconds.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import inf
from typing import NamedTuple

from services.gateway.settings import GatewaySettings

MANY = 10_000  # Channels of a connection to reckon with where its app sets no limit.


class Budget(NamedTuple):
    """
    A rate, and how many may be taken at once.

    Of what was taken one number is kept, ``earned_at``: when all of it will have been earned.  One
    more is worth ``gap`` from then on, or from now if that is later.

    Attributes:
        gap: Seconds in which one is earned; 0: any number may be taken.
        span: Seconds that ``earned_at`` may be ahead of now for one more to be taken.
        burst: How many may be taken at once.
    """

    gap: float
    span: float
    burst: float

    def allows(self, earned_at: float, now: float) -> bool:
        """Tell whether one more may be taken."""
        return earned_at - self.span <= now

    def allows_at(self, earned_at: float) -> float:
        """Tell from when on one more may be taken."""
        return earned_at - self.span


ANY = Budget(0.0, inf, inf)


def budget_of(rate: float, burst: int) -> Budget:
    """Make a budget of a rate a second, 0 or less: any number; and of how many at once."""
    if rate <= 0:
        return ANY
    # Half of one is for sums of fractions, which are not exact.
    return Budget(1 / rate, (burst - 0.5) / rate, burst)


@dataclass(frozen=True, slots=True)
class SubscribeLimits:
    """
    How fast clients may subscribe.

    Attributes:
        rate: Subscribes of a connection in a second; 0 or less: any number.
        burst: As many at once, at least.
        address: New channels of an address.
        gateway: New channels of all.
        waiting: How many subscribes may wait for that.
    """

    rate: float = 0.0
    burst: int = 1
    address: Budget = ANY
    gateway: Budget = ANY
    waiting: int = 100_000

    def of_connection(self, channels: int) -> Budget:
        """
        Return the budget of a connection.

        A client that returns must not wait for what its app allows: it subscribes to as many
        channels as it may, and to that of its user.

        Args:
            channels: How many its app lets it have; 0 or less: any number.
        """
        return _of_connection(self.rate, self.burst, channels)


UNLIMITED = SubscribeLimits()


@lru_cache(maxsize=1024)
def _of_connection(rate: float, burst: int, channels: int) -> Budget:
    return budget_of(rate, max(burst, (channels if channels > 0 else MANY) + 1))


def subscribe_limits(settings: GatewaySettings) -> SubscribeLimits:
    """Take the limits from the settings."""
    return SubscribeLimits(
        rate=settings.subscribes,
        burst=settings.subscribes_burst,
        address=budget_of(
            settings.new_channels_per_address, settings.new_channels_per_address_burst
        ),
        gateway=budget_of(settings.new_channels, settings.new_channels_burst),
        waiting=settings.max_waiting,
    )
