"""
The throttle: holds an app to the rates of its limits.

While the shared count is away each process counts for itself, so that a limit never stops what it
is there to protect.
"""

from libs.common.errors import Invalid, Unavailable
from libs.common.rates.limited import note_limited
from libs.common.rates.memory import MemoryRates
from libs.common.rates.port import Act, Rates


class TooManyRequests(Invalid):
    """An app does something more often than its limits allow."""

    status = 429

    def __init__(self, act: Act, rate: float, *, wait: float) -> None:
        super().__init__(f"limits.{act.name}: the app may have {rate:g} a second")
        self.retry_after = wait


class Throttle:
    """
    Lets acts pass, or not.

    Args:
        rates: Counts for all processes.
    """

    def __init__(self, rates: Rates) -> None:
        self._shared = rates
        self._own = MemoryRates()

    async def check(self, act: Act, *, rate: float, cost: int = 1) -> None:
        """
        Let an act pass.

        Args:
            act: The act that is to be done.
            rate: How much of it may be done in a second; 0 or less: any number.
            cost: How much of it is done now.

        Raises:
            TooManyRequests: It is done too often.
        """
        if rate <= 0:
            return
        try:
            wait = await self._shared.take(act, rate=rate, cost=cost)
        except Unavailable:
            wait = await self._own.take(act, rate=rate, cost=cost)
        if wait > 0:
            note_limited(act.name)
            raise TooManyRequests(act, rate, wait=wait)
