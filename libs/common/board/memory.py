"""The board of a single process: the reference implementation of `board.port.Board`."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from libs.common.board.port import KEPT, MOST, BoardEntry, check_length


@dataclass(frozen=True, slots=True)
class _Standing:
    """A text, since when it stands there, and until when that is no silence."""

    text: bytes
    told_at: float
    lapses_at: float


class MemoryBoard:
    """
    A board for one process.  See `Board`.

    Args:
        clock: Monotonic seconds.
        most: Processes that it remembers.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, *, most: int = MOST) -> None:
        self._clock = clock
        self._most = most
        self._standing: dict[str, _Standing] = {}  # In the order in which they told.

    async def tell(self, process: str, text: bytes, *, ttl: float) -> None:
        """See `Board.tell`."""
        check_length(text)
        now = self._clock()
        self._standing.pop(process, None)
        self._standing[process] = _Standing(text, now, now + ttl)
        self._forget(now)
        for oldest in list(self._standing)[: -self._most]:
            del self._standing[oldest]

    async def withdraw(self, process: str) -> None:
        """See `Board.withdraw`."""
        self._standing.pop(process, None)

    async def read(self) -> list[BoardEntry]:
        """See `Board.read`."""
        now = self._clock()
        self._forget(now)
        return [
            BoardEntry(
                process=process,
                text=one.text,
                age=now - one.told_at,
                is_silent=one.lapses_at <= now,
            )
            for process, one in sorted(self._standing.items())
        ]

    def _forget(self, now: float) -> None:
        for process, one in list(self._standing.items()):
            if one.lapses_at + KEPT <= now:
                del self._standing[process]
