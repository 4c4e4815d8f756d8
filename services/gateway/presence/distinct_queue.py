"""Requests that wait for a backend, each once, however often it is put."""

from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

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
