"""The connections of this gateway."""

import asyncio
import random
import time
from collections.abc import Callable, Iterable, Iterator

from services.gateway.connections.connection import Connection
from services.gateway.protocol.effects import Effect
from services.gateway.session.session import Session


class Connections:
    """Those that were greeted and have not ended, in no order."""

    def __init__(self) -> None:
        self._open: set[Connection] = set()
        self._emptied = asyncio.Event()
        self._emptied.set()

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[Connection]:
        """Yield those that are here now: they may go, and others come, meanwhile."""
        return iter(tuple(self._open))

    def add(self, connection: Connection) -> None:
        """Know a connection."""
        self._open.add(connection)
        self._emptied.clear()

    def remove(self, connection: Connection) -> None:
        """Know a connection no longer."""
        self._open.discard(connection)
        if not self._open:
            self._emptied.set()

    def tell(self, event: Callable[[Session, float], Iterable[Effect]]) -> None:
        """Tell all sessions something, with the present instant, and perform what each answers."""
        now = time.monotonic()
        for connection in self:
            connection.perform(event(connection.session, now))

    async def send_away(self, why: tuple[int, str], *, spread: float, slice_: float) -> None:
        """
        Close all, in random order and bit by bit.

        Args:
            why: The code and the reason.
            spread: Seconds that it may take.
            slice_: Seconds between two handfuls.
        """
        leaving = list(self._open)
        random.shuffle(leaving)
        size = -(-len(leaving) // max(1, int(spread / slice_))) or 1
        for start in range(0, len(leaving), size):
            for connection in leaving[start : start + size]:
                connection.close(*why)
            await asyncio.sleep(slice_ if len(leaving) > size else 0)

    async def emptied(self) -> None:
        """Return once there is none; the caller sets the deadline."""
        await self._emptied.wait()
