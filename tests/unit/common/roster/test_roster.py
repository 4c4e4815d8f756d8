"""The roster in memory: what its contract does not see."""

import pytest

from libs.common.bus.messages import Transition
from libs.common.channels import Channel
from libs.common.leases.memory import MemoryLeases
from libs.common.leases.port import CLEARED_FOR
from libs.common.roster.memory import MemoryRoster
from libs.common.roster.port import JoinRequest, Seat
from tests.support.fakes.clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def announced() -> list[Transition]:
    return []


@pytest.fixture
def leases(clock: Clock) -> MemoryLeases:
    return MemoryLeases(clock)


@pytest.fixture
def roster(leases: MemoryLeases, announced: list[Transition]) -> MemoryRoster:
    return MemoryRoster(announced.append, leases)


def ask(number: int, *, channel: str = "presence-room", gateway: str = "g1") -> JoinRequest:
    return JoinRequest(Seat(Channel("1", channel), f"{number}.1", gateway), f"u{number}", "{}")


class TestTime:
    """Grace and leases go by the clock."""

    async def test_grace(
        self,
        leases: MemoryLeases,
        roster: MemoryRoster,
        clock: Clock,
        announced: list[Transition],
    ) -> None:
        """A seat is given up as soon as its grace is over, and not before."""
        await leases.renew("g1", ttl=60)
        await roster.join([ask(1)])
        await roster.leave([ask(1).seat], grace=1.5)

        clock.now += 1.4
        early = await leases.sweep(grace=0)
        clock.now += 0.1

        assert early == 0
        assert await leases.sweep(grace=0) == 1
        assert [transition.info for transition in announced] == ["{}", None]

    async def test_lease(self, leases: MemoryLeases, roster: MemoryRoster, clock: Clock) -> None:
        """Seats are cleared when the grace has passed since a sweep found the lease lapsed."""
        await leases.renew("g1", ttl=10)
        await roster.join([ask(1)])

        clock.now += 100
        found = await leases.sweep(grace=5)
        clock.now += 4.9
        early = await leases.sweep(grace=5)
        clock.now += 0.1

        assert (found, early) == (0, 0)
        assert await leases.sweep(grace=5) == 1

    async def test_joining_is_no_renewal(
        self, leases: MemoryLeases, roster: MemoryRoster, clock: Clock
    ) -> None:
        """A gateway whose lease lapsed does not prolong its grace by joining."""
        await leases.renew("g1", ttl=0)
        await leases.sweep(grace=5)
        clock.now += 4
        await roster.join([ask(1)])
        await leases.sweep(grace=5)
        clock.now += 1

        assert await leases.sweep(grace=5) == 1


class TestBounds:
    """What is kept is bounded by who is there."""

    async def test_one_sweep(self, leases: MemoryLeases, roster: MemoryRoster) -> None:
        """A call clears no more than its limit."""
        await roster.join([ask(number) for number in range(2500)])

        counts = [await leases.sweep(grace=0) for _ in range(4)]

        assert counts == [1000, 1000, 500, 0]

    async def test_nothing_left(
        self, leases: MemoryLeases, roster: MemoryRoster, clock: Clock
    ) -> None:
        """When all have left and a day has passed, nothing of them is kept."""
        empty = vars(roster).copy()
        sizes = {name: len(value) for name, value in empty.items() if hasattr(value, "__len__")}
        for number in range(50):
            one = ask(number, channel=f"presence-{number}", gateway=f"g{number}")
            await leases.renew(one.seat.gateway, ttl=60)
            await roster.join([one])
            await roster.leave([one.seat], grace=number % 3)
            await leases.release(one.seat.gateway)
        clock.now += 3
        await leases.sweep(grace=0)

        clock.now += CLEARED_FOR
        await leases.sweep(grace=0)

        assert {name: len(vars(roster)[name]) for name in sizes} == sizes
