"""What strangers and tenants can make Redis keep while it has no memory left: nothing that grows."""

from collections.abc import AsyncIterator

import pytest
import redis.asyncio

from libs.common.channels import Channel
from libs.common.errors import Unavailable
from libs.common.lifecycle.facts import Kind
from libs.common.lifecycle.redis import RedisLifecycle
from libs.common.roster.port import JoinRequest
from libs.common.tally.port import Count
from tests.support.fakes.tallies import subscriptions
from tests.support.ports.rosters import LONG, RedisProcess, redis_process, request, seated
from tests.support.servers import redis_server
from tests.support.servers.redis.server import connect

MANY = 300
ROOMS = [Channel("1", f"presence-{number}-{'x' * 100}") for number in range(MANY)]
OTHERS = [Channel("1", f"news-{number}-{'x' * 100}") for number in range(MANY)]
A_BIT = 64 * 1024  # Bytes that Redis takes and gives back by itself.

Place = tuple[RedisProcess, redis.asyncio.Redis]


def everything(_app: str, _kind: Kind, /) -> bool:
    return True


@pytest.fixture
async def full(prefix: str) -> AsyncIterator[Place]:
    """Yield a process that records all facts, and its Redis, which is full of members and counts."""
    async with (
        redis_server(durable=False) as server,
        redis_process(server.url, prefix, everything) as one,
        connect(server.url) as client,
    ):
        await one.leases.renew("g1", ttl=LONG)
        await seated(one.roster, *map(join, ROOMS))
        await one.tally.report("g1", [Count(subscriptions(each), 1) for each in OTHERS])
        await client.config_set("maxmemory", "1")
        yield one, client


def join(channel: Channel) -> JoinRequest:
    return request(channel, "ann", socket_id="1.1")


async def used(client: redis.asyncio.Redis) -> int:
    """Tell how many bytes Redis has in use."""
    told = await client.info("memory")
    return int(told["used_memory"])


class TestGoing:
    """Who goes is told to have gone."""

    async def test_takes_less_than_it_frees(self, full: Place) -> None:
        """The facts of members and subscriptions that go take less than these took."""
        one, client = full
        before = await used(client)

        await one.roster.leave([join(each).seat for each in ROOMS], grace=0)
        await one.tally.report("g1", [Count(subscriptions(each), 0) for each in OTHERS])

        heads = await RedisLifecycle(one.connection, one.keys).heads(range(len(one.keys.tags)))
        assert await used(client) < before
        assert sum(heads.values()) == 4 * MANY

    async def test_nobody(self, full: Place) -> None:
        """Who is not there can go, come, and be counted however often: nothing is kept of it."""
        one, client = full
        strangers = [Channel("1", f"presence-other-{number}") for number in range(MANY)]

        async def come_and_go() -> None:
            answers = await one.roster.join([join(each) for each in strangers])
            for grace in (0, LONG):
                await one.roster.leave([join(each).seat for each in strangers], grace=grace)
            raised = await one.tally.report("g1", [Count(subscriptions(e), 1) for e in strangers])
            await one.tally.report("g1", [Count(subscriptions(each), 0) for each in strangers])
            assert all(isinstance(each, Unavailable) for each in [*answers, *raised])

        keys = await client.dbsize()
        await come_and_go()  # Scripts, too, are kept.
        before = await used(client)
        for _ in range(3):
            await come_and_go()

        assert await client.dbsize() == keys
        assert await used(client) <= before + A_BIT
