"""Streams of facts that can be away."""

import asyncio
from collections.abc import Sequence

from libs.common.errors import Unavailable
from libs.common.lifecycle.facts import Fact
from libs.common.lifecycle.memory import MemoryLifecycle


class FaultyLifecycle(MemoryLifecycle):
    """
    Streams for one process, with faults that a test switches on.

    Attributes:
        is_away: Whether nothing can be recorded.
        away_for: Users and channels' names of which nothing can be recorded.
        refusals: How many calls found them away.
        asked: How many calls there were to record.
        goes_on: Cleared to have them wait.
    """

    def __init__(self) -> None:
        super().__init__()
        self.is_away = False
        self.away_for: set[str] = set()
        self.refusals = 0
        self.asked = 0
        self.goes_on = asyncio.Event()
        self.goes_on.set()

    async def record(self, facts: Sequence[Fact]) -> None:
        """See `Lifecycle.record`."""
        self.asked += 1
        await self.goes_on.wait()
        about = {name for fact in facts for name in (fact.channel, fact.user)}
        if self.is_away or self.away_for & about:
            self.refusals += 1
            raise Unavailable("roster")
        await super().record(facts)
