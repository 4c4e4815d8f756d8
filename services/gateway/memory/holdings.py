"""
What is kept in memory for clients: what they have yet to read, and what they have half sent.

Pure.  Counting it all takes a look at every connection; in between, what is added is counted and
what is let go is not, so that the number is never below the truth.
"""

from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")

ENOUGH = 0.9  # Of the soft bound: down to this, lest each look send somebody away.


def _nobody() -> None:
    """Take no notice."""


class Holdings:
    """
    How many bytes are kept, and whether that is too many.

    Args:
        soft: Bytes above which those go who have most; 0: there is no bound.
        hard: Bytes above which nobody is let in.

    Attributes:
        alarm: Called whenever bytes are added beyond the soft bound.
    """

    __slots__ = ("_hard", "_soft", "_total", "alarm")

    def __init__(self, soft: int = 0, hard: int = 0) -> None:
        self._soft = soft
        self._hard = hard
        self._total = 0
        self.alarm: Callable[[], None] = _nobody

    @classmethod
    def within(cls, memory: int, soft: float, hard: float) -> "Holdings":
        """Make one with shares of so many bytes of memory as its bounds."""
        return cls(int(memory * soft), int(memory * hard))

    @property
    def total(self) -> int:
        """How many bytes are kept at most."""
        return self._total

    @property
    def is_above_soft(self) -> bool:
        """Whether those who have most must go."""
        return self._total > self._soft > 0

    @property
    def is_full(self) -> bool:
        """Whether nobody may be let in."""
        return self._total > self._hard > 0

    def add(self, size: int) -> None:
        """Count bytes that are kept from now on."""
        self._total += size
        if self.is_above_soft:
            self.alarm()

    def weigh(self, holders: Iterable[tuple[T, int]]) -> list[T]:
        """
        Count what all keep, and choose who must go.

        Args:
            holders: All of them, with the bytes that are kept for each.

        Returns:
            Those who have most, the first of them first, if it is too much in all.
        """
        held = [(holder, size) for holder, size in holders if size > 0]
        self._total = sum(size for _, size in held)
        if not self.is_above_soft:
            return []
        going, left = [], self._total
        for holder, size in sorted(held, key=lambda each: each[1], reverse=True):
            if left <= self._soft * ENOUGH:
                break
            going.append(holder)
            left -= size
        return going


UNBOUNDED = Holdings()
