"""Rates of a single process: the reference implementation of `port.Rates`."""

import time
from collections.abc import Callable

from libs.common.rates.gcra import judge
from libs.common.rates.port import Act

TIDY_FROM = 4096  # Subjects of a `MemoryRates` below which nothing is forgotten.


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

    async def check(self) -> None:
        """See `Rates.check`: it is this process."""

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
