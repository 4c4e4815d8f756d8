"""A watch on the event loop."""

import asyncio
import mmap
import time

from bench.stops.watched import VALUES, WatchedCollector, WatchedLoops

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
    with mmap.mmap(-1, VALUES.size) as longest:
        loop = WatchedLoops(longest).new_event_loop()
        loop.call_soon(work)
        loop.call_soon(loop.stop)
        loop.run_forever()
        loop.run_until_complete(asyncio.sleep(0))
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()

        turn, _ = VALUES.unpack_from(longest)

    assert turn >= LONG


def test_collection() -> None:
    """
    The longest collection is told apart from what else a turn has.
    """
    with mmap.mmap(-1, VALUES.size) as longest:
        collector = WatchedCollector(longest)
        collector("start", {})
        work()
        collector("stop", {})
        collector("start", {})
        collector("stop", {})

        turn, collection = VALUES.unpack_from(longest)

    assert turn == 0
    assert collection >= LONG
