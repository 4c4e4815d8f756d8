"""Marks on any backend, as two processes have them."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from libs.common.channels import Channel
from libs.common.config.address import Url
from libs.common.errors import Unavailable
from libs.common.marks.mark import Mark
from libs.common.marks.memory import MemoryMarks
from libs.common.marks.port import Marks, Reader, Reading, TooManyMarks
from libs.common.marks.postgres import PostgresMarks
from libs.common.postgres.migrate import migrate
from tests.support.ports.sightings import MEMORY, connected

READERS = 50  # Of one channel.


@asynccontextmanager
async def opened_marks(url: str, *, readers: int = READERS) -> AsyncIterator[tuple[Marks, Marks]]:
    """Open marks, none at first."""
    if url == MEMORY:
        memory = MemoryMarks(readers)
        yield memory, memory
        return
    await migrate(Url(url))
    async with AsyncExitStack() as stack:
        one, other = [
            PostgresMarks(await stack.enter_async_context(connected(url, "marks")), readers)
            for _ in range(2)
        ]
        yield one, other


class FaultyMarks:
    """
    Marks that a test can take away.

    Attributes:
        inner: The marks themselves.
        is_away: Whether every call fails.
        moved: How many readings each call of `move` was about.
        gate: While it is not set, `move` waits.
    """

    def __init__(self, readers: int = READERS) -> None:
        self.inner = MemoryMarks(readers)
        self.is_away = False
        self.moved: list[int] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def check(self) -> None:
        """See `Marks.check`; all others too."""
        if self.is_away:
            raise Unavailable("marks")

    async def move(self, readings: Sequence[Reading]) -> list[Mark | TooManyMarks]:
        self.moved.append(len(readings))
        await self.gate.wait()
        await self.check()
        return await self.inner.move(readings)

    async def mark(self, channel: Channel, user_id: str) -> Mark | None:
        await self.check()
        return await self.inner.mark(channel, user_id)

    async def standing(self, readers: Sequence[Reader]) -> list[Mark | None]:
        await self.check()
        return await self.inner.standing(readers)

    async def page(self, channel: Channel, *, after: str, limit: int) -> list[tuple[str, Mark]]:
        await self.check()
        return await self.inner.page(channel, after=after, limit=limit)

    async def read_by(self, app: str, user_id: str, *, limit: int) -> list[Reading]:
        await self.check()
        return await self.inner.read_by(app, user_id, limit=limit)

    async def erase(self, app: str, user_id: str) -> int:
        await self.check()
        return await self.inner.erase(app, user_id)

    async def forget(self, *, moved_before: float, limit: int) -> int:
        await self.check()
        return await self.inner.forget(moved_before=moved_before, limit=limit)
