"""The gateway's lease, while the roster comes and goes."""

import asyncio

from libs.common.errors import Unavailable
from libs.common.roster.memory import MemoryRoster
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


class CalledRoster(MemoryRoster):
    """A roster that is away in part until it is told otherwise: it takes the lease, and fails."""

    def __init__(self) -> None:
        super().__init__(lambda _: None)
        self.is_away = True
        self.renewals = 0

    async def renew(self, gateway: str, *, ttl: float) -> bool:
        self.renewals += 1
        was_held = await super().renew(gateway, ttl=ttl)
        if self.is_away:
            raise Unavailable("roster")
        return was_held


async def test_lost_in_part_of_an_outage() -> None:
    """
    What a renewal found that failed elsewhere is not forgotten: members are seated again afterwards.
    """
    roster, unseated = CalledRoster(), asyncio.Event()
    lease = Lease(roster, ttl=AGES, interval=AGES, unseated=unseated)
    await lease._renew()
    assert not unseated.is_set()
    roster.is_away = False

    await lease._renew()

    assert unseated.is_set()
    unseated.clear()
    await lease._renew()
    assert not unseated.is_set()


async def test_forsaken() -> None:
    """
    A name that was renewed is forsaken at once, and the next not before it was renewed.
    """
    roster = CalledRoster()
    roster.is_away = False
    lease = Lease(roster, ttl=AGES, interval=AGES, unseated=asyncio.Event())
    await lease._renew()
    first = lease.name
    lease.forsake(first)
    second = lease.name
    for name in (first, second, second):
        lease.forsake(name)
    assert first != second == lease.name

    await lease._renew()

    third = lease.name
    assert third != second
    await lease._renew()
    assert lease.name == third
