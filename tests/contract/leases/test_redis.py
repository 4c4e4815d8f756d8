"""What only the Redis adapter of the leases can do wrong.  Its sweeps are in `test_sweeps`."""

import time

import pytest

from tests.support.ports.rosters import CHANNEL, LONG, Deployment, RedisProcess, request, seated


@pytest.fixture
def roster_url(redis_url: str) -> str:
    """Name Redis as the only backend of `site`."""
    return redis_url


class TestKeys:
    """What is kept is bounded."""

    async def test_cleared_gateways(self, one: RedisProcess) -> None:
        """A cleared gateway is forgotten after a day."""
        await one.leases.release("g1")
        await one.leases.sweep(grace=0)
        yesterday = round((time.time() - 86_401) * 1000)
        for index in range(len(one.keys.tags)):
            await one.ask(one.keys.partition("roster.cleared", index), "ZADD", yesterday, "g1")

        await one.leases.sweep(grace=0)

        await one.leases.renew("g1", ttl=LONG)


class TestLostData:
    """Redis lost keys: in a failover, or because somebody deleted them."""

    async def test_in_one_partition(self, site: Deployment, one: RedisProcess) -> None:
        """A gateway whose lease was lost anywhere is told so, though it has joined there since."""
        await one.ask(one.keys.partition("roster.leases", one.keys.index(CHANNEL)), "DEL")
        await seated(site.roster, request(CHANNEL, "ann", socket_id="1.1"))

        assert not await site.leases.renew("g1", ttl=LONG)
        assert await site.leases.renew("g1", ttl=LONG)
