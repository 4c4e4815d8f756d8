"""
Retention: what is kept of users is forgotten when it is old.

Any number of processes may run it: the sightings let one of them forget at a time.
"""

import asyncio
import time
from collections.abc import Callable

import structlog

from libs.common.errors import Unavailable
from libs.common.retry import Backoff
from libs.common.sightings.port import Sightings

DAY = 86_400.0  # Seconds.
INTERVAL = 3600.0  # Seconds between two looks for what is old.
PART = 1000  # Users, and spans, that are forgotten at once.
PAUSE = 0.1  # Seconds between two parts, for others who use the database.

log = structlog.get_logger()


class Retention:
    """
    Forgets what is old.

    Args:
        sightings: What is kept.
        keep_last_seen: Days for which it is kept when a user was last seen.
        keep_spans: Days for which a time of being online is kept after its end.
        clock: UTC epoch seconds.
    """

    def __init__(
        self,
        sightings: Sightings,
        *,
        keep_last_seen: float,
        keep_spans: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._sightings = sightings
        self._keep_last_seen = keep_last_seen * DAY
        self._keep_spans = keep_spans * DAY
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
            Unavailable: The sightings are away; a part may have been forgotten.
        """
        now, forgotten = self._clock(), 0
        while part := await self._sightings.forget(
            seen_before=now - self._keep_last_seen,
            spans_before=now - self._keep_spans,
            limit=PART,
        ):
            forgotten += part
            await asyncio.sleep(PAUSE)
        if forgotten:
            log.info("sightings.pruned", number=forgotten)
        return forgotten
