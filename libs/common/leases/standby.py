"""
The standby of a lease: a thread that renews it while the event loop cannot.

A lease is renewed on the event loop of whoever holds it.  A loop that is held, by one long turn or
by many, renews nothing, and yet its process lives, and goes on in a moment.  So the standby looks
from a thread: where renewals are late it prolongs the lease, for as long as the loop has turned a
while ago.  It only ever prolongs: what was released or lost stays so (`Leases.prolong`).

A process that stands still as a whole has no thread that runs, either: its lease lapses.  So it is
where a call into C keeps Python's lock for itself.
"""

import asyncio
import itertools
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

import structlog

from libs.common.errors import Misconfigured, Unavailable
from libs.common.leases.port import Leases

log = structlog.get_logger()

CALL_TIMEOUT = 8.0  # Seconds for one attempt: longer than an adapter's own deadlines.
JOIN_TIMEOUT = 1.0  # Seconds in which the thread is to end, which it does at once unless it calls.
LATE = 1.5  # Intervals since a renewal, until the thread steps in.
LOOKS = 4  # How often in an interval the loop says that it turns, and the thread looks.
FRAMES = 3  # How many calls tell where the loop is.


class Tenure(Protocol):
    """A lease as whoever holds it knows it; read from another thread."""

    @property
    def name(self) -> str:
        """The name that is renewed now."""

    @property
    def renewed_at(self) -> float | None:
        """When that was renewed last, in monotonic seconds; None: not yet, or it is released."""


class Standby:
    """
    Looks after a lease while the event loop is held.

    Args:
        leases: Where it is.
        tenure: Which one.
        ttl: Seconds for which a renewal holds.
        interval: Seconds between the renewals of whoever holds it.
        loop_timeout: Seconds for which the loop may be held; then the lease is left to lapse.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        leases: Leases,
        tenure: Tenure,
        *,
        ttl: float,
        interval: float,
        loop_timeout: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._leases = leases
        self._tenure = tenure
        self._ttl = ttl
        self._late = LATE * interval
        self._pause = interval / LOOKS
        self._loop_timeout = loop_timeout
        self._clock = clock
        self._turned_at = self._looked_at = self._prolonged_at = clock()
        self._is_told = False  # Whether it was said that the loop turns no more.
        self._thread_of_loop = threading.get_ident()
        self._ended = threading.Event()

    async def run(self) -> None:
        """Say that the loop turns, until cancelled; the thread looks meanwhile."""
        self._thread_of_loop = threading.get_ident()
        self._ended.clear()
        self.turned()
        thread = threading.Thread(target=self._watch, name="lease-standby", daemon=True)
        thread.start()
        try:
            while thread.is_alive():
                self.turned()
                await asyncio.sleep(self._pause)
        finally:
            self._ended.set()
            await asyncio.to_thread(thread.join, JOIN_TIMEOUT)
        raise RuntimeError("the thread of the lease's standby has ended; the log says why")

    def turned(self) -> None:
        """Note that the event loop turns."""
        self._turned_at = self._clock()
        self._is_told = False

    def _watch(self) -> None:
        self._looked_at = self._clock()
        while not self._ended.wait(self._pause):
            self.look()

    def look(self) -> None:
        """Look once, and do what is to be done; it may take `CALL_TIMEOUT`, in a thread alone."""
        now, looked_at = self._clock(), self._looked_at
        self._looked_at = now
        if now - looked_at > self._late:
            return  # All stood still, this thread too: the loop gets its turn first.
        if now - self._turned_at > self._loop_timeout:
            self._tell(now)
        elif self._is_late(now):
            asyncio.run(self._prolong())
            self._looked_at = self._clock()

    def _is_late(self, now: float) -> bool:
        renewed_at = self._tenure.renewed_at
        return renewed_at is not None and now - max(renewed_at, self._prolonged_at) >= self._late

    async def _prolong(self) -> None:
        began, name = self._clock(), self._tenure.name
        # Tried again at the next look, also where a file of certificates is away for a moment.
        with suppress(Unavailable, Misconfigured, TimeoutError):
            async with asyncio.timeout(CALL_TIMEOUT), self._leases.apart() as leases:
                await leases.prolong(name, ttl=self._ttl)
                self._prolonged_at = began

    def _tell(self, now: float) -> None:
        if self._is_told:
            return
        self._is_told = True
        seconds = round(now - self._turned_at, 3)
        log.error("loop.stuck", seconds=seconds, at=_place(self._thread_of_loop))


def _place(thread: int) -> str:
    """Tell where a thread is: its innermost calls, the last one first."""
    frame = sys._current_frames().get(thread)  # noqa: SLF001 - public, whatever it is called.
    calls = itertools.islice(traceback.walk_stack(frame), FRAMES) if frame else ()
    return " < ".join(
        f"{call.f_globals.get('__name__')}:{line} {call.f_code.co_name}" for call, line in calls
    )
