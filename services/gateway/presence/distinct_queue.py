"""Requests that wait for a backend, each once, however often it is put."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Generic, TypeVar

from libs.common.errors import Unavailable
from services.gateway.channels.retry_queue import RetryQueue
from services.gateway.timers import TIMERS, Timers

T = TypeVar("T", bound=Hashable)


class DistinctQueue(Generic[T]):
    """
    Names of what must be done, in the order in which they came; see `RetryQueue`.

    What is put again while it is worked on is worked on again.

    Args:
        work: Works on requests, and returns those that must be tried again.
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
        self._waiting: set[T] = set()
        self._queue = RetryQueue(self._try, timers, gathering=gathering)

    def __len__(self) -> int:
        return len(self._queue)

    def put(self, request: T) -> None:
        """Take a request without waiting, unless it waits already."""
        if request not in self._waiting:
            self._waiting.add(request)
            self._queue.put(request)

    async def settled(self) -> None:
        """Return once nothing waits any more; the caller sets the deadline."""
        await self._queue.settled()

    async def run(self) -> None:
        """Work until cancelled."""
        await self._queue.run()

    async def _try(self, requests: list[T]) -> list[T]:
        self._waiting.clear()
        # One that was left and put again meanwhile came twice.
        left = await self._work(list(dict.fromkeys(requests)))
        self._waiting.update(left)
        return left


async def by_parts(
    requests: Sequence[T], work: Callable[[Sequence[T]], Awaitable[None]], *, batch: int
) -> list[T]:
    """
    Work on requests together, and on each alone where a part of the backend is away.

    Args:
        requests: In their order.
        work: Works on some, never on none; raises Unavailable if the backend is away for one.
        batch: How many it takes at a time.

    Returns:
        Those for which the backend is away.
    """
    left: list[T] = []
    for start in range(0, len(requests), batch):
        left += await _together(requests[start : start + batch], work)
    return left


async def _together(
    requests: Sequence[T], work: Callable[[Sequence[T]], Awaitable[None]]
) -> list[T]:
    try:
        await work(requests)
    except Unavailable:
        if len(requests) == 1:
            return list(requests)
        left = await asyncio.gather(*(_together([each], work) for each in requests))
        return [request for each in left for request in each]
    return []
