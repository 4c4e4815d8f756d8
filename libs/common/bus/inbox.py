"""What arrived for a listener of the bus and was not taken yet."""

import asyncio

from libs.common.bus.messages import Delivery, Interrupted


class Inbox:
    """
    What arrived for a listener and was not taken yet.

    Holds up to `limit` deliveries.  When it is full everything in it is dropped and `Interrupted`
    takes its place: the history repairs what was lost, and whoever fills it never waits.

    One task takes.  It waits on a future alone: one timer serves all the waits that begin before
    it is over, for a timer of its own would make each of them twice as dear.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting: list[Delivery] = []
        self._taker: asyncio.Future[None] | None = None
        self._until = 0.0  # When the taker's time is over, by the clock of the loop.
        self._timer: asyncio.TimerHandle | None = None

    def put(self, delivery: Delivery) -> None:
        """Add a delivery without waiting."""
        if len(self._waiting) >= self._limit:
            self._waiting = [Interrupted()]
        self._waiting.append(delivery)
        if self._taker is not None:
            self._wake()

    async def take(self, timeout: float) -> list[Delivery]:
        """Wait up to ``timeout`` seconds for a first delivery, and take all there are."""
        if not self._waiting:
            await self._wait(timeout)
        taken, self._waiting = self._waiting, []
        return taken

    async def _wait(self, timeout: float) -> None:
        loop = asyncio.get_running_loop()
        self._taker = taker = loop.create_future()
        self._until = loop.time() + timeout
        if self._timer is None or self._timer.when() > self._until:
            self._set_timer(loop)
        try:
            await taker
        finally:
            self._taker = None

    def _wake(self) -> None:
        taker, self._taker = self._taker, None
        if taker is not None and not taker.done():
            taker.set_result(None)

    def _set_timer(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_at(self._until, self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """End the wait, unless it began later than the one for which the timer was set."""
        self._timer = None
        if self._taker is None:
            return
        if loop.time() < self._until:
            self._set_timer(loop)
        else:
            self._wake()
