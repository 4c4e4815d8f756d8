"""Memberships on any backend, as two processes have them, and ways to hear of changes."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from libs.common.config.address import Url
from libs.common.errors import Unavailable
from libs.common.memberships.membership import Change, Membership, Missed
from libs.common.memberships.memory import MemoryMemberships
from libs.common.memberships.port import ChangeListener, Memberships
from libs.common.memberships.postgres import PostgresMemberships
from libs.common.postgres.connection import PostgresConnection
from libs.common.postgres.migrate import migrate
from libs.common.postgres.settings import PostgresSettings
from tests.support.deadline import DEADLINE
from tests.support.ports.apps import operated

MEMORY = "memory://"
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


@asynccontextmanager
async def cut_off(url: str) -> AsyncIterator[Any]:
    """End all connections to a database, and let none in while the context is open but this one of an operator."""
    server = urlsplit(url)._replace(path="/postgres").geturl()
    name = urlsplit(url).path.removeprefix("/")
    async with operated(server) as other, operated(url) as operator:
        pid = await operator.fetchval("SELECT pg_backend_pid()")
        await other.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        try:
            await other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = $1 AND pid <> $2",
                name,
                pid,
            )
            yield operator
        finally:
            await other.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')


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

    Attributes:
        calls: What was asked together.
        broken: Those for which the backend fails.
        told: How many a call has time for; None: all.
        fault: What goes wrong with every call; None: nothing.
        listened: Set once somebody listens for changes.
    """

    def __init__(self, inner: Memberships) -> None:
        self._inner = inner
        self.at_once = inner.at_once
        self.is_away = False
        self.calls: list[list[Membership]] = []
        self.broken: set[Membership] = set()
        self.told: int | None = None
        self.fault: Exception | None = None
        self.asked = asyncio.Event()
        self.answering = asyncio.Event()
        self.answering.set()
        self.of = inner.of
        self.listened = asyncio.Event()
        self._heard_from = inner

    def heard_from(self, other: Memberships) -> None:
        """Let those who listen from now on hear of the changes of others."""
        self._heard_from = other

    @asynccontextmanager
    async def changes(self) -> AsyncIterator[ChangeListener]:
        """See `Memberships.changes`."""
        async with self._heard_from.changes() as listener:
            self.listened.set()
            yield listener

    async def check(self) -> None:
        """See `Memberships.check`."""
        self._check()

    async def put(self, memberships: Collection[Membership]) -> int:
        """See `Memberships.put`."""
        self._check()
        return await self._inner.put(memberships)

    async def remove(self, memberships: Collection[Membership]) -> int:
        """See `Memberships.remove`."""
        self._check()
        return await self._inner.remove(memberships)

    def _check(self) -> None:
        if self.fault is not None:
            raise self.fault
        if self.is_away:
            raise Unavailable("memberships")

    @property
    def questions(self) -> int:
        """How many were asked."""
        return sum(map(len, self.calls))

    async def ask(self, memberships: Collection[Membership]) -> Mapping[Membership, bool | None]:
        """Answer as it was when the question came, as soon as that is let through."""
        self.calls.append(list(memberships))
        self._check()
        answers = await self._inner.ask(list(memberships)[: self.told])
        self.asked.set()
        await self.answering.wait()
        return {each: None if each in self.broken else told for each, told in answers.items()}

    async def has(self, membership: Membership) -> bool:
        """See `Memberships.has`."""
        return (await self.ask([membership]))[membership] is True
