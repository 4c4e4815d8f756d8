"""Clients that go, many at a time."""

import asyncio
from functools import partial

from services.gateway.intake.departures import TURN, Departures


async def test_few() -> None:
    """
    As long as few go they do at once.
    """
    departures, gone = Departures(), list[int]()

    for number in range(TURN):
        departures.let_go(partial(gone.append, number))

    assert gone == list(range(TURN))


async def test_in_turns() -> None:
    """
    Of many, so many go in each turn of the loop, in their order.
    """
    departures, gone = Departures(), list[int]()
    for number in range(3 * TURN + 1):
        departures.let_go(partial(gone.append, number))
    counts = [len(gone)]

    while departures:
        await asyncio.sleep(0)
        counts.append(len(gone))

    assert counts == [TURN, 2 * TURN, 3 * TURN, 3 * TURN + 1]
    assert gone == sorted(gone)


async def test_behind_others() -> None:
    """
    Nobody overtakes those who wait.
    """
    departures, gone = Departures(), list[int]()
    for number in range(TURN + 1):
        departures.let_go(partial(gone.append, number))
    await asyncio.sleep(0)
    assert gone[-1] == TURN

    departures.let_go(partial(gone.append, TURN + 1))

    assert gone[-1] == TURN + 1


async def test_one_fails() -> None:
    """
    What goes wrong with one keeps no other.
    """
    loop, told = asyncio.get_running_loop(), list[object]()
    loop.set_exception_handler(lambda _, context: told.append(context["exception"]))
    departures, gone, error = Departures(), list[int](), ValueError("broken")

    def fail() -> None:
        raise error

    for number in range(TURN):
        departures.let_go(partial(gone.append, number))
    departures.let_go(fail)
    departures.let_go(partial(gone.append, TURN))
    while departures:
        await asyncio.sleep(0)

    assert (gone[-1], told) == (TURN, [error])
