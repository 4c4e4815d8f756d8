"""
Whose frames are worked on, and how many of them in one turn of the loop: each gets a little.

Pure.  Work is counted in units: a frame is one, and so is each 4 KiB of it.
"""

from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")

SLICE = 8  # Units that one connection gets at once.
TURN = 256  # Units of all connections in one turn of the loop: a few milliseconds.
UNIT = 12  # Bits: a message of 4 KiB takes about as long as another frame.
SMALL = 1024  # Bytes; what comes in no more is heard at once even while others wait.


class Turns(Generic[T]):
    """
    Those with more to say than was worked on, in the order in which they are heard.

    Whoever says one small thing need not stand behind them: see `share`.

    Attributes:
        is_free: Whether nobody stands in line, and more may be done in this turn.
    """

    def __init__(self) -> None:
        self.is_free = True
        self._line: deque[T] = deque()
        self._left = TURN

    def __len__(self) -> int:
        return len(self._line)

    def share(self, size: int) -> int:
        """
        Tell how much may be worked on at once of what has just come.

        Args:
            size: How many bytes came.

        Returns:
            Units; 0: it must stand in line.
        """
        if self.is_free:
            return SLICE
        return 1 if size <= SMALL else 0

    def spend(self, units: int) -> None:
        """Note that so much was worked on in this turn."""
        self._left -= units
        self._look()

    def add(self, thing: T) -> None:
        """Put somebody at the end of the line."""
        self._line.append(thing)
        self.is_free = False

    def begin(self) -> None:
        """Begin another turn of the loop."""
        self._left = TURN
        self._look()

    def next(self) -> T | None:
        """Take the first of the line; None if there is nobody, or no more is done in this turn."""
        if not self._line or self._left <= 0:
            return None
        first = self._line.popleft()
        self._look()
        return first

    def _look(self) -> None:
        self.is_free = not self._line and self._left > 0
