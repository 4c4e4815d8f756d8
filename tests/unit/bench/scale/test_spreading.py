"""Events on their way through Redis and gateways."""

import pytest

from bench.scale.costs import Cost
from bench.scale.spreading import REDIS, share, spread

PUBLISH = Cost(call=1e-4, event=1e-5, write=1e-5, message=1e-6)
FAN_OUT = Cost(call=2e-4, event=1e-5, write=5e-6, message=1e-7)


class TestSpread:
    """What Redis and the gateways spend."""

    def test_each_gateway(self) -> None:
        """
        Redis writes once for each gateway that follows, and each of them to its subscribers.
        """
        layout = [{"a": 10, "b": 20}, {"a": 5}]

        course = spread(PUBLISH, FAN_OUT, layout, [(0.0, [0]), (1.0, [1])])

        assert course.busy[REDIS] == pytest.approx(PUBLISH.seconds(1, 2) + PUBLISH.seconds(1, 1))
        assert course.busy["a"] == pytest.approx(FAN_OUT.seconds(1, 10) + FAN_OUT.seconds(1, 5))
        assert course.busy["b"] == pytest.approx(FAN_OUT.seconds(1, 20))

    def test_pipeline(self) -> None:
        """
        Events of one pipeline are one write for each gateway, and for each subscriber of a channel.
        """
        course = spread(PUBLISH, FAN_OUT, [{"a": 10}, {"a": 1}], [(0.0, [0, 0, 1])], room=1e-3)

        assert course.busy[REDIS] == pytest.approx(PUBLISH.seconds(3, 1))
        writes = 11 * FAN_OUT.write + 21 * FAN_OUT.message
        assert course.busy["a"] == pytest.approx(FAN_OUT.seconds(3, 0) + writes + 2e-3)


class TestShare:
    """Events that come at random."""

    def test_seldom(self) -> None:
        """
        Events that come by themselves cost what each costs alone.
        """
        found = share(FAN_OUT, rate=1, readers=10)

        assert found == pytest.approx(FAN_OUT.seconds(1, 10), rel=0.1)

    def test_often(self) -> None:
        """
        Where many come, they share the call.
        """
        found = share(FAN_OUT, rate=6000, readers=10)

        assert found < 0.9 * 6000 * FAN_OUT.seconds(1, 10)
