"""A watch on the event loop."""

import asyncio
import mmap
import time

from bench.stops.watched import VALUE, WatchedLoops

LONG = 0.02  # CPU seconds.


def work() -> None:
    """Be busy for so long, by the clock of the thread alone."""
    until = time.thread_time() + LONG
    while time.thread_time() < until:
        pass


def test_longest() -> None:
    """
    The longest turn is told, and a shorter one does not take its place.
    """
    with mmap.mmap(-1, VALUE.size) as longest:
        loop = WatchedLoops(longest).new_event_loop()
        loop.call_soon(work)
        loop.call_soon(loop.stop)
        loop.run_forever()
        loop.run_until_complete(asyncio.sleep(0))
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()

        (found,) = VALUE.unpack_from(longest)

    assert found >= LONG
