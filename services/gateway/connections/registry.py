"""The connections of this gateway."""

import asyncio
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

    async def emptied(self) -> None:
        """Return once there is none; the caller sets the deadline."""
        await self._emptied.wait()
