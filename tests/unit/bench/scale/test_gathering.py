"""A presence channel that fills."""

import pytest

from bench.scale.constants import RosterCosts
from bench.scale.costs import Cost
from bench.scale.gathering import REDIS, gather
from bench.scale.queueing import Course

FREE = Cost(call=0, event=0, write=0, message=0)


def roster(**costs: float) -> RosterCosts:
    return RosterCosts(**{**dict.fromkeys(RosterCosts.__struct_fields__, 0.0), **costs})


def gateways(course: Course) -> float:
    return sum(busy for name, busy in course.busy.items() if name != REDIS)


class TestGather:
    """What Redis and the gateways spend."""

    def test_one_after_the_other(self) -> None:
        """
        Whoever joins alone is listed everybody who is there.
        """
        course = gather(roster(listed=1e-6), FREE, FREE, gateways=2, members=10, rate=1)

        assert course.busy[REDIS] == pytest.approx(sum(range(1, 11)) * 1e-6)

    def test_at_once(self) -> None:
        """
        Those who join through a gateway at the same time share a reading.
        """
        course = gather(roster(join=1e-3), FREE, FREE, gateways=1, members=100)

        assert course.busy[REDIS] == pytest.approx(1e-3)

    @pytest.mark.parametrize("count", [1, 3])
    def test_telling(self, count: int) -> None:
        """
        Everybody who is there is told of whoever joins, which more gateways do not change.
        """
        telling = Cost(call=0, event=0, write=1e-6, message=0)

        course = gather(roster(), FREE, telling, gateways=count, members=30, rate=1)

        assert gateways(course) == pytest.approx(sum(range(30)) * 1e-6)

    def test_quadratic(self) -> None:
        """
        A channel of twice the size costs four times as much to fill.
        """
        telling = Cost(call=0, event=0, write=0, message=1e-6)

        small, large = (
            gateways(gather(roster(), FREE, telling, gateways=3, members=size, rate=1))
            for size in (200, 400)
        )

        assert large / small == pytest.approx(4, rel=0.05)
