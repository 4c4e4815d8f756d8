"""Typists that can be away, and what tests ask of them."""

from collections.abc import Sequence

from libs.common.channels import Channel
from libs.common.errors import Unavailable
from libs.common.typists.memory import MemoryTypists
from libs.common.typists.port import Report, Typing, TypingBounds
from tests.support.fakes.faults import FaultyBus, FaultyRoster

BOUNDS = TypingBounds(pause=0.02)


class FaultyTypists:
    """
    Typists for one process, with faults that a test switches on.

    Attributes:
        inner: The typists themselves.
        is_away: Whether every call fails, and changes nothing.
        away_for: Of which channels nothing can be told or read.
        refusals: How many calls found them away.
        reports: What was reported, in order, also while they were away.
    """

    def __init__(self, bus: FaultyBus, roster: FaultyRoster, bounds: TypingBounds = BOUNDS) -> None:
        self._arguments = (bus.inner.announce, roster.inner_leases, roster.inner.size)
        self._bounds = bounds
        self.inner = MemoryTypists(*self._arguments, bounds=bounds)
        self.is_away = False
        self.away_for: set[Channel] = set()
        self.refusals = 0
        self.reports: list[Report] = []

    async def check(self) -> None:
        """See `Typists.check`."""
        self._ensure([])

    async def report(self, reports: Sequence[Report]) -> list[bool]:
        """See `Typists.report`."""
        self.reports += reports
        self._ensure([report.channel for report in reports])
        return await self.inner.report(reports)

    async def typing(self, channels: Sequence[Channel]) -> list[Typing]:
        """See `Typists.typing`."""
        self._ensure(channels)
        return await self.inner.typing(channels)

    def _ensure(self, channels: Sequence[Channel]) -> None:
        if self.is_away or self.away_for.intersection(channels):
            self.refusals += 1
            raise Unavailable("roster")

    def lose_data(self) -> None:
        """Forget who types, and what was told."""
        self.inner = MemoryTypists(*self._arguments, bounds=self._bounds)
