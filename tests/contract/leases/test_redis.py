"""What only the Redis adapter of the leases can do wrong.  Its sweeps are in `test_sweeps`."""

import time

import pytest
from structlog.testing import capture_logs

from libs.common.config.address import Url
from libs.common.errors import Unavailable
from libs.common.redis.connection import RedisConnection
from libs.common.redis.keys import Keys
from tests.support.ports.rosters import CHANNEL, LONG, Deployment, RedisProcess, request, seated
from tests.support.servers.ports import free_port


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


class TestApart:
    """Leases on another thread's event loop have a connection of their own."""

    async def test_away(self) -> None:
        """Where Redis is away for it, that is an error as any other, and no second line in the log."""
        url = Url(f"redis://127.0.0.1:{free_port()}")
        with capture_logs() as logs:
            async with RedisConnection(url, "test/apart") as connection:
                process = RedisProcess.on(connection, Keys("apart"))
                async with process.leases.apart() as apart:
                    with pytest.raises(Unavailable):
                        await apart.prolong("g1", ttl=LONG)

                assert logs == []
                with pytest.raises(Unavailable):
                    await process.leases.prolong("g1", ttl=LONG)

        assert [line["event"] for line in logs] == ["backend.lost"]


class TestLostData:
    """Redis lost keys: in a failover, or because somebody deleted them."""

    async def test_in_one_partition(self, site: Deployment, one: RedisProcess) -> None:
        """A gateway whose lease was lost anywhere is told so, though it has joined there since."""
        await one.ask(one.keys.partition("roster.leases", one.keys.index(CHANNEL)), "DEL")
        await seated(site.roster, request(CHANNEL, "ann", socket_id="1.1"))

        assert not await site.leases.renew("g1", ttl=LONG)
        assert await site.leases.renew("g1", ttl=LONG)
