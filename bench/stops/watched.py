"""
Fanfare, with a watch on its event loop: how long the longest turn took.

    python -P bench/stops/watched.py FILE ARGUMENT ...

is ``fanfare ARGUMENT ...`` of the code that is on PYTHONPATH, and tells in FILE the most CPU
seconds that the thread of a loop spent from one wait to the next.  Nothing of the program is
changed: loops get a selector that looks at the thread's clock after each wait, which itself costs
next to none.  A collection of garbage is part of the turn in which it falls; the longest is told
beside, for it stops all threads, whichever it runs in.

FILE is as long as `VALUES`; `bench.stops.longest` makes it, reads it and sets it back.
"""

import asyncio
import gc
import mmap
import selectors
import struct
import sys
import time
from pathlib import Path

VALUES = struct.Struct("dd")  # CPU seconds: of the longest turn, of the longest collection.
_VALUE = struct.Struct("d")
_TURN, _COLLECTION = 0, _VALUE.size  # Where they stand.


def _note(longest: mmap.mmap, place: int, spent: float) -> None:
    if spent > _VALUE.unpack_from(longest, place)[0]:
        _VALUE.pack_into(longest, place, spent)


class WatchedSelector(selectors.DefaultSelector):
    """
    A selector that knows how long its loop has worked since the wait before.

    Args:
        longest: Where the longest times stand.
    """

    def __init__(self, longest: mmap.mmap) -> None:
        super().__init__()
        self._longest = longest
        self._began = time.thread_time()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait as any selector does."""
        ready = super().select(timeout)
        now = time.thread_time()
        _note(self._longest, _TURN, now - self._began)
        self._began = now
        return ready


class WatchedLoops(asyncio.DefaultEventLoopPolicy):
    """
    Makes loops that are watched.

    Args:
        longest: Where the longest times stand.
    """

    def __init__(self, longest: mmap.mmap) -> None:
        super().__init__()
        self._longest = longest

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        """Make one."""
        return asyncio.SelectorEventLoop(WatchedSelector(self._longest))


class WatchedCollector:
    """
    Knows how long collections of garbage take.

    Args:
        longest: Where the longest times stand.
    """

    def __init__(self, longest: mmap.mmap) -> None:
        self._longest = longest
        self._began = 0.0

    def __call__(self, phase: str, _: dict[str, int]) -> None:
        """Be told by the collector that it begins or ends."""
        now = time.thread_time()
        if phase == "start":
            self._began = now
        else:
            _note(self._longest, _COLLECTION, now - self._began)


def main() -> int:
    """Watch, and be Fanfare."""
    with Path(sys.argv.pop(1)).open("r+b") as file:
        longest = mmap.mmap(file.fileno(), VALUES.size)
    asyncio.set_event_loop_policy(WatchedLoops(longest))
    gc.callbacks.append(WatchedCollector(longest))
    from services.__main__ import run  # noqa: PLC0415 - of whatever release it is.

    return run()


if __name__ == "__main__":
    sys.exit(main())
