"""What arrived for a listener of the bus and was not taken yet."""

import asyncio
from contextlib import suppress

from libs.common.bus.messages import Delivery, Interrupted


class Inbox:
    """
    What arrived for a listener and was not taken yet.

    Holds up to `limit` deliveries.  When it is full everything in it is dropped and `Interrupted`
    takes its place: the history repairs what was lost, and whoever fills it never waits.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting: list[Delivery] = []
        self._arrived = asyncio.Event()

    def put(self, delivery: Delivery) -> None:
        """Add a delivery without waiting."""
        if len(self._waiting) >= self._limit:
            self._waiting = [Interrupted()]
        self._waiting.append(delivery)
        self._arrived.set()

    async def take(self, timeout: float) -> list[Delivery]:
        """Wait up to ``timeout`` seconds for a first delivery, and take all there are."""
        if not self._waiting:
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await self._arrived.wait()
        taken, self._waiting = self._waiting, []
        self._arrived.clear()
        return taken
