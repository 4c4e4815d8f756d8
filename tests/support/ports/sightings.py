"""Sightings on any backend, as two processes have them."""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from libs.common.config.address import Url
from libs.common.errors import Unavailable
from libs.common.postgres.connection import PostgresConnection
from libs.common.postgres.migrate import migrate
from libs.common.postgres.settings import PostgresSettings
from libs.common.sightings.memory import MemorySightings
from libs.common.sightings.port import Sightings, Trail
from libs.common.sightings.postgres import PostgresSightings
from libs.common.sightings.summary import Summary

MEMORY = "memory://"


@asynccontextmanager
async def opened_sightings(url: str) -> AsyncIterator[tuple[Sightings, Sightings]]:
    """Open sightings, none at first."""
    if url == MEMORY:
        memory = MemorySightings()
        yield memory, memory
        return
    await migrate(Url(url))
    async with AsyncExitStack() as stack:
        one, other = [
            PostgresSightings(await stack.enter_async_context(connected(url))) for _ in range(2)
        ]
        yield one, other


def connected(url: str, port: str = "sightings", **settings: Any) -> PostgresConnection:
    """Make the connections of one process; the caller opens them."""
    return PostgresConnection(Url(url), port, PostgresSettings(**settings))


class FaultySightings:
    """
    Sightings that a test can take away.

    Attributes:
        inner: The sightings themselves.
        is_away: Whether every call fails.
        noted: How many users each call of `note` was about.
    """

    def __init__(self) -> None:
        self.inner = MemorySightings()
        self.is_away = False
        self.noted: list[int] = []

    async def check(self) -> None:
        """See `Sightings.check`; all others too."""
        if self.is_away:
            raise Unavailable("sightings")

    async def note(self, summaries: Sequence[Summary]) -> None:
        await self.check()
        self.noted.append(len(summaries))
        await asyncio.sleep(0)  # As a server takes its time.
        await self.inner.note(summaries)

    async def last_seen(self, app: str, users: Collection[str]) -> dict[str, float]:
        await self.check()
        return await self.inner.last_seen(app, users)

    async def trail(self, app: str, user: str, *, limit: int) -> Trail | None:
        await self.check()
        return await self.inner.trail(app, user, limit=limit)

    async def erase(self, app: str, user: str) -> bool:
        await self.check()
        return await self.inner.erase(app, user)

    async def forget(self, *, seen_before: float, spans_before: float, limit: int) -> int:
        await self.check()
        return await self.inner.forget(
            seen_before=seen_before, spans_before=spans_before, limit=limit
        )
