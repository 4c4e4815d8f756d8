"""Seats all members and reports all counts anew, whenever the backends may have lost them."""

import asyncio
from collections.abc import Callable, Sequence

from services.gateway.channels.admission import Admission
from services.gateway.channels.occupancy import Occupancy
from services.gateway.connections.registry import Connections
from services.gateway.quotas.limiter import ConnectionLimiter


class Reseating:
    """
    Restates what this gateway has told the roster and the tally.

    Args:
        unseated: Set when the roster may have lost our members, or knows this gateway no longer.
        connections: The connections whose seats are taken again.
        admission: Seats them.
        occupancy: Reports the subscriptions of channels.
        limiter: Reports the connections.
        others: What else is to be told, or read, anew.
    """

    def __init__(
        self,
        unseated: asyncio.Event,
        connections: Connections,
        *,
        admission: Admission,
        occupancy: Occupancy,
        limiter: ConnectionLimiter,
        others: Sequence[Callable[[], None]] = (),
    ) -> None:
        self._unseated = unseated
        self._connections = connections
        self._admission = admission
        self._occupancy = occupancy
        self._limiter = limiter
        self._others = others

    async def run(self) -> None:
        """
        Restate until cancelled.

        Nobody waits for those whose part of a backend is away, who still wait from the last time.
        """
        while True:
            await self._unseated.wait()
            self._unseated.clear()
            # In a method of its own, whose variables go: else the last connection would stay in
            # memory.
            self._restate()

    def _restate(self) -> None:
        self._limiter.restate()
        self._occupancy.restate()
        for connection in self._connections:
            self._admission.seat_again(connection)
        for restate in self._others:
            restate()
