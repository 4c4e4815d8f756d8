"""Requests that wait for a backend: worked on together, and tried again until it is back."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from services.gateway.timers import TIMERS, Timers

T = TypeVar("T")


class RetryQueue(Generic[T]):
    """
    Requests in the order in which they came.

    The caller of `put` sees to it that there are not too many.

    Args:
        work: Works on requests, and returns those that must be tried again, in order.
        timers: The delays between attempts.
        gathering: Seconds for which requests are gathered before they are worked on.
    """

    def __init__(
        self,
        work: Callable[[list[T]], Awaitable[list[T]]],
        timers: Timers = TIMERS,
        *,
        gathering: float = 0.0,
    ) -> None:
        self._work = work
        self._timers = timers
        self._gathering = gathering
        self._waiting: list[T] = []
        self._in_work = 0
        self._arrived = asyncio.Event()
        self._idle = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting) + self._in_work

    def put(self, request: T) -> None:
        """Take a request without waiting."""
        self._waiting.append(request)
        self._idle.clear()
        self._arrived.set()

    async def settled(self) -> None:
        """Return once nothing waits any more; the caller sets the deadline."""
        await self._idle.wait()

    async def run(self) -> None:
        """Work until cancelled."""
        backoff = self._timers.backoff()
        while True:
            if not self._waiting:
                self._idle.set()
            await self._arrived.wait()
            if self._gathering:
                await asyncio.sleep(self._gathering)
            self._arrived.clear()
            if await self._try():
                backoff.reset()
            else:
                await asyncio.sleep(backoff.delay())

    async def _try(self) -> bool:
        """Work on all that has arrived; tell whether nothing is left of it."""
        taken, self._waiting = self._waiting, []
        self._in_work = len(taken)
        left = await self._work(taken)
        self._in_work = 0
        self._waiting = left + self._waiting
        if left:
            self._arrived.set()
        return not left
