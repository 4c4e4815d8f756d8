"""
Fanfare, with a watch on its event loop: how long the longest turn took.

    python -P bench/stops/watched.py FILE ARGUMENT ...

is ``fanfare ARGUMENT ...`` of the code that is on PYTHONPATH, and tells in FILE the most CPU
seconds that the thread of a loop spent between two waits.  Nothing of the program is changed: loops
get a selector that looks at the thread's clock before and after each wait.  A full collection of
garbage runs inside a turn, and is part of it.

FILE is as long as `VALUE`; who measures makes it, reads it and sets it back: `bench.stops.longest`.
"""

import asyncio
import mmap
import selectors
import struct
import sys
import time
from pathlib import Path

VALUE = struct.Struct("d")


class WatchedSelector(selectors.DefaultSelector):
    """
    A selector that knows how long its loop has worked since the wait before.

    Args:
        longest: Where the longest time stands, in seconds.
    """

    def __init__(self, longest: mmap.mmap) -> None:
        super().__init__()
        self._longest = longest
        self._began = time.thread_time()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait as any selector does."""
        spent = time.thread_time() - self._began
        if spent > VALUE.unpack_from(self._longest)[0]:
            VALUE.pack_into(self._longest, 0, spent)
        ready = super().select(timeout)
        self._began = time.thread_time()
        return ready


class WatchedLoops(asyncio.DefaultEventLoopPolicy):
    """
    Makes loops that are watched.

    Args:
        longest: Where the longest time stands.
    """

    def __init__(self, longest: mmap.mmap) -> None:
        super().__init__()
        self._longest = longest

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        """Make one."""
        return asyncio.SelectorEventLoop(WatchedSelector(self._longest))


def main() -> int:
    """Watch, and be Fanfare."""
    with Path(sys.argv.pop(1)).open("r+b") as file:
        asyncio.set_event_loop_policy(WatchedLoops(mmap.mmap(file.fileno(), VALUE.size)))
    from services.__main__ import run  # noqa: PLC0415 - of whatever release it is.

    return run()


if __name__ == "__main__":
    sys.exit(main())
