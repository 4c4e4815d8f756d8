"""Questions to memberships, and who puts them."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

from libs.common.memberships.membership import Membership
from libs.common.memberships.memory import MemoryMemberships
from services.auth.memberships.lookups import MembershipLookups
from services.auth.settings import MembershipSettings
from tests.support.deadline import DEADLINE
from tests.support.ports.memberships import Breaking

NO_BOUNDS: Mapping[str, int] = {}
ANN = Membership("1", "7", "x:5")
BEN = Membership("1", "8", "x:5")
MANY = [Membership("1", str(number), "x:5") for number in range(100)]


class Site:
    """Questions to memberships in memory, and a clock that stands still."""

    def __init__(self, bounds: Mapping[str, int] = NO_BOUNDS, **settings: Any) -> None:
        self.now = 1000.0
        self.memory = MemoryMemberships()
        self.memberships = Breaking(self.memory)
        self.lookups = MembershipLookups(
            self.memberships, MembershipSettings(**settings), clock=lambda: self.now, **bounds
        )

    async def asks(self, membership: Membership = ANN) -> bool:
        async with asyncio.timeout(DEADLINE):
            return await self.lookups.is_member(membership)

    async def asked_by_many(self) -> list[bool | BaseException]:
        """Ask for many at once."""
        return await asyncio.gather(*map(self.asks, MANY), return_exceptions=True)

    @asynccontextmanager
    async def under_way(self, *memberships: Membership) -> AsyncIterator[list[asyncio.Task[bool]]]:
        """Hold calls about these up until the context ends, one for each."""
        self.memberships.answering.clear()
        tasks = []
        for membership in memberships:
            self.memberships.asked.clear()
            tasks.append(asyncio.create_task(self.asks(membership)))
            await self.memberships.asked.wait()
        try:
            yield tasks
        finally:
            self.memberships.answering.set()

    async def settle(self) -> None:
        """Let every task go on until it waits."""
        for _ in range(10):
            await asyncio.sleep(0)


@asynccontextmanager
async def running(site: Site) -> AsyncIterator[Site]:
    task = asyncio.create_task(site.lookups.run())
    try:
        yield site
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
