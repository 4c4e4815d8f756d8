"""Changes that wait for a listener; the rest of the port is in its contract suite."""

import asyncio

from libs.common.belonging import Membership, Missed, Put, Removed
from libs.common.memberships import Waiting

ANN = Membership("1", "7", "x")
BEN = Membership("1", "8", "x")


class TestWaiting:
    """What waits is bounded, and a listener that was too slow knows that it was."""

    async def test_order(self) -> None:
        waiting = Waiting()
        waiting.add(Put(ANN))
        waiting.add(Removed(ANN))

        assert await waiting.receive(1.0) == [Put(ANN), Removed(ANN)]
        assert await waiting.receive(0.0) == []

    async def test_too_many(self) -> None:
        """Beyond the bound one word takes the place of all; what comes later is told again."""
        waiting = Waiting(bound=2)
        for change in (Put(ANN), Removed(ANN), Put(BEN), Removed(BEN)):
            waiting.add(change)

        assert await waiting.receive(1.0) == [Missed(), Removed(BEN)]

    async def test_missed(self) -> None:
        """What came before an interruption adds nothing to it."""
        waiting = Waiting()
        waiting.add(Put(ANN))
        waiting.add(Missed())

        assert await waiting.receive(1.0) == [Missed()]

    async def test_wakes(self) -> None:
        """Who waits is told at once."""
        waiting = Waiting()
        received = asyncio.create_task(waiting.receive(60.0))
        await asyncio.sleep(0)

        waiting.add(Put(ANN))

        async with asyncio.timeout(5.0):
            assert await received == [Put(ANN)]
