"""Memberships on any backend, as two processes have them, and ways to hear of changes."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from libs.common.address import Url
from libs.common.belonging import Change, Membership, Missed
from libs.common.connection_postgres import PostgresConnection
from libs.common.errors import Unavailable
from libs.common.memberships import ChangeListener, Memberships, MemoryMemberships
from libs.common.memberships_postgres import PostgresMemberships
from libs.common.migrations_postgres import migrate
from libs.common.settings import PostgresSettings

MEMORY = "memory://"
DEADLINE = 20.0  # Seconds for anything to happen.
ANN = Membership("1", "7", "company:5")
BEN = Membership("1", "8", "company:5")
OTHER = Membership("2", "7", "company:5")


@dataclass(frozen=True, slots=True)
class Deployment:
    """
    Two processes that share memberships.

    Attributes:
        one: Of one process.
        other: Of the other.
        url: Where they are.
    """

    one: Memberships
    other: Memberships
    url: str


@asynccontextmanager
async def deployment(url: str) -> AsyncIterator[Deployment]:
    """Open memberships, none at first."""
    if url == MEMORY:
        memory = MemoryMemberships()
        yield Deployment(memory, memory, url)
        return
    await migrate(Url(url))
    async with AsyncExitStack() as stack:
        one, other = [
            PostgresMemberships(await stack.enter_async_context(connected(url))) for _ in range(2)
        ]
        yield Deployment(one, other, url)


def connected(url: str, **settings: Any) -> PostgresConnection:
    """Make the connections of one process; the caller opens them."""
    return PostgresConnection(Url(url), "memberships", PostgresSettings(**settings))


async def heard(listener: ChangeListener, count: int) -> list[Change]:
    """Wait until this many changes were told, interruptions aside."""
    changes: list[Change] = []
    async with asyncio.timeout(DEADLINE):
        while len(changes) < count:
            changes += [each for each in await listener.receive(DEADLINE) if each != Missed()]
    return changes


async def interrupted(listener: ChangeListener) -> None:
    """Wait until the listener says that it may have missed changes, as it does when it begins to hear."""
    async with asyncio.timeout(DEADLINE):
        while Missed() not in await listener.receive(DEADLINE):
            pass


class Breaking:
    """
    Memberships that can be cut off, or held up, and count the questions.  See `Memberships`.

    Args:
        inner: What answers.
    """

    def __init__(self, inner: Memberships) -> None:
        self._inner = inner
        self.is_away = False
        self.questions = 0
        self.asked = asyncio.Event()
        self.answering = asyncio.Event()
        self.answering.set()
        self.of, self.changes = inner.of, inner.changes

    async def put(self, memberships: Collection[Membership]) -> int:
        """See `Memberships.put`."""
        self._check()
        return await self._inner.put(memberships)

    async def remove(self, memberships: Collection[Membership]) -> int:
        """See `Memberships.remove`."""
        self._check()
        return await self._inner.remove(memberships)

    def _check(self) -> None:
        if self.is_away:
            raise Unavailable("memberships")

    async def has(self, membership: Membership) -> bool:
        """Answer as it was when the question came, as soon as that is let through."""
        self.questions += 1
        self._check()
        answer = await self._inner.has(membership)
        self.asked.set()
        await self.answering.wait()
        return answer
