"""Changes of memberships that wait for one listener."""

import asyncio
from collections import deque
from contextlib import suppress

from libs.common.memberships.membership import Change, Missed, Removed

MAX_WAITING = 10_000  # Changes that wait for a listener.


class ChangeQueue:
    """
    Changes that wait for one listener.  See `ChangeListener`.

    Args:
        bound: The most that wait, `Missed` aside.
    """

    def __init__(self, bound: int = MAX_WAITING) -> None:
        self._changes: deque[Change] = deque()
        self._bound = bound
        self._come = asyncio.Event()

    def add(self, change: Change) -> None:
        """Have a change wait."""
        if len(self._changes) > self._bound:
            removals = [each for each in self._changes if isinstance(each, Removed)]
            self._changes = deque([Missed(), *removals[-(self._bound // 2) :]])
        if not isinstance(change, Missed):
            self._changes.append(change)
        elif not self._changes or not isinstance(self._changes[0], Missed):
            self._changes.appendleft(change)  # Removals that wait say more than what is forgotten.
        self._come.set()

    async def receive(self, timeout: float) -> list[Change]:
        """See `ChangeListener.receive`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._come.wait()
        self._come.clear()
        taken = list(self._changes)
        self._changes.clear()
        return taken
