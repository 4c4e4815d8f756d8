"""Leases in memory: what their contract does not see."""

import math
from collections.abc import Sequence

import pytest

from libs.common.leases.memory import MemoryLeases, due
from libs.common.leases.port import CLEARED_FOR, LeaseLost
from tests.support.fakes.clock import Clock


class Things:
    """Holdings: so many things of each gateway, of which one call takes away some."""

    def __init__(self, **things: int) -> None:
        self.things = things
        self.lost: set[str] = set()
        self.told: list[list[str]] = []

    def clear(self, gateways: Sequence[str]) -> int:
        self.told.append(list(gateways))
        self.lost.update(gateways)
        taken = [name for name in self.lost if self.things.get(name, 0) > 0]
        for name in taken:
            self.things[name] -= 1
        return len(taken)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def leases(clock: Clock) -> MemoryLeases:
    return MemoryLeases(clock)


class TestHoldings:
    """What is held is taken from gateways that are cleared, and from nobody else."""

    async def test_told_once(self, leases: MemoryLeases) -> None:
        """All holdings learn of a cleared gateway, once."""
        seats, counts = Things(), Things()
        leases.keep(seats)
        leases.keep(counts)
        await leases.renew("g1", ttl=0)
        await leases.renew("g2", ttl=60)

        for _ in range(2):
            await leases.sweep(grace=0)

        assert seats.told == counts.told == [["g1"], []]

    async def test_until_nothing_is_left(self, leases: MemoryLeases) -> None:
        """A sweep tells how much was taken from all, and the next ones go on with the rest."""
        leases.keep(Things(g1=1, g2=9))
        leases.keep(Things(g1=2))
        await leases.release("g1")
        leases.expect("g1")

        assert [await leases.sweep(grace=0) for _ in range(3)] == [2, 1, 0]

    async def test_not_in_the_grace(self, leases: MemoryLeases, clock: Clock) -> None:
        """Nothing is taken before the grace is over, and nothing from who renews in it."""
        things = Things(g1=1, g2=1)
        leases.keep(things)
        leases.expect("g1")
        leases.expect("g2")
        await leases.sweep(grace=5)
        clock.now += 4
        await leases.renew("g2", ttl=60)
        early = await leases.sweep(grace=5)
        clock.now += 1

        assert (early, await leases.sweep(grace=5)) == (0, 1)
        assert things.lost == {"g1"}


class TestSilence:
    """How long a gateway has not been heard of."""

    async def test_since_the_renewal(self, leases: MemoryLeases, clock: Clock) -> None:
        """It grows from one renewal to the next, until the lease lapses."""
        silences = []
        for ttl in (10, 2):
            await leases.renew("g1", ttl=ttl)
            for _ in range(2):
                clock.now += 1
                silences.append(leases.silence("g1"))

        assert silences == [1, 2, 1, math.inf]

    async def test_of_who_has_no_lease(self, leases: MemoryLeases) -> None:
        """A gateway that never took a lease, or ended it, is silent for ever."""
        leases.expect("ghost")
        await leases.renew("g1", ttl=60)
        await leases.release("g1")

        assert {leases.silence(name) for name in ("ghost", "stranger", "g1")} == {math.inf}


class TestBounds:
    """What is kept is bounded by who is there."""

    async def test_refused_for_a_day(self, leases: MemoryLeases, clock: Clock) -> None:
        """A cleared gateway is refused for a day, and then forgotten."""
        await leases.renew("g1", ttl=0)
        await leases.sweep(grace=0)
        clock.now += CLEARED_FOR - 1
        await leases.sweep(grace=0)
        with pytest.raises(LeaseLost):
            await leases.renew("g1", ttl=60)

        clock.now += 1
        await leases.sweep(grace=0)

        assert not leases.has_cleared("g1")
        assert not await leases.renew("g1", ttl=60)

    async def test_nothing_left(self, leases: MemoryLeases, clock: Clock) -> None:
        """When a day has passed, nothing of gateways that went is kept."""
        for number in range(30):
            leases.expect(f"ghost{number}")
            await leases.renew(f"g{number}", ttl=number)
            await leases.release(f"g{number % 7}")
        clock.now += 30
        await leases.sweep(grace=0)
        clock.now += CLEARED_FOR
        await leases.sweep(grace=0)

        kept = (leases._leases, leases._renewed, leases._lapsed, leases._cleared)
        assert kept == ({}, {}, {}, {})


def test_due() -> None:
    """
    Those are due whose instant has come, in the order in which they were put down.
    """
    assert due({"c": 3.0, "b": 5.0, "a": 1.0, "d": 3.1}, 3.0) == ["c", "a"]
