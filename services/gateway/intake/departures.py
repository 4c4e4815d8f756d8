"""
Lets clients go: so many in one turn of the loop that nobody who stays waits for them.

To let one go takes as long as it has channels to leave.  Thousands may go at the same moment, as
where a proxy ends, or where one stranger breaks off all that he has opened.
"""

import asyncio
from collections import deque
from collections.abc import Callable

TURN = 20  # Clients that are let go in one turn of the loop; of 100 channels each: some 10 ms.


class Departures:
    """The clients that are going; no more wait than there were connections."""

    def __init__(self) -> None:
        self._room = TURN
        self._waiting: deque[Callable[[], None]] = deque()
        self._turning: asyncio.Handle | None = None

    def __len__(self) -> int:
        """Count those that wait for their turn."""
        return len(self._waiting)

    def let_go(self, depart: Callable[[], None]) -> None:
        """
        Let a client go, at once if few do, and else in one of the next turns of the loop, in order.

        Args:
            depart: Called once, to have everybody know that it is gone.
        """
        if self._turning is None:
            self._turning = asyncio.get_running_loop().call_soon(self._turn)
        if self._waiting or not self._room:
            self._waiting.append(depart)
            return
        self._room -= 1
        depart()

    def _turn(self) -> None:
        self._room, self._turning = TURN, None
        if self._waiting:  # First: whatever becomes of one of them, the others go.
            self._turning = asyncio.get_running_loop().call_soon(self._turn)
        while self._waiting and self._room:
            self._room -= 1
            self._waiting.popleft()()
