"""The teller: tells the board how this process is, again and again, while it lives."""

import asyncio
import secrets
from collections.abc import Callable
from contextlib import suppress

from libs.common.board.port import Board
from libs.common.errors import Unavailable

INTERVAL = 2.0  # Seconds: whoever looks on sees the deployment as it was just now.
TTL = 10.0  # Seconds after which a process that told nothing is silent.
FAREWELL = 1.0  # Seconds to say that it ends; else it is silent, and then forgotten.


class Teller:
    """
    Tells how a process is, under a name that no other has.

    Args:
        board: Where.
        state: Says it; called at each telling.
        interval: Seconds between two.

    Attributes:
        process: The name.
    """

    def __init__(
        self, board: Board, state: Callable[[], bytes], *, interval: float = INTERVAL
    ) -> None:
        self.process = secrets.token_hex(8)
        self._board = board
        self._state = state
        self._interval = interval

    async def run(self) -> None:
        """Tell until cancelled, and then that it ends; where the board is away nobody is told."""
        try:
            while True:
                with suppress(Unavailable):
                    await self._board.tell(self.process, self._state(), ttl=TTL)
                await asyncio.sleep(self._interval)
        finally:
            with suppress(Unavailable, TimeoutError):
                async with asyncio.timeout(FAREWELL):
                    await self._board.withdraw(self.process)
