"""What only the Redis adapter of the tally can do wrong."""

import asyncio

import pytest

from libs.common.errors import Unavailable
from libs.common.leases.port import LeaseLost
from libs.common.leases.redis import SHARE
from libs.common.tally.port import Count, Outcome, Subject
from libs.common.tally.redis import PIECE
from tests.support.deadline import DEADLINE
from tests.support.fakes.tallies import counted, stand, subscriptions, total
from tests.support.ports.rosters import (
    CHANNEL,
    LONG,
    Deployment,
    Ear,
    RedisProcess,
    deployment,
    redis_process,
    request,
    seated,
    sweep_away,
)
from tests.support.servers import redis_cluster, redis_server
from tests.support.servers.redis.server import connect

ROOM = subscriptions(CHANNEL)
APP = Subject("app", "1")


@pytest.fixture
def roster_url(redis_url: str) -> str:
    """Name Redis as the only backend of `site`."""
    return redis_url


async def lose_data(redis_url: str, prefix: str) -> None:
    """Delete all keys of a deployment."""
    async with connect(redis_url) as client:
        names = [name async for name in client.scan_iter(f"{prefix}:*", count=1000)]
        await client.delete(*names)


class TestKeys:
    """What is kept is bounded by what there is."""

    @pytest.mark.parametrize("is_cleared", [False, True])
    async def test_nothing_left(
        self, one: RedisProcess, redis_url: str, prefix: str, *, is_cleared: bool
    ) -> None:
        """Of subjects that nobody has, nothing is kept, whether they were given up or cleared."""
        subjects = [ROOM, APP, *(Subject("user", "1", f"u{number}") for number in range(50))]
        await one.tally.report("g1", [Count(each, 1) for each in subjects])
        if not is_cleared:
            await one.tally.report("g1", [Count(each, 0) for each in subjects])
        await one.leases.release("g1")
        await sweep_away(one.leases, len(subjects) if is_cleared else 0)
        await one.leases.sweep(grace=0)

        async with connect(redis_url) as client:
            names = {name async for name in client.scan_iter(f"{prefix}:*", count=1000)}
        assert names == {
            one.keys.partition("roster.cleared", index) for index in range(len(one.keys.tags))
        }

    async def test_refused(self, one: RedisProcess, redis_url: str, prefix: str) -> None:
        """A gateway that gets nothing of a limit leaves nothing behind."""
        await stand(one.tally, "g1", ROOM, 1)
        async with connect(redis_url) as client:
            before = {name async for name in client.scan_iter(f"{prefix}:*", count=1000)}
            await stand(one.tally, "g2", ROOM, 1, limit=1)
            after = {name async for name in client.scan_iter(f"{prefix}:*", count=1000)}

        assert after == before

    async def test_prefixes(self, redis_url: str, prefix: str) -> None:
        """Two deployments on one Redis never meet."""
        async with (
            deployment(redis_url, f"{prefix}a") as ours,
            deployment(redis_url, f"{prefix}b") as theirs,
            theirs.ear(CHANNEL) as ear,
        ):
            await stand(ours.tally, "g1", ROOM, 3)

            assert await theirs.tally.totals([ROOM]) == [0]
            assert await theirs.tally.channels("1", prefix="", limit=10) == []
            assert await ear.counted() == []

    async def test_pieces(self, redis_url: str, prefix: str) -> None:
        """More channels of a partition than one reading returns are all named, once."""
        async with deployment(redis_url, prefix, partitions=1) as site:
            names = [f"room-{number:04}" for number in range(2 * PIECE + 1)]
            await site.tally.report("g1", [Count(Subject("channel", "1", n), 1) for n in names])

            found = await site.tally.channels("1", prefix="room-", limit=10 * PIECE)
            most = await site.tally.channels("1", prefix="room-", limit=PIECE + 1)

        assert found == names
        assert most == names[: PIECE + 1]


class TestLostData:
    """Redis lost keys: in a failover, or because somebody deleted them."""

    async def test_reported_again(
        self, site: Deployment, ear: Ear, redis_url: str, prefix: str
    ) -> None:
        """Gateways that report again what they have put the tally right."""
        counts = [Count(ROOM, 3, announced=True), Count(APP, 5)]
        await site.tally.report("g1", counts)
        await lose_data(redis_url, prefix)
        lost = await site.tally.totals([ROOM, APP])

        outcomes = await site.tally.report("g1", counts)

        assert lost == [0, 0]
        assert outcomes == [Outcome(3, 3), Outcome(5, 5)]
        assert await ear.counted() == counted(CHANNEL, 3, 3)
        assert await site.other_tally.channels("1", prefix="", limit=10) == [CHANNEL.name]

    async def test_dies_afterwards(self, site: Deployment, redis_url: str, prefix: str) -> None:
        """A gateway that reports again and dies before it renews its lease is cleared."""
        await lose_data(redis_url, prefix)
        await stand(site.tally, "g1", APP, 5)

        await sweep_away(site.other_leases, 1)

        assert await total(site.tally, APP) == 0

    @pytest.mark.parametrize("kind", ["tally.held:g1", "tally.channels:1"])
    async def test_beside_the_numbers(self, site: Deployment, one: RedisProcess, kind: str) -> None:
        """Also if only a part was lost, and the number is the one that was reported before."""
        await stand(site.tally, "g1", ROOM, 3)
        await one.ask(one.keys.partition(kind, one.keys.index(CHANNEL)), "DEL")

        await stand(site.tally, "g1", ROOM, 3)

        assert await site.tally.channels("1", prefix="", limit=10) == [CHANNEL.name]
        await site.leases.release("g1")
        await sweep_away(site.other_leases, 1)
        assert await total(site.tally, ROOM) == 0

    async def test_numbers(self, site: Deployment, one: RedisProcess) -> None:
        """What a dead gateway had of a subject that was lost does not keep a sweep from its end."""
        await stand(site.tally, "g1", ROOM, 3)
        await one.ask(one.keys.of("tally.channel", CHANNEL), "DEL")
        await site.leases.release("g1")

        for _ in range(3):
            await site.leases.sweep(grace=0)

        index = one.keys.index(CHANNEL)
        for kind in ("roster.lapsed", "tally.held:g1"):
            assert await one.ask(one.keys.partition(kind, index), "EXISTS") == 0
        assert await site.tally.channels("1", prefix="", limit=10) == []


class TestSweeps:
    """A sweep takes several steps, and may end after any of them."""

    async def test_judged(self, site: Deployment, one: RedisProcess, ear: Ear) -> None:
        """From the moment a gateway is refused it is not counted, and puts nothing in doubt."""
        await site.tally.report("g1", [Count(ROOM, 3), Count(APP, 3)])
        await site.tally.report("g2", [Count(ROOM, 1), Count(APP, 1)])
        await site.leases.release("g1")
        await one.judge()

        assert await site.tally.totals([ROOM, APP]) == [1, 1]
        assert await stand(site.other_tally, "g2", APP, 2, limit=2) == Outcome(2, 2)
        (refused,) = await site.tally.report("g1", [Count(ROOM, 4)])
        assert isinstance(refused, LeaseLost)
        await sweep_away(site.other_leases, 2)
        assert await ear.counted() == counted(CHANNEL, 1)
        assert await site.tally.totals([ROOM, APP]) == [1, 2]

    async def test_several_dead(self, site: Deployment, ear: Ear) -> None:
        """However many die at once, a total that is announced counts none of them."""
        for number in range(1, 6):
            await site.tally.report(f"g{number}", [Count(ROOM, number)])
        for number in range(2, 6):
            await site.leases.release(f"g{number}")

        await sweep_away(site.other_leases, 4)

        assert set(await ear.counted()) == set(counted(CHANNEL, 1))

    async def test_bounded(self, redis_url: str, prefix: str) -> None:
        """A call clears no more counts of a gateway and a partition than its share."""
        async with deployment(redis_url, prefix, partitions=1) as site:
            users = [Subject("user", "1", f"u{number}") for number in range(3 * SHARE)]
            await site.tally.report("g1", [Count(user, 1) for user in users])
            await site.leases.release("g1")

            cleared = [await site.leases.sweep(grace=0) for _ in range(4)]

        assert cleared == [SHARE, SHARE, SHARE, 0]

    async def test_seats_and_counts(self, site: Deployment, one: RedisProcess) -> None:
        """A gateway is settled only when it has neither seats nor counts."""
        seats = [request(CHANNEL, f"u{n}", socket_id=f"{n}.1") for n in range(SHARE + 1)]
        await seated(site.roster, *seats)
        await stand(site.tally, "g1", ROOM, 1)
        await site.leases.release("g1")
        lapsed = one.keys.partition("roster.lapsed", one.keys.index(CHANNEL))

        cleared, is_listed = [], []
        for _ in range(4):
            cleared.append(await site.other_leases.sweep(grace=0))
            is_listed.append(bool(await one.ask(lapsed, "EXISTS")))

        assert cleared == [SHARE + 1, 1, 0, 0]
        assert is_listed == [True, True, False, False]

    async def test_broken_off(self, redis_url: str, prefix: str) -> None:
        """Wherever a sweeper dies, the next one takes off what is left, and announces it once."""
        for ticks in range(0, 40, 4):
            async with deployment(redis_url, f"{prefix}.{ticks}") as site, site.ear(CHANNEL) as ear:
                await site.tally.report("dead", [Count(ROOM, 2), Count(APP, 2)])
                dying = asyncio.ensure_future(site.leases.sweep(grace=0))
                for _ in range(ticks):
                    await asyncio.sleep(0)
                dying.cancel()
                await asyncio.wait([dying])

                async with asyncio.timeout(DEADLINE):
                    while await site.tally.totals([ROOM, APP]) != [0, 0]:
                        await site.other_leases.sweep(grace=0)
                while await site.other_leases.sweep(grace=0):
                    pass

                assert await ear.counted() == counted(CHANNEL, 0)


class TestTrouble:
    """Redis is away, in whole or in part, or unwilling."""

    async def test_away(self, prefix: str) -> None:
        """Everything says so while Redis is away, and goes on when it is back."""
        async with redis_server() as server, redis_process(server.url, prefix) as one:
            await stand(one.tally, "g1", APP, 1)
            server.kill()

            answers: list[object] = [*await one.tally.report("g1", [Count(APP, 2), Count(ROOM, 1)])]
            answers += await asyncio.gather(
                one.tally.totals([APP]),
                one.tally.channels("1", prefix="", limit=10),
                return_exceptions=True,
            )
            await server.start()
            outcome = await stand(one.tally, "g1", APP, 2)

        assert [type(answer) for answer in answers] == [Unavailable] * 4
        assert outcome == Outcome(2, 2)

    async def test_node_away(self, prefix: str) -> None:
        """While one node of a cluster is away, what is counted on the others goes on."""
        users = [Subject("user", "1", f"u{number}") for number in range(60)]
        async with redis_cluster() as cluster, redis_process(cluster.url, prefix) as one:
            for node in cluster.nodes:
                async with connect(node.url) as client:
                    await client.config_set("cluster-require-full-coverage", "no")
            await one.tally.report("g1", [Count(user, 1) for user in users])
            cluster.nodes[0].kill()

            answers = await one.tally.report("g1", [Count(user, 2) for user in users])

            taken = [
                user
                for user, answer in zip(users, answers, strict=True)
                if not isinstance(answer, Unavailable)
            ]
            totals = await one.tally.totals(taken)
            with pytest.raises(Unavailable):
                await one.tally.totals(users)
            with pytest.raises(Unavailable):
                await one.tally.channels("1", prefix="", limit=10)

        assert 0 < len(taken) < len(users)
        assert totals == [2] * len(taken)

    async def test_no_memory(self, prefix: str) -> None:
        """Without memory left nothing is raised; what is given up and cleared is taken off."""
        async with redis_server() as server, redis_process(server.url, prefix) as one:
            await one.leases.renew("g1", ttl=LONG)
            await one.tally.report("g1", [Count(APP, 1), Count(ROOM, 2)])
            async with connect(server.url) as client:
                await client.config_set("maxmemory", "1")

                (raised,) = await one.tally.report("g1", [Count(APP, 2)])
                given_up = await stand(one.tally, "g1", ROOM, 0)
                totals = await one.tally.totals([APP, ROOM])
                await one.leases.release("g1")
                await sweep_away(one.leases, 1)
                left = await one.tally.totals([APP, ROOM])

        assert isinstance(raised, Unavailable)
        assert not isinstance(raised, LeaseLost)
        assert given_up == Outcome(0, 0)
        assert (totals, left) == ([1, 0], [0, 0])
