"""Sockets that are held until a report is answered."""

import asyncio

from services.gateway.held_writes import HeldWrites
from tests.support.fakes.lines import Line
from tests.support.services.gateway import until

NEVER = 1000.0  # Seconds.


async def test_until_answered() -> None:
    """
    Who was held before a report began is released when it ends; who came later is not.
    """
    held, first, second = HeldWrites(NEVER), Line(), Line()
    held.hold(first)
    with held.reporting():
        held.hold(second)
        assert (first.holds, second.holds) == (1, 1)

    assert (first.holds, second.holds) == (0, 1)


async def test_once() -> None:
    """
    A socket is held once for each report, however much it is told.
    """
    held, line = HeldWrites(NEVER), Line()
    held.hold(line)
    held.hold(line)
    assert line.holds == 1

    with held.reporting():
        held.hold(line)
        assert line.holds == 2
    assert line.holds == 1


async def test_nothing_left() -> None:
    """
    Where nothing is left to report nobody waits for the next report; who comes later does.
    """
    held, line = HeldWrites(NEVER), Line()
    held.hold(line)

    held.release()

    assert line.holds == 0
    held.hold(line)
    assert line.holds == 1


async def test_failed() -> None:
    """
    After a report that was not taken whole nobody is held, until one is.
    """
    held, waiting, late = HeldWrites(NEVER), Line(), Line()
    with held.reporting():
        held.hold(waiting)

    held.reported(is_whole=False)
    held.hold(late)
    assert (waiting.holds, late.holds) == (0, 0)

    held.reported(is_whole=True)
    held.hold(late)
    assert late.holds == 1


async def test_silent() -> None:
    """
    When a report has taken too long, all are released, and nobody is held.
    """
    held, first, second = HeldWrites(0.0), Line(), Line()
    held.hold(first)
    with held.reporting():
        held.hold(second)
        await asyncio.sleep(0)
        await asyncio.sleep(0)

        held.hold(first)
        assert (first.holds, second.holds) == (0, 0)


async def test_time_of_its_own() -> None:
    """
    A report has all of its time, also where it begins when that of one before it was soon over.
    """
    held, line, loop = HeldWrites(0.05), Line(), asyncio.get_running_loop()
    with held.reporting():
        await asyncio.sleep(0)
    held.hold(line)
    began = loop.time()

    with held.reporting():
        await until(lambda: line.holds == 0)

    assert loop.time() - began >= 0.05
