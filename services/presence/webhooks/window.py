"""
How much a webhook works on at once: little at first, more with what is delivered.

A receiver that hangs so costs the process next to nothing, and what it does not take stays in the
streams; one that answers is soon given as much as it takes.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from services.presence.bell import Bell


@dataclass(slots=True)
class Share:
    """
    What one caller has in the window.

    Attributes:
        count: Turns that are still under way.
    """

    _leave: Callable[[int], None]
    count: int

    def leave(self, count: int) -> None:
        """Be done with some of them."""
        self.count -= count
        self._leave(count)


class Window:
    """
    Bounds what is under way.

    What counts are turns of lanes (`lanes.Turn`): a channel whose facts all fail is one, however
    many they are, and so leaves room for others.

    Args:
        first: Turns at first, and again after a failure.
        most: Turns at most.

    Attributes:
        opened: Rung when nobody waits any more.
    """

    def __init__(self, first: int, most: int) -> None:
        self._first = first
        self._most = most
        self._limit = first
        self._inside = 0
        self._waiting = 0
        self._entrance = asyncio.Lock()  # Whoever waits, waits in turn.
        self._left = asyncio.Event()
        self.opened = Bell()

    @property
    def is_open(self) -> bool:
        """Whether nobody waits."""
        return not self._waiting

    @asynccontextmanager
    async def entered(self, count: int) -> AsyncIterator[Share]:
        """Wait until so many turns may be worked on; without others any number may."""
        self._waiting += 1
        try:
            async with self._entrance:
                while self._inside and self._inside + count > self._limit:
                    self._left.clear()
                    await self._left.wait()
                self._inside += count
        finally:
            self._waiting -= 1
            if self.is_open:
                self.opened.ring()
        share = Share(self.leave, count)
        try:
            yield share
        finally:
            self.leave(share.count)

    def succeed(self, count: int) -> None:
        """Let more be under way, by as many as have been dealt with."""
        self._limit = min(self._most, self._limit + count)

    def fail(self) -> None:
        """Begin anew."""
        self._limit = self._first

    def leave(self, count: int) -> None:
        """Take turns out; who has entered does so by its `Share`."""
        self._inside -= count
        self._left.set()
