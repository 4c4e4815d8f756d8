"""
Retention: what is kept of users is forgotten when it is old.

Any number of processes may run it: what is kept lets one of them forget a part at a time.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

import structlog

from libs.common.errors import Unavailable
from libs.common.marks.port import Marks
from libs.common.retry import Backoff
from libs.common.sightings.port import Sightings

DAY = 86_400.0  # Seconds.
INTERVAL = 3600.0  # Seconds between two looks for what is old.
PART = 1000  # Users, spans and marks that are forgotten at once.
PAUSE = 0.1  # Seconds between two parts, for others who use the database.

log = structlog.get_logger()


class Retention:
    """
    Forgets what is old.

    Args:
        part: Forgets a part of what is old at an instant (UTC epoch seconds), and tells how much; 0
            when nothing is left.  It may raise Unavailable.
        pruned: Told how much was forgotten, if anything was.
        clock: UTC epoch seconds.
    """

    def __init__(
        self,
        part: Callable[[float], Awaitable[int]],
        pruned: Callable[[int], None],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._part = part
        self._pruned = pruned
        self._clock = clock

    async def run(self) -> None:
        """Forget what is old, now and then, until cancelled."""
        backoff = Backoff(longest=INTERVAL)
        while True:
            try:
                await self.forget()
            except Unavailable:
                await asyncio.sleep(backoff.delay())
                continue
            backoff.reset()
            await asyncio.sleep(INTERVAL)

    async def forget(self) -> int:
        """
        Forget all that is old now, a part at a time, and tell how much that was.

        Raises:
            Unavailable: The backend is away; a part may have been forgotten.
        """
        now, forgotten = self._clock(), 0
        while part := await self._part(now):
            forgotten += part
            await asyncio.sleep(PAUSE)
        if forgotten:
            self._pruned(forgotten)
        return forgotten


def sightings_retention(
    sightings: Sightings,
    *,
    keep_last_seen: float,
    keep_spans: float,
    clock: Callable[[], float] = time.time,
) -> Retention:
    """
    Forget old sightings.

    Args:
        sightings: What is kept.
        keep_last_seen: Days for which it is kept when a user was last seen.
        keep_spans: Days for which a time of being online is kept after its end.
        clock: UTC epoch seconds.
    """

    async def part(now: float) -> int:
        return await sightings.forget(
            seen_before=now - keep_last_seen * DAY, spans_before=now - keep_spans * DAY, limit=PART
        )

    def pruned(number: int) -> None:
        log.info("sightings.pruned", number=number)

    return Retention(part, pruned, clock=clock)


def marks_retention(
    marks: Marks, *, keep: float, clock: Callable[[], float] = time.time
) -> Retention:
    """
    Forget old marks.

    Args:
        marks: What is kept.
        keep: Days for which a mark is kept after it was told last.
        clock: UTC epoch seconds.
    """

    async def part(now: float) -> int:
        return await marks.forget(moved_before=now - keep * DAY, limit=PART)

    def pruned(number: int) -> None:
        log.info("marks.pruned", number=number)

    return Retention(part, pruned, clock=clock)
