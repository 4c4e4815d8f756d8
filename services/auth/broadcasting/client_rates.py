"""
Rates of clients: how often one address, and one user, may ask auth.

Each process counts for itself, so that nothing waits and nothing else must be there.  An address is
asked before anything is verified: whoever floods auth with made-up tokens does not reach the
identity providers.
"""

from libs.common.errors import Invalid
from libs.common.rates.limited import note_limited
from libs.common.rates.memory import MemoryRates
from libs.common.rates.port import Act

ADDRESS, USER = "address", "user"


class TooFast(Invalid):
    """An address or a user asks more often than it may."""

    status = 429

    def __init__(self, whose: str, rate: float, *, wait: float) -> None:
        super().__init__(f"auth.requests_per_{whose}: one {whose} may ask {rate:g} times a second")
        self.retry_after = wait


class ClientRates:
    """
    Lets requests pass, or not.

    Args:
        per_address: Requests of one address in a second; 0 or less: any number.
        per_user: Requests of one user in a second; 0 or less: any number.
    """

    def __init__(self, *, per_address: float, per_user: float) -> None:
        self._per_address = per_address
        self._per_user = per_user
        self._rates = MemoryRates()

    async def check_address(self, address: str) -> None:
        """Let a request of an address pass; raises TooFast."""
        await self._check(Act(ADDRESS, address), ADDRESS, self._per_address)

    async def check_user(self, app: str, user_id: str) -> None:
        """Let a request of an app's user pass; raises TooFast."""
        await self._check(Act(f"{USER} {app}", user_id), USER, self._per_user)

    async def _check(self, act: Act, whose: str, rate: float) -> None:
        if rate <= 0:
            return
        wait = await self._rates.take(act, rate=rate)
        if wait > 0:
            note_limited(f"requests_per_{whose}")
            raise TooFast(whose, rate, wait=wait)
