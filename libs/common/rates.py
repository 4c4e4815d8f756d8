"""
Rates: how often an app may do something, counted by all processes together.

`Rates` is the port, `MemoryRates` its reference implementation for a single process; `rates_redis` is the
other.  Both are the generic cell rate algorithm: what is remembered is the instant at which all that was
allowed so far will have been earned again.  A second's worth may be done at once.
"""

import time
from collections.abc import Callable
from typing import NamedTuple, Protocol

GRAIN = 1e-6  # Seconds: no clock here is finer, and sums of fractions are not exact.
TIDY_FROM = 4096  # Subjects of a `MemoryRates` below which nothing is forgotten.


class Act(NamedTuple):
    """
    What is limited.

    Attributes:
        app: The app's id.
        name: What it does: ``publishes``, ``reads``, ``auth_requests``.
    """

    app: str
    name: str


class Rates(Protocol):
    """Rates of acts, shared by every process."""

    async def take(self, act: Act, *, rate: float, cost: int = 1) -> float:
        """
        Do an act, if it is not done too often.

        Args:
            act: Which.
            rate: How much of it may be done in a second; above 0.
            cost: How much of it is done now; what is above a second's worth counts as a second's worth.

        Returns:
            0 if it may be done, and is counted; else the seconds after which it may, and nothing is counted.

        Raises:
            Unavailable: The backend is away.
        """


def judge(earned_at: float, *, now: float, rate: float, cost: int) -> tuple[float, float]:
    """
    Decide about an act.

    What is further ahead than a second's worth is cut to that: the clock was put back, or the rate raised.

    Args:
        earned_at: When all that was allowed before will have been earned; in seconds, as ``now``.
        now: The present instant.
        rate: How much may be done in a second.
        cost: How much is to be done.

    Returns:
        The seconds to wait, and when all that is allowed then will have been earned.
    """
    burst = max(1.0, rate)
    full = now + burst / rate
    before = min(max(earned_at, now), full + GRAIN)
    after = before + min(cost, burst) / rate
    wait = after - full
    return (wait, before) if wait > GRAIN else (0.0, after)


class MemoryRates:
    """
    Rates of one process.  See `Rates`.

    Args:
        clock: Monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._earned_at: dict[Act, float] = {}
        self._tidy_at = TIDY_FROM

    async def take(self, act: Act, *, rate: float, cost: int = 1) -> float:
        """See `Rates.take`."""
        now = self._clock()
        self._tidy(now)
        wait, self._earned_at[act] = judge(
            self._earned_at.get(act, now), now=now, rate=rate, cost=cost
        )
        return wait

    def _tidy(self, now: float) -> None:
        if len(self._earned_at) >= self._tidy_at:
            self._earned_at = {act: at for act, at in self._earned_at.items() if at > now}
            self._tidy_at = max(TIDY_FROM, 2 * len(self._earned_at))
