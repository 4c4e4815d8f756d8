"""What only the Redis adapter of the roster can do wrong."""

import asyncio
from collections.abc import Sequence

import pytest

from libs.common.channels import Channel
from libs.common.errors import Unavailable
from libs.common.leases.port import LeaseLost
from libs.common.leases.redis import SHARE
from libs.common.roster.port import Members
from tests.support.ports.rosters import (
    CHANNEL,
    LONG,
    Deployment,
    RedisProcess,
    deployment,
    redis_process,
    request,
    seated,
    sweep_away,
)
from tests.support.servers import redis_cluster, redis_server
from tests.support.servers.redis.server import connect


@pytest.fixture
def roster_url(redis_url: str) -> str:
    """Name Redis as the only backend of `site`."""
    return redis_url


class TestNames:
    """Two deployments on one Redis never meet."""

    async def test_prefixes(self, redis_url: str, prefix: str) -> None:
        """Neither members, nor transitions, nor leases of one are seen by the other."""
        async with (
            deployment(redis_url, f"{prefix}a") as ours,
            deployment(redis_url, f"{prefix}b") as theirs,
            theirs.ear(CHANNEL) as ear,
        ):
            await seated(ours.roster, request(CHANNEL, "ann", socket_id="1.1"))
            await theirs.leases.renew("g1", ttl=-1)
            cleared = await theirs.leases.sweep(grace=0)
            (members,) = await theirs.roster.members([CHANNEL])

            assert await ear.heard() == []
            assert members.infos == {}
            assert cleared == 0
            await seated(ours.roster, request(CHANNEL, "ann", socket_id="1.2"))


class TestKeys:
    """What is kept is bounded by who is there."""

    async def test_empty_channel(self, one: RedisProcess, prefix: str, redis_url: str) -> None:
        """Of an empty channel the version stays, and for a while only."""
        ann = request(CHANNEL, "ann", socket_id="1.1")
        await seated(one.roster, ann)
        await one.roster.leave([ann.seat], grace=0)
        await one.leases.release("g1")
        await one.leases.sweep(grace=0)

        async with connect(redis_url) as client:
            names = {name async for name in client.scan_iter(f"{prefix}:*", count=1000)}
        version = one.keys.of("roster.version", CHANNEL)
        cleared = {
            one.keys.partition("roster.cleared", index) for index in range(len(one.keys.tags))
        }
        assert names == {version, *cleared}
        assert 0 < await one.ask(version, "TTL") <= 3600

    async def test_used_again(self, one: RedisProcess) -> None:
        """The version of a channel with members does not expire."""
        for socket_id in ("1.1", "1.2"):
            ann = request(CHANNEL, "ann", socket_id=socket_id)
            await seated(one.roster, ann)
            ttl = await one.ask(one.keys.of("roster.version", CHANNEL), "TTL")
            await one.roster.leave([ann.seat], grace=0)

            assert ttl == -1


class TestLostData:
    """Redis lost keys: in a failover, or because somebody deleted them."""

    @pytest.mark.parametrize("kinds", [["version"], ["version", "seats", "counts", "infos"]])
    async def test_version_is_higher(
        self, site: Deployment, one: RedisProcess, kinds: Sequence[str]
    ) -> None:
        """The next version is above all that were given, so that no mirror takes it for old."""
        ann, bob = (request(CHANNEL, user, socket_id=f"{user}.1") for user in ("ann", "bob"))
        versions = []
        async with site.ear(CHANNEL) as ear:
            for _ in range(30):
                await seated(site.roster, bob)
                await site.roster.leave([bob.seat], grace=0)
            (before,) = await seated(site.roster, ann)
            for kind in kinds:
                await one.ask(one.keys.of(f"roster.{kind}", CHANNEL), "DEL")
            versions.append((await site.roster.members([CHANNEL]))[0].version)
            await seated(site.roster, ann, bob)
            await ear.heard()
            await site.roster.leave([ann.seat], grace=0)
            versions += [transition.version for transition in await ear.heard()]

        assert versions == sorted(versions)
        assert versions[0] > before.version

    async def test_joining_again(self, site: Deployment, one: RedisProcess) -> None:
        """Gateways that join again with what they have put the roster right."""
        requests = [request(CHANNEL, f"u{n}", socket_id=f"{n}.1") for n in range(10)]
        await seated(site.roster, *requests)
        for kind in ("seats", "counts", "infos", "version"):
            await one.ask(one.keys.of(f"roster.{kind}", CHANNEL), "DEL")

        members = await seated(site.roster, *requests)
        await site.roster.leave([asked.seat for asked in requests[1:]], grace=0)

        assert len(members[0].infos) == 10
        assert (await site.roster.members([CHANNEL]))[0].infos.keys() == {"u0"}

    async def test_seats_without_a_channel(self, site: Deployment, one: RedisProcess) -> None:
        """A dead gateway's seats in a channel that was lost do not keep a sweep from its end."""
        requests = [request(CHANNEL, f"u{n}", socket_id=f"{n}.1") for n in range(SHARE + 1)]
        other = request(Channel("1", "presence-hall"), "ann", socket_id="1.1")
        await seated(site.roster, *requests, other)
        await one.ask(one.keys.of("roster.seats", CHANNEL), "DEL")
        await site.leases.release("g1")

        await sweep_away(site.leases, 1)
        for _ in range(3):
            await site.leases.sweep(grace=0)

        index = one.keys.index(CHANNEL)
        for kind in ("lapsed", "held:g1"):
            assert await one.ask(one.keys.partition(f"roster.{kind}", index), "EXISTS") == 0


class TestTrouble:
    """Redis is away, in whole or in part, or unwilling."""

    async def test_away(self, prefix: str) -> None:
        """Everything says so while Redis is away, and goes on when it is back."""
        async with redis_server() as server, redis_process(server.url, prefix) as one:
            roster, leases = one.roster, one.leases
            ann = request(CHANNEL, "ann", socket_id="1.1")
            await seated(roster, ann)
            server.kill()

            answers: list[object] = [*await roster.join([ann, ann])]
            calls = [
                roster.leave([ann.seat], grace=0),
                roster.members([CHANNEL]),
                leases.renew("g1", ttl=1),
                leases.release("g1"),
                leases.sweep(grace=0),
            ]
            answers += await asyncio.gather(*calls, return_exceptions=True)
            await server.start()
            (members,) = await seated(roster, request(CHANNEL, "bob", socket_id="1.2"))

        assert all(isinstance(answer, Unavailable) for answer in answers)
        assert not any(isinstance(answer, LeaseLost) for answer in answers)
        assert {answer.backend for answer in answers if isinstance(answer, Unavailable)} == {
            "roster"
        }
        assert members.infos.keys() == {"ann", "bob"}

    async def test_no_memory(self, prefix: str) -> None:
        """Without memory left nobody joins, not even by half; leases hold and members leave."""
        async with redis_server() as server, redis_process(server.url, prefix) as one:
            roster, leases = one.roster, one.leases
            ann, bob = (request(CHANNEL, user, socket_id=f"{user}.1") for user in ("ann", "bob"))
            await leases.renew("g1", ttl=LONG)
            await seated(roster, ann, request(CHANNEL, "eve", socket_id="eve.1"))
            async with connect(server.url) as client:
                await client.config_set("maxmemory", "1")

                (refused,) = await roster.join([bob])
                await leases.renew("g1", ttl=LONG)
                await roster.leave([ann.seat], grace=0)
                (members,) = await roster.members([CHANNEL])
                await leases.release("g1")
                await sweep_away(leases, 1)
                seats = await client.exists(one.keys.of("roster.seats", CHANNEL))

        assert isinstance(refused, Unavailable)
        assert members.infos.keys() == {"eve"}
        assert seats == 0

    async def test_part_of_a_cluster(self, prefix: str) -> None:
        """Where one master is away, channels of the others are served, and swept."""
        async with redis_cluster() as cluster, redis_process(cluster.url, prefix) as one:
            for node in cluster.nodes:
                async with connect(node.url) as client:
                    await client.config_set("cluster-require-full-coverage", "no")
            channels = [Channel("1", f"presence-{n}") for n in range(30)]
            requests = [request(channel, "ann", socket_id="1.1") for channel in channels]
            await seated(one.roster, *requests)
            cluster.nodes[0].kill()

            answers = await one.roster.join(requests)
            with pytest.raises(Unavailable):
                await one.leases.renew("g1", ttl=-1)
            with pytest.raises(Unavailable):
                await one.leases.sweep(grace=0)
            served = [
                asked.seat.channel
                for asked, answer in zip(requests, answers, strict=True)
                if isinstance(answer, Members)
            ]
            readings = await one.roster.members(served)

        assert 0 < len(served) < len(requests)
        assert all(not members.infos for members in readings)
