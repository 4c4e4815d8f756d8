"""
A coarse timer for very many connections: a look now and then, at those only whose time has come.

Pure.  Times are monotonic seconds.
"""

from collections.abc import Hashable
from math import inf
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)


class TimerWheel(Generic[T]):
    """
    Things by the slot of time in which they are due; each once.

    Args:
        width: Seconds of a slot: so much later than it is due a thing may come up.
    """

    def __init__(self, width: float = 1.0) -> None:
        self._width = width
        self._slots: dict[int, dict[T, None]] = {}
        self._places: dict[T, int] = {}

    def put(self, thing: T, due: float) -> None:
        """Have a thing come up at the first look after ``due``, unless it comes up earlier."""
        slot = int(due / self._width) + 1
        if self._places.get(thing, inf) > slot:
            self.remove(thing)
            self._places[thing] = slot
            self._slots.setdefault(slot, {})[thing] = None

    def remove(self, thing: T) -> None:
        """Forget a thing, and hold on to nothing of it."""
        slot = self._places.pop(thing, None)
        if slot is not None:
            del self._slots[slot][thing]

    def things(self) -> tuple[T, ...]:
        """Return all things."""
        return tuple(self._places)

    def take(self, now: float) -> list[T]:
        """Take what is due."""
        due = sorted(slot for slot in self._slots if slot * self._width <= now)
        things = [thing for slot in due for thing in self._slots.pop(slot)]
        for thing in things:
            del self._places[thing]
        return things
