"""Typists that can be away, and what tests ask of them."""

import asyncio
from collections.abc import Callable, Sequence

from libs.common.channels import Channel
from libs.common.errors import Unavailable
from libs.common.typists.memory import MemoryTypists
from libs.common.typists.port import Report, Typing, TypingBounds, Typists
from tests.support.fakes.faults import FaultyBus, FaultyRoster

BOUNDS = TypingBounds(pause=0.02)


class FaultyTypists:
    """
    Typists with faults that a test switches on, and whose calls are counted.

    Args:
        make: Makes the typists themselves, also anew.

    Attributes:
        inner: The typists themselves.
        is_away: Whether every call fails, and changes nothing.
        away_for: Of which channels nothing can be told or read.
        answers: Cleared to have answers to reports wait; what was reported is taken.
        held: How many of these answers wait.
        calls: How many calls there were.
        refusals: How many of them found the typists away.
        reports: What was reported, in order, also while they were away.
        asked: Of which channels it was asked who types.
    """

    def __init__(self, make: Callable[[], Typists]) -> None:
        self._make = make
        self.inner = make()
        self.is_away = False
        self.away_for: set[Channel] = set()
        self.answers = asyncio.Event()
        self.answers.set()
        self.held = 0
        self.calls = 0
        self.refusals = 0
        self.reports: list[Report] = []
        self.asked: list[Channel] = []

    async def check(self) -> None:
        """See `Typists.check`."""
        self._ensure([])

    async def report(self, reports: Sequence[Report]) -> list[bool]:
        """See `Typists.report`."""
        self.reports += reports
        self._ensure([report.channel for report in reports])
        taken = await self.inner.report(reports)
        self.held += 1
        await self.answers.wait()
        self.held -= 1
        return taken

    async def typing(self, channels: Sequence[Channel]) -> list[Typing]:
        """See `Typists.typing`."""
        self.asked += channels
        self._ensure(channels)
        return await self.inner.typing(channels)

    def _ensure(self, channels: Sequence[Channel]) -> None:
        self.calls += 1
        if self.is_away or self.away_for.intersection(channels):
            self.refusals += 1
            raise Unavailable("roster")

    def lose_data(self) -> None:
        """Forget who types, and what was told."""
        self.inner = self._make()


def faulty_typists(
    bus: FaultyBus, roster: FaultyRoster, bounds: TypingBounds = BOUNDS
) -> FaultyTypists:
    """Make typists in memory that announce on a bus, beside a roster."""
    return FaultyTypists(
        lambda: MemoryTypists(
            bus.inner.announce, roster.inner_leases, roster.inner.size, bounds=bounds
        )
    )
