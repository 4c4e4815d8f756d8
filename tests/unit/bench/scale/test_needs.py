"""What loads need, by the constants that are kept."""

import pytest

from bench.scale.constants import read
from bench.scale.needs import (
    FULL,
    Load,
    channel_limit,
    classic_share,
    following,
    gateway_load,
    gateways_for,
    needs,
)

CONSTANTS = read()


def load(connections: int = 100_000, events: int = 10_000, fan_out: int = 10) -> Load:
    return Load(connections=connections, events=events, fan_out=fan_out)


class TestFollowing:
    """Gateways that an event reaches."""

    @pytest.mark.parametrize(
        "gateways, subscribers, most", [(1, 10, 1), (1000, 10, 10), (3, 100, 3)]
    )
    def test_bounds(self, gateways: int, subscribers: int, most: float) -> None:
        """
        An event reaches no more gateways than there are, and no more than it has subscribers.
        """
        assert following(gateways, subscribers) == pytest.approx(most, rel=0.01)


class TestGateways:
    """How many gateways."""

    def test_fewest(self) -> None:
        """
        With one less, each would be full.
        """
        count = gateways_for(CONSTANTS, load())

        assert gateway_load(CONSTANTS, load(), count) <= FULL
        assert gateway_load(CONSTANTS, load(), count - 1) > FULL

    def test_shown(self) -> None:
        """
        A gateway shows more of its CPU than it is full: it has time for each event by itself.
        """
        found = needs(CONSTANTS, load())

        assert FULL < found.shown <= 1

    def test_silence(self) -> None:
        """
        Connections alone need gateways too.
        """
        assert gateways_for(CONSTANTS, load(connections=1_000_000, events=0)) > 1


class TestNeeds:
    """All parts of a deployment."""

    @pytest.mark.parametrize(
        "more", [{"connections": 1_000_000}, {"events": 100_000}, {"fan_out": 50}]
    )
    def test_grow(self, more: dict[str, int]) -> None:
        """
        A greater load needs no less of anything.
        """
        small, large = needs(CONSTANTS, load()), needs(CONSTANTS, load(**more))

        assert large.gateways > small.gateways
        assert large.nodes >= small.nodes
        assert large.redis_bytes >= small.redis_bytes
        assert large.to_clients >= small.to_clients

    def test_first(self) -> None:
        """
        What needs most CPUs is named first.
        """
        found = needs(CONSTANTS, load())

        assert found.one_of_each[found.first] == max(found.one_of_each.values())
        assert found.first not in found.rest


class TestClassic:
    """Classic pub/sub in a cluster."""

    def test_no_number_is_enough(self) -> None:
        """
        Nodes that are added do not take the bus of a cluster off each other.
        """
        few, many = (
            classic_share(CONSTANTS, load(events=500_000), alone=0, nodes=nodes)
            for nodes in (10, 1000)
        )

        assert many > few * 0.9
        assert needs(CONSTANTS, load(events=1_000_000)).classic_nodes == 0


class TestChannel:
    """One channel that everybody follows."""

    def test_limit(self) -> None:
        """
        One channel bears the less the more gateways follow it.
        """
        assert (
            channel_limit(CONSTANTS, 1)
            > channel_limit(CONSTANTS, 10)
            > channel_limit(CONSTANTS, 100)
        )
