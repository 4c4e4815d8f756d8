"""Sweeps of the Redis leases, which take several steps and may end after any of them."""

import asyncio
import functools
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from libs.common.config.address import Url
from libs.common.leases.port import LeaseLost
from libs.common.leases.redis import SHARE
from libs.common.redis.connection import RedisConnection
from libs.common.redis.scripts import Call
from libs.common.roster.port import JoinRequest, Roster
from libs.common.roster.redis import CLEAR
from tests.support.deadline import DEADLINE
from tests.support.ports.rosters import (
    CHANNEL,
    LONG,
    SHORT,
    Deployment,
    RedisProcess,
    deployment,
    redis_process,
    request,
    seated,
    sweep_away,
)


@pytest.fixture
def roster_url(redis_url: str) -> str:
    """Name Redis as the only backend of `site`."""
    return redis_url


class Meddled(RedisConnection):
    """Lets something happen between a sweep's finding and its clearing, once."""

    meddle: Callable[[], Awaitable[object]]
    has_meddled = False

    async def ask_all(self, calls: Sequence[Call], *, shared: bool = False) -> list[Any]:
        if not self.has_meddled and any(call.script is CLEAR for call in calls):
            self.has_meddled = True
            await self.meddle()
        return await super().ask_all(calls, shared=shared)


async def come_back(roster: Roster, asked: JoinRequest, *, is_leaving: bool) -> None:
    """Join again, and leave again with a long grace."""
    await seated(roster, asked)
    if is_leaving:
        await roster.leave([asked.seat], grace=LONG)


class TestSweepers:
    """A sweep takes several steps, and may end after any of them."""

    async def test_continued(self, site: Deployment, one: RedisProcess) -> None:
        """Seats that a sweeper found and did not clear are cleared by the next."""
        await seated(
            site.roster, *(request(CHANNEL, f"u{n}", socket_id=f"{n}.1") for n in range(5))
        )
        await site.leases.release("g1")
        await one.judge()

        (answer,) = await site.roster.join([request(CHANNEL, "eve", socket_id="9.1")])
        await sweep_away(site.other_leases, 5)

        assert isinstance(answer, LeaseLost)
        assert (await site.roster.members([CHANNEL]))[0].infos == {}

    async def test_passed_on_in_between(self, site: Deployment, one: RedisProcess) -> None:
        """A seat that passes to another gateway after it was found due stays."""
        ann, bob = (request(CHANNEL, user, socket_id=f"{user}.1") for user in ("ann", "bob"))
        await seated(site.roster, ann, bob)
        await site.roster.leave([bob.seat], grace=SHORT)
        await site.leases.release("g1")
        await one.judge()

        for user in ("ann", "bob"):
            await seated(site.roster, request(CHANNEL, user, socket_id=f"{user}.1", gateway="g2"))
        await site.leases.renew("g2", ttl=LONG)

        assert await site.other_leases.sweep(grace=0) == 0
        assert (await site.roster.members([CHANNEL]))[0].infos.keys() == {"ann", "bob"}

    @pytest.mark.parametrize("is_leaving", [False, True])
    async def test_returned_in_between(
        self, redis_url: str, prefix: str, *, is_leaving: bool
    ) -> None:
        """A member that returns after its seat was found due stays, also if it leaves again."""
        ann = request(CHANNEL, "ann", socket_id="1.1")
        async with (
            redis_process(redis_url, prefix) as one,
            Meddled(Url(redis_url), "roster") as connection,
        ):
            sweeper = RedisProcess.on(connection, one.keys).leases
            connection.meddle = functools.partial(come_back, one.roster, ann, is_leaving=is_leaving)
            await one.leases.renew("g1", ttl=LONG)
            await seated(one.roster, ann)
            await one.roster.leave([ann.seat], grace=SHORT)
            cleared = 0
            async with asyncio.timeout(DEADLINE):
                while not connection.has_meddled:
                    cleared += await sweeper.sweep(grace=0)

            assert cleared == 0
            assert (await one.roster.members([CHANNEL]))[0].infos.keys() == {"ann"}

    async def test_broken_off(self, redis_url: str, prefix: str) -> None:
        """Wherever a sweeper dies, the next one announces what is left, once."""
        for ticks in range(0, 40, 2):
            async with deployment(redis_url, f"{prefix}.{ticks}") as site, site.ear(CHANNEL) as ear:
                await seated(
                    site.roster,
                    *(request(CHANNEL, f"u{n}", socket_id=f"{n}.1") for n in range(SHARE)),
                )
                await ear.heard()
                dying = asyncio.ensure_future(site.leases.sweep(grace=0))
                for _ in range(ticks):
                    await asyncio.sleep(0)
                dying.cancel()
                await asyncio.wait([dying])

                left: list[str] = []
                async with asyncio.timeout(DEADLINE):
                    while len(left) < SHARE:
                        await site.other_leases.sweep(grace=0)
                        left += [transition.user_id for transition in await ear.heard()]
                await site.other_leases.sweep(grace=0)
                left += [transition.user_id for transition in await ear.heard()]

            assert sorted(left) == sorted(f"u{n}" for n in range(SHARE))

    async def test_bounded(self, site: Deployment) -> None:
        """A call clears no more of a partition than its share."""
        channel = [request(CHANNEL, f"u{n}", socket_id=f"{n}.1") for n in range(3 * SHARE)]
        await seated(site.roster, *channel)
        await site.leases.release("g1")

        counts = [await site.leases.sweep(grace=0) for _ in range(4)]

        assert counts == [SHARE, SHARE, SHARE, 0]

    async def test_bounded_leaving(self, site: Deployment) -> None:
        """That holds for seats whose grace is over, too."""
        channel = [request(CHANNEL, f"u{n}", socket_id=f"{n}.1") for n in range(3 * SHARE)]
        await seated(site.roster, *channel)
        await site.roster.leave([asked.seat for asked in channel], grace=SHORT)

        counts: list[int] = []
        async with asyncio.timeout(DEADLINE):
            while sum(counts) < 3 * SHARE:
                counts.append(await site.leases.sweep(grace=0))

        assert max(counts) <= SHARE

    async def test_shortest_grace(self, site: Deployment) -> None:
        """A grace of less than the clock's grain is still a grace."""
        ann = request(CHANNEL, "ann", socket_id="1.1")
        await seated(site.roster, ann)

        await site.roster.leave([ann.seat], grace=0.0001)

        assert (await site.roster.members([CHANNEL]))[0].infos.keys() == {"ann"}

    async def test_joining_is_no_renewal(self, site: Deployment, one: RedisProcess) -> None:
        """A gateway whose lease lapsed does not prolong its grace by joining."""
        ann = request(CHANNEL, "ann", socket_id="1.1")
        await site.leases.release("g1")
        long_ago = round((time.time() - 2 * LONG) * 1000)
        lapsed = one.keys.partition("roster.lapsed", one.keys.index(CHANNEL))
        await one.ask(lapsed, "ZADD", long_ago, "g1")

        await seated(site.roster, ann)

        assert await site.leases.sweep(grace=LONG) == 1

    async def test_many_gateways(self, site: Deployment) -> None:
        """More dead gateways than one call handles are all cleared."""
        requests = [
            request(CHANNEL, "ann", socket_id=f"{n}.1", gateway=f"dead{n}")
            for n in range(2 * SHARE + 1)
        ]
        await seated(site.roster, *requests)

        cleared = 0
        async with asyncio.timeout(DEADLINE):
            while cleared < len(requests):
                cleared += await site.leases.sweep(grace=0)

        assert cleared == len(requests)
        assert (await site.roster.members([CHANNEL]))[0].infos == {}
