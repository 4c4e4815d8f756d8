"""
What clients are told only once the backend is told it, too.

A client that hears that it is connected, or subscribed, may have its back end ask how many are in
the next moment.  So what is written to its socket is held until the report that counts it is
answered, for a moment at most; while the backend is away nobody waits at all.
"""

import asyncio
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Held(Protocol):
    """A socket whose writes can be held, as `connections.socket.Socket` has it."""

    def hold(self) -> None:
        """Hold what is written from now on, until a `release` of its own."""

    def release(self) -> None:
        """Write what was held since the first `hold` that was not released, up to the next."""


class HeldWrites:
    """
    Sockets that are held until a report is answered.

    Reports follow one another: what is held while one is under way waits for the next.

    Args:
        patience: Seconds after the beginning of a report for which sockets are held at most; from
            then on nobody is, until a report succeeds.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._is_in_doubt = False
        self._waiting: dict[Held, None] = {}  # For the next report.
        self._leaving: dict[Held, None] = {}  # For the report that is under way.
        self._until = math.inf  # When its time is over, by the clock of the loop.
        self._timer: asyncio.TimerHandle | None = None  # Serves reports until it is over.

    def hold(self, socket: Held) -> None:
        """Hold a socket until the next report that begins is answered, unless that is in doubt."""
        if not self._is_in_doubt and socket not in self._waiting:
            self._waiting[socket] = None
            socket.hold()

    @contextmanager
    def reporting(self) -> Iterator[None]:
        """Begin a report, and end it: then the sockets that it counts are released."""
        self._leaving, self._waiting = self._waiting, {}
        loop = asyncio.get_running_loop()
        self._until = loop.time() + self._patience
        if self._timer is None:
            self._timer = loop.call_at(self._until, self._look, loop)
        try:
            yield
        finally:
            self._until = math.inf
            self._let_go()

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Doubt a report whose time is over; a later one than the timer was set for has more."""
        self._timer = None
        if loop.time() < self._until < math.inf:
            self._timer = loop.call_at(self._until, self._look, loop)
        elif self._until < math.inf:
            self._doubt()

    def reported(self, *, is_whole: bool) -> None:
        """Learn whether all of a report was taken: else nobody is held for now."""
        if is_whole:
            self._is_in_doubt = False
        else:
            self._doubt()

    def release(self) -> None:
        """Hold nobody any longer: there is nothing left to report."""
        self._let_go()
        self._leaving, self._waiting = self._waiting, {}
        self._let_go()

    def _doubt(self) -> None:
        self._is_in_doubt = True
        self.release()

    def _let_go(self) -> None:
        """Release the sockets whose report is under way, in the order in which they were held."""
        leaving, self._leaving = self._leaving, {}
        for socket in leaving:
            socket.release()
