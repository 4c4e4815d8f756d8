"""
A coarse timer for very many connections: one look a second, at those only whose time has come.

Pure.  Times are monotonic seconds.
"""

from typing import Generic, TypeVar

T = TypeVar("T")


class Wheel(Generic[T]):
    """Things by the second in which they are due."""

    def __init__(self) -> None:
        self._slots: dict[int, list[T]] = {}

    def put(self, thing: T, due: float) -> None:
        """Have a thing come up at the first look after ``due``."""
        self._slots.setdefault(int(due) + 1, []).append(thing)

    def take(self, now: float) -> list[T]:
        """Take what is due."""
        due = [slot for slot in self._slots if slot <= now]
        return [thing for slot in sorted(due) for thing in self._slots.pop(slot)]
