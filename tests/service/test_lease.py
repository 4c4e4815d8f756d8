"""The gateway's lease, while the roster comes and goes."""

import asyncio

from libs.common.errors import Unavailable
from libs.common.roster import MemoryRoster
from services.gateway.lease import Lease

AGES = 3600.0  # Seconds.
DEADLINE = 10.0


class FlakyRoster(MemoryRoster):
    """A roster that is away when it is asked first."""

    def __init__(self) -> None:
        super().__init__(lambda _: None)
        self.renewed = asyncio.Event()
        self.attempts = 0

    async def renew(self, gateway: str, *, ttl: float) -> bool:
        self.attempts += 1
        if self.attempts == 1:
            raise Unavailable("roster")
        self.renewed.set()
        return await super().renew(gateway, ttl=ttl)


async def test_renewed_soon_after_an_outage() -> None:
    """
    A renewal that failed is tried again at once and not after the interval: the grace period may be as short.
    """
    roster = FlakyRoster()
    lease = Lease(roster, ttl=2 * AGES, interval=AGES, unseated=asyncio.Event())

    async with asyncio.timeout(DEADLINE), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(lease.run())
        await roster.renewed.wait()
        running.cancel()

    assert roster.attempts == 2
