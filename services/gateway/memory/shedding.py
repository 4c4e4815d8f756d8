"""
Sends clients away while too much is kept for them.

Those go for whom most is kept: they do not read, or never finish what they say.  Each is told so
and may return (4100).
"""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from typing import Protocol

import structlog

from libs.common.rates.limited import note_limited
from services.gateway.memory.holdings import Holdings

log = structlog.get_logger()

PATIENCE = 1.0  # Seconds after which all are counted anew, if anything is kept at all.
TOO_MUCH = "too much is kept in memory for this client"


class Depositor(Protocol):
    """A connection for which something may be kept."""

    @property
    def kept(self) -> int:
        """How many bytes are kept for it."""

    def expel(self, reason: str) -> None:
        """Close it with the code after which a client returns; it is cut off soon after."""


class Shedding:
    """
    Looks after what is kept.

    Args:
        holdings: Counts it.
        holders: All for whom something may be kept; it is gone through again at each look.
    """

    def __init__(self, holdings: Holdings, holders: Iterable[Depositor]) -> None:
        self._holdings = holdings
        self._holders = holders

    async def run(self) -> None:
        """Look until cancelled."""
        alarm = asyncio.Event()
        self._holdings.alarm = alarm.set
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE):
                    await alarm.wait()
            alarm.clear()
            self.look()

    def look(self) -> None:
        """Count what is kept, if anything is, and send away those who must go."""
        if not self._holdings.total:
            return
        going = self._holdings.weigh((each, each.kept) for each in self._holders)
        for each in going:
            note_limited("memory_soft")
            each.expel(TOO_MUCH)
        if going:
            log.warning(
                "memory.shed", connections=len(going), bytes=self._holdings.total, pace_by="soft"
            )
