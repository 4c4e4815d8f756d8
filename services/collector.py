"""
When Python's garbage collector looks at what, so that it never stops many clients for long.

A full collection walks all that lives: with 10,000 connections nobody is served for a tenth of a
second.  It finds only reference cycles that have lived for a while; all else goes without it.
Python begins one whenever a quarter more lives, which is often while clients come.  Here each walks
what has come since the one before, and what that leaves is frozen: it is not walked again.  A cycle
that is let go after it was frozen stays; of such there are few, for connections are in none once
they have ended.  All is walked again where what is served does not explain what lives.
"""

import asyncio
import gc
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple, Protocol

import structlog

log = structlog.get_logger()

YOUNG = (700, 10)  # As Python has it: stops of a few milliseconds.
NEVER = 2**31 - 1  # A threshold that is not reached.
LOOK = 0.1  # Seconds from one look to the next.
PACE = 30.0  # Seconds from one collection to the next, if little comes.
MANY = 3  # Times that the young were collected; each leaves 7,000 objects or more to walk.
FOR_EACH = 48  # Blocks that a connection, or a channel, may have.
SLACK = 50_000  # Blocks that need no explanation, of some 70 bytes each.


class Serving(Protocol):
    """A service whose clients are counted."""

    def figures(self) -> Mapping[str, int]:
        """See `services.process_state.Figured.figures`."""


class Living(NamedTuple):
    """
    What lives in the process.

    Attributes:
        blocks: How many blocks of memory Python has given out.
        served: How many connections and channels there are.
    """

    blocks: int
    served: int


def is_explained(now: Living, *, before: Living) -> bool:
    """Tell whether what is served explains what lives, as all was walked ``before``."""
    most = 1.25 * before.blocks + FOR_EACH * (now.served - before.served) + SLACK
    return now.blocks <= most


class Collector:
    """
    The collector of this process.

    Args:
        services: Those of the process.
        clock: Monotonic seconds.
    """

    def __init__(
        self, services: Iterable[Serving], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._services = tuple(services)
        self._clock = clock
        self._whole = Living(0, 0)  # What lived after all was walked.
        self._due = 0.0

    async def run(self) -> None:
        """Collect in this way until cancelled."""
        with _by_reason():
            self._collect_all()
            while True:
                await asyncio.sleep(LOOK)
                self.look()

    def look(self) -> None:
        """Collect if much has come, or it is time."""
        if gc.get_count()[-1] < MANY and self._clock() < self._due:
            return
        if is_explained(self._living(), before=self._whole):
            self._collect()
        else:
            self._collect_all()

    def _collect_all(self) -> None:
        gc.unfreeze()
        self._collect()
        self._whole = self._living()

    def _collect(self) -> None:
        """Collect what is garbage and was not frozen, and freeze the rest."""
        began = time.thread_time()
        found = gc.collect()
        seconds = time.thread_time() - began
        gc.freeze()
        self._due = self._clock() + PACE
        log.debug("garbage.collected", objects=found, seconds=round(seconds, 3))

    def _living(self) -> Living:
        known = [each.figures() for each in self._services]
        served = sum(each.get("connections", 0) + each.get("channels", 0) for each in known)
        return Living(sys.getallocatedblocks(), served)


@contextmanager
def _by_reason() -> Iterator[None]:
    """Have Python begin no full collection while the context is open; then nothing is frozen."""
    before = gc.get_threshold()
    gc.set_threshold(*YOUNG, NEVER)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
