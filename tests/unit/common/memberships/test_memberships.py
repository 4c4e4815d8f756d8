"""Changes that wait for a listener, and which removals memory keeps; the rest of the port is in its contract suite."""

import asyncio

from libs.common.memberships.change_queue import ChangeQueue
from libs.common.memberships.membership import Membership, Missed, Put, Removed
from libs.common.memberships.memory import MemoryMemberships
from libs.common.memberships.port import KEPT, MOST_KEPT
from tests.support.deadline import DEADLINE

ANN = Membership("1", "7", "x")
BEN = Membership("1", "8", "x")


class TestWaiting:
    """What waits is bounded, and a listener that was too slow knows that it was."""

    async def test_order(self) -> None:
        waiting = ChangeQueue()
        waiting.add(Put(ANN))
        waiting.add(Removed(ANN, 0.0))

        assert await waiting.receive(1.0) == [Put(ANN), Removed(ANN, 0.0)]
        assert await waiting.receive(0.0) == []

    async def test_too_many(self) -> None:
        """Beyond the bound one word takes the place of all but the newer removals; what comes later is told again."""
        waiting = ChangeQueue(bound=2)
        for change in (Put(ANN), Removed(ANN, 0.0), Put(BEN), Removed(BEN, 0.0)):
            waiting.add(change)

        assert await waiting.receive(1.0) == [Missed(), Removed(ANN, 0.0), Removed(BEN, 0.0)]

    async def test_removals_alone(self) -> None:
        """Of removals that are too many the newest are told."""
        waiting = ChangeQueue(bound=10)
        told = [Removed(ANN._replace(user=str(number)), 0.0) for number in range(100)]
        for change in told:
            waiting.add(change)

        first, *others = await waiting.receive(1.0)

        assert first == Missed()
        assert others == told[-len(others) :]
        assert 5 <= len(others) <= 11

    async def test_missed(self) -> None:
        """What an interruption makes doubtful is said first, once; a removal that waits is told nevertheless."""
        waiting = ChangeQueue()
        waiting.add(Removed(ANN, 0.0))
        waiting.add(Missed())
        waiting.add(Missed())

        assert await waiting.receive(1.0) == [Missed(), Removed(ANN, 0.0)]

    async def test_wakes(self) -> None:
        """Who waits is told at once."""
        waiting = ChangeQueue()
        received = asyncio.create_task(waiting.receive(60.0))
        await asyncio.sleep(0)

        waiting.add(Put(ANN))

        async with asyncio.timeout(DEADLINE):
            assert await received == [Put(ANN)]


class TestKept:
    """Removals while nobody listens, in memory."""

    async def test_instant(self) -> None:
        """A listener that begins is told of removals that are not too old, and when they were."""
        now = 1000.0
        memberships = MemoryMemberships(lambda: now)
        await memberships.put([ANN, BEN])
        await memberships.remove([ANN])
        now += KEPT / 2
        await memberships.remove([BEN])
        now += KEPT / 2

        async with memberships.changes() as listener:
            (removed,) = await listener.receive(1.0)

        assert removed == Removed(BEN, 0.0)
        assert isinstance(removed, Removed)
        assert removed.at == 1000.0 + KEPT / 2

    async def test_bounded(self) -> None:
        """The newest are kept."""
        memberships = MemoryMemberships()
        many = [ANN._replace(user=str(number)) for number in range(MOST_KEPT + 1)]
        await memberships.put(many)
        await memberships.remove(many)

        async with memberships.changes() as listener:
            told = await listener.receive(1.0)

        assert told == [Removed(each, 0.0) for each in many[1:]]
