"""What only the Redis adapter of the typists can do wrong."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from libs.common.channels import Channel
from libs.common.errors import Unavailable
from libs.common.leases.redis import SHARE, forgets
from libs.common.redis.connection import raise_first
from libs.common.typists.port import Typing, Typists
from libs.common.typists.redis import RedisTypists
from tests.support.deadline import DEADLINE
from tests.support.ports.rosters import LONG, request, seated
from tests.support.ports.typists import (
    BOUNDS,
    CHANNELS,
    CHAT,
    ENDED_FOR,
    LASTS,
    PAUSE,
    ROOM,
    TOLD_FOR,
    RedisTypingWorld,
    TypingWorld,
    says,
    stops,
    told,
    typing_in,
    typing_world,
)
from tests.support.servers import redis_cluster, redis_server
from tests.support.servers.redis.server import connect


@pytest.fixture
def roster_url(redis_url: str) -> str:
    """Name Redis as the only backend of `world`."""
    return redis_url


async def names(redis_url: str, prefix: str) -> set[str]:
    """Return the kinds of keys that are kept of typists."""
    async with connect(redis_url) as client:
        keys = [key async for key in client.scan_iter(f"{prefix}:*:typists.*", count=1000)]
    return {key.split("}:")[1].partition(":")[0] for key in keys}


def _calls(stats: Mapping[str, Any], command: str) -> int:
    return int(stats.get(f"cmdstat_{command}", {}).get("calls", 0))


class TestKeys:
    """What is kept is bounded by what there is."""

    async def test_nothing_left(
        self, world: TypingWorld, typists: Typists, redis_url: str, prefix: str
    ) -> None:
        """Where nobody types, what was told is all that is kept, and that not for ever."""
        for source in ("g1", "g2"):
            await typists.report([says("ann", source=source, channel=each) for each in CHANNELS])
        await world.age(PAUSE)
        await typists.report([stops("ann", everywhere=True), stops("ann", channel=ROOM)])
        await world.age(LASTS)
        await world.processes[1].leases.sweep(grace=LONG)
        before = await names(redis_url, prefix)
        await world.age(TOLD_FOR)

        assert before == {"typists.told", "typists.ended"}
        assert await names(redis_url, prefix) == set()

    async def test_strangers(
        self, world: TypingWorld, typists: Typists, redis_url: str, prefix: str
    ) -> None:
        """That somebody stops who did not type is known for a moment, and told to nobody."""
        await typists.report([stops("ann"), stops("bob", channel=ROOM, everywhere=True)])
        before = await names(redis_url, prefix)
        await world.age(ENDED_FOR)

        assert before == {"typists.ended"}
        assert await names(redis_url, prefix) == set()
        assert await world.ear.typed() == []

    async def test_many_ends(self, world: TypingWorld, typists: Typists, redis_url: str) -> None:
        """However many ends a script brings, the channel's typists are looked at once."""
        async with connect(redis_url) as client:
            await typists.report([says("ann"), says("bob")])
            before = await client.info("commandstats")
            await typists.report([stops(f"u{at}", everywhere=True) for at in range(200)])
            after = await client.info("commandstats")

        assert _calls(after, "zrange") - _calls(before, "zrange") <= 1
        assert (await typing_in(world)).count == 2

    async def test_prefixes(self, redis_url: str, prefix: str) -> None:
        """Two deployments on one Redis never meet."""
        async with (
            typing_world(redis_url, f"{prefix}a") as ours,
            typing_world(redis_url, f"{prefix}b") as theirs,
        ):
            await ours.processes[0].typists.report([says("ann")])

            assert await typing_in(theirs) == Typing()
            assert await theirs.ear.typed() == []


class TestLostData:
    """Redis lost keys: in a failover, or because somebody deleted them."""

    async def test_all(self, world: TypingWorld, typists: Typists) -> None:
        """What is said again is true again, and told."""
        await typists.report([says("ann")])
        await world.lose("typists.sources", "typists.told", "typists.due")
        lost = await typing_in(world)

        await typists.report([says("ann")])

        assert lost == Typing()
        assert await world.ear.typed() == [told("ann"), told("ann")]

    async def test_sources(self, world: TypingWorld, typists: Typists) -> None:
        """Who is not known any more is told to have stopped."""
        await typists.report([says("ann")])
        await world.lose("typists.sources")
        await world.age(LASTS)
        await world.processes[1].leases.sweep(grace=LONG)

        assert await world.ear.typed() == [told("ann"), told()]

    async def test_told(self, world: TypingWorld, typists: Typists) -> None:
        """Where it is not known what was told, the end is told all the same."""
        await typists.report([says("ann")])
        await world.lose("typists.told")
        await world.age(LASTS)
        await world.processes[1].leases.sweep(grace=LONG)

        assert await world.ear.typed() == [told("ann"), told()]

    async def test_due(self, world: TypingWorld, typists: Typists) -> None:
        """A channel at which no sweep looks any more is looked at after the next change."""
        await typists.report([says("ann")])
        await world.lose("typists.due")
        await world.age(PAUSE)
        await typists.report([says("bob")])
        await world.age(LASTS)
        await world.processes[1].leases.sweep(grace=LONG)

        assert await world.ear.typed() == [told("ann"), told("ann", "bob"), told()]


class TestSweeps:
    """Any number may sweep at once, and one may end half-way."""

    async def test_bounded(self, redis_url: str, prefix: str) -> None:
        """A call looks at no more channels than its share, and asks to be called again."""
        rooms = [Channel("1", f"private-{number}") for number in range(2 * SHARE)]
        async with typing_world(redis_url, prefix, partitions=1) as world:
            typists, leases = world.processes[0].typists, world.processes[1].leases
            await typists.report([says("ann", channel=room) for room in rooms])
            await world.age(LASTS, rooms)

            swept = [await leases.sweep(grace=LONG) for _ in range(3)]
            found = await typists.typing(rooms)

        assert swept == [SHARE, SHARE, 0]
        assert {each.count for each in found} == {0}

    async def test_at_once(self, world: TypingWorld, typists: Typists) -> None:
        """Each list is announced once, however many sweep."""
        for channel in CHANNELS:
            await typists.report([says("ann", channel=channel)])
        await world.ear.typed()
        await world.age(LASTS)

        await asyncio.gather(
            *(each.leases.sweep(grace=LONG) for each in (*world.processes, *world.processes))
        )

        heard = await world.ear.typed()
        assert sorted(one.channel for one in heard) == sorted(CHANNELS)

    async def test_looked_at_before(self, redis_url: str, prefix: str) -> None:
        """Where another one has looked meanwhile nothing is left to be done, now or later."""
        async with typing_world(redis_url, prefix) as world:
            assert isinstance(world, RedisTypingWorld)
            typists = RedisTypists(world.connection, world.keys, BOUNDS)
            await typists.report([says("ann")])
            await world.age(LASTS)

            name = f"{CHAT.app}/{CHAT.name}".encode()
            raise_first(
                await world.connection.ask_all(typists.end([name, name], forgets("ZREM", "none")))
            )

            assert await world.ear.typed() == [told("ann"), told()]
            assert await names(redis_url, prefix) == {"typists.told"}

    async def test_with_seats(self, world: TypingWorld, typists: Typists) -> None:
        """Seats whose grace is over are cleared in the same sweep, and are all that is counted."""
        one = world.processes[0]
        await one.leases.renew("g1", ttl=LONG)
        sitting = request(ROOM, "ann", socket_id="1.1")
        await seated(one.roster, sitting)
        await typists.report([says("ann", channel=ROOM)])
        await world.age(LASTS)
        await one.roster.leave([sitting.seat], grace=0.001)
        swept = 0
        async with asyncio.timeout(DEADLINE):
            while not swept:
                swept = await one.leases.sweep(grace=LONG)

        assert swept == 1
        assert await one.roster.sizes([ROOM]) == [0]
        assert await world.ear.typed() == [told("ann", channel=ROOM), told(channel=ROOM)]

    async def test_broken_off(self, redis_url: str, prefix: str) -> None:
        """Wherever a sweeper dies, the next one tells what is left, once."""
        for ticks in range(0, 24, 4):
            async with typing_world(redis_url, f"{prefix}.{ticks}") as world:
                await world.processes[0].typists.report([says("ann")])
                await world.age(LASTS)
                dying = asyncio.ensure_future(world.processes[0].leases.sweep(grace=LONG))
                for _ in range(ticks):
                    await asyncio.sleep(0)
                dying.cancel()
                await asyncio.wait([dying])

                await world.processes[1].leases.sweep(grace=LONG)

                assert await world.ear.typed() == [told("ann"), told()]


class TestTrouble:
    """Redis is away, in whole or in part, or unwilling."""

    async def test_away(self, prefix: str) -> None:
        """Everything says so while Redis is away, and goes on when it is back."""
        async with redis_server() as server, typing_world(server.url, prefix) as world:
            typists = world.processes[0].typists
            await typists.report([says("ann")])
            server.kill()

            answers = await asyncio.gather(
                typists.report([says("ann")]),
                typists.typing([CHAT]),
                typists.check(),
                return_exceptions=True,
            )
            await server.start()
            taken = await typists.report([says("ann")])
            await typists.check()

        assert [type(answer) for answer in answers] == [Unavailable] * 3
        assert taken == [True]

    async def test_node_away(self, prefix: str) -> None:
        """While one node of a cluster is away, channels on the others go on."""
        rooms = [Channel("1", f"private-{number}") for number in range(60)]
        async with redis_cluster() as cluster, typing_world(cluster.url, prefix) as world:
            typists = world.processes[0].typists
            for node in cluster.nodes:
                async with connect(node.url) as client:
                    await client.config_set("cluster-require-full-coverage", "no")
            await typists.report([says("ann", channel=room) for room in rooms])
            cluster.nodes[0].kill()

            with pytest.raises(Unavailable):
                await typists.report([says("bob", channel=room) for room in rooms])
            with pytest.raises(Unavailable):
                await typists.typing(rooms)
            there = []
            for room in rooms:
                try:
                    there += await typists.typing([room])
                except Unavailable:
                    continue

        assert 0 < len(there) < len(rooms)
        assert {one.user_ids for one in there} == {("ann", "bob")}

    async def test_no_memory(self, prefix: str) -> None:
        """Without memory left nobody begins, or has sent; who stops, or is over, is told to have."""
        async with redis_server() as server, typing_world(server.url, prefix) as world:
            typists = world.processes[0].typists
            await typists.report([says("ann"), says("bob")])
            await world.age(PAUSE)
            async with connect(server.url) as client:
                await client.config_set("maxmemory", "1")

                with pytest.raises(Unavailable):
                    await typists.report([says("cid")])
                with pytest.raises(Unavailable):
                    await typists.report([stops("ann", everywhere=True)])
                stopped = await typists.report([stops("ann")])
                heard = await world.ear.typed()
                await client.config_set("maxmemory", "0")
                await world.age(LASTS)
                await client.config_set("maxmemory", "1")
                await world.processes[1].leases.sweep(grace=LONG)
                over = await world.ear.typed()

        assert stopped == [True]
        assert heard == [told("ann", "bob"), told("bob")]
        assert over == [told()]
