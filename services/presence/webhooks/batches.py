"""Batches: what a webhook is told in one request, as much as has come, up to a bound."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence

from libs.common.lifecycle.facts import Recorded


class Batches:
    """
    Sends records together, in the order in which they were added.

    There is no task for it: of those who wait, one sends for all.  What is waited for is bounded by
    who waits.

    Args:
        send: Sends a batch, and returns when it needs not be sent again.
        most: Records in one.
        delay: Seconds that the first of a batch waits for others.
    """

    def __init__(
        self, send: Callable[[Sequence[Recorded]], Awaitable[None]], *, most: int, delay: float
    ) -> None:
        self._send = send
        self._most = most
        self._delay = delay
        self._waiting: dict[str, Recorded] = {}
        self._sending = asyncio.Lock()

    def add(self, record: Recorded) -> None:
        """Add a record; somebody must then wait for it."""
        self._waiting[record.id] = record

    async def sent(self, ids: Collection[str]) -> None:
        """Wait until records have been sent."""
        async with self._sending:
            while not self._waiting.keys().isdisjoint(ids):
                await self._send_next()

    def forget(self, ids: Collection[str]) -> None:
        """Take records back that nobody waits for any more."""
        for each in ids:
            self._waiting.pop(each, None)

    async def _send_next(self) -> None:
        if len(self._waiting) < self._most:
            await asyncio.sleep(self._delay)
        batch = [*self._waiting.values()][: self._most]
        await self._send(batch)
        self.forget([record.id for record in batch])
