"""
Turns: long work for one request, so that nobody else waits until it is done.

One tenant's request may name thousands of things.  What is done with each is short; all of it at
once would hold the event loop, and with it the clients and requests of all others.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from typing import TypeVar

TURN = 100  # Things that are worked on in one turn of the loop.
LONGEST = 0.02  # Seconds after which a turn ends with the thing that is worked on.

T = TypeVar("T")


async def in_turns(
    things: Iterable[T], *, turn: int = TURN, clock: Callable[[], float] = time.monotonic
) -> AsyncIterator[T]:
    """
    Yield things, and let the loop do what else it has to do after each so many, or `LONGEST`.

    The world may change meanwhile: whoever works on a thing that can go looks whether it has gone.

    Args:
        things: What is worked on, in this order.
        turn: How many are worked on before others have their turn.
        clock: Seconds.
    """
    began = clock()
    for number, thing in enumerate(things, 1):
        yield thing
        if not number % turn or clock() - began > LONGEST:
            await asyncio.sleep(0)
            began = clock()
