"""The gateway's lease, while what keeps leases comes and goes."""

import asyncio

from libs.common.errors import Unavailable
from libs.common.leases.memory import MemoryLeases
from services.gateway.lease import Lease
from tests.support.deadline import DEADLINE

AGES = 3600.0  # Seconds.


class FlakyLeases(MemoryLeases):
    """Leases that are away when they are asked for first."""

    def __init__(self) -> None:
        super().__init__()
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
    leases = FlakyLeases()
    lease = Lease(leases, ttl=2 * AGES, interval=AGES, unseated=asyncio.Event())

    async with asyncio.timeout(DEADLINE), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(lease.run())
        await leases.renewed.wait()
        running.cancel()

    assert leases.attempts == 2


class CalledLeases(MemoryLeases):
    """Leases that are away in part until told otherwise: one is taken, and the call fails."""

    def __init__(self) -> None:
        super().__init__()
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
    leases, unseated = CalledLeases(), asyncio.Event()
    lease = Lease(leases, ttl=AGES, interval=AGES, unseated=unseated)
    await lease.renew()
    assert not unseated.is_set()
    leases.is_away = False

    await lease.renew()

    assert unseated.is_set()
    unseated.clear()
    await lease.renew()
    assert not unseated.is_set()


async def test_forsaken() -> None:
    """
    A name that was renewed is forsaken at once, and the next not before it was renewed.
    """
    leases = CalledLeases()
    leases.is_away = False
    lease = Lease(leases, ttl=AGES, interval=AGES, unseated=asyncio.Event())
    await lease.renew()
    first = lease.name
    lease.forsake(first)
    second = lease.name
    for name in (first, second, second):
        lease.forsake(name)
    assert first != second == lease.name

    await lease.renew()

    third = lease.name
    assert third != second
    await lease.renew()
    assert lease.name == third
    assert lease.lost == 2


async def test_released() -> None:
    """
    What was released is not taken again, though its gateway still runs: others in the process may drain for longer.
    """
    leases = CalledLeases()
    leases.is_away = False
    lease = Lease(leases, ttl=AGES, interval=AGES, unseated=asyncio.Event())
    await lease.renew()
    before = lease.renewed_at

    await lease.release()
    await lease.renew()

    assert before is not None
    assert lease.renewed_at is None
    assert leases.renewals == 1
    assert await leases.sweep(grace=0) == 0
    assert leases.has_cleared(lease.name)


class SlowLeases(MemoryLeases):
    """Leases whose renewals take effect when a test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = asyncio.Event()
        self.answers = asyncio.Event()

    async def renew(self, gateway: str, *, ttl: float) -> bool:
        self.asked.set()
        await self.answers.wait()
        return await super().renew(gateway, ttl=ttl)


async def test_released_while_renewed() -> None:
    """
    A renewal that is under way does not come after the release, on another connection.
    """
    leases = SlowLeases()
    lease = Lease(leases, ttl=AGES, interval=AGES, unseated=asyncio.Event())

    async with asyncio.timeout(DEADLINE), asyncio.TaskGroup() as tasks:
        tasks.create_task(lease.renew())
        await leases.asked.wait()
        tasks.create_task(lease.release())
        await asyncio.sleep(0)
        leases.answers.set()

    await leases.sweep(grace=0)
    assert leases.has_cleared(lease.name)
