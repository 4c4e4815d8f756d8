"""What only a Redis Cluster can do wrong to `bus.redis`: slots that move, nodes that fail."""

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest

from libs.common.channels import Channel
from libs.common.errors import Unavailable
from libs.common.redis.keys import PARTITIONS, Keys, slot
from tests.support.ports.buses import (
    becomes_available,
    event,
    heard,
    heard_until_interrupted,
    heard_up_to,
    kept,
    positions,
    processes,
    texts,
)
from tests.support.servers import Server, redis_cluster
from tests.support.servers.redis.cluster import RedisCluster
from tests.support.servers.redis.server import connect
from tests.support.servers.redis.slots import Move, owner_index, tell

CHANNEL = Channel("1", "private-company.7")


@pytest.fixture
async def cluster() -> AsyncIterator[RedisCluster]:
    """Yield a cluster of the test's own."""
    async with redis_cluster() as started:
        yield started


def keys_of(keys: Keys, channel: Channel) -> tuple[str, str]:
    return keys.of("meta", channel), keys.of("history", channel)


def origin_of(keys: Keys, channel: Channel) -> str:
    return keys.partition("origin", keys.index(channel))


def namesakes(keys: Keys, channel: Channel, count: int) -> list[Channel]:
    """Find channels of the same partition."""
    found = (Channel("1", f"namesake-{number}") for number in range(100_000))
    same = (other for other in found if keys.index(other) == keys.index(channel))
    return [next(same) for _ in range(count)]


async def subscribed(cluster: RedisCluster) -> list[Server]:
    """Name the nodes that have subscribers."""
    found = []
    for node in cluster.nodes:
        async with connect(node.url) as client:
            if await client.client_list(_type="pubsub"):
                found.append(node)
    return found


async def test_spread(redis_cluster_url: str, prefix: str) -> None:
    """One call may publish to channels of all nodes; each channel keeps its order."""
    channels = [Channel("1", f"spread-{number}") for number in range(60)]
    keys = Keys(prefix)
    call = [event(channels[n % 60], str(n), ("k", n, 5.0)) for n in range(600)]
    async with (
        processes(redis_cluster_url, prefix, count=1) as (bus,),
        bus.listen() as listener,
    ):
        await listener.follow(channels)
        await bus.publish(call)
        deliveries = await heard(listener, 600)

        assert {owner_index(slot(keys.of("meta", channel))) for channel in channels} == {0, 1, 2}
        for number, channel in enumerate(channels):
            assert texts(deliveries, channel) == [str(n) for n in range(number, 600, 60)]
            assert await kept(bus, channel) == texts(deliveries, channel)


async def test_slot_moves(cluster: RedisCluster, prefix: str) -> None:
    """
    While a slot moves to another node, nothing is lost, doubled or moved in the history.

    What the former node published may reach listeners after what the new one did; they then skip it, so that
    offsets still rise.  A channel whose keys are not all on one side, new ones among them, is `Unavailable`
    meanwhile: Redis Cluster performs commands with several keys only where all of them are.

    What the channels of a slot share, their origin, comes last here; living channels do not need it.
    """
    keys = Keys(prefix)
    halfway, fresh = namesakes(keys, CHANNEL, 2)
    number = slot(keys.of("meta", CHANNEL))
    source = cluster.nodes[owner_index(number)]
    move = Move(number, source, next(node for node in cluster.nodes if node is not source))
    rest = [event(halfway, str(n), ("k", n, 5.0)) for n in range(1, 4)]
    async with processes(cluster.url, prefix, count=1) as (bus,), bus.listen() as listener:
        await listener.follow([CHANNEL, halfway])
        await bus.publish([event(CHANNEL, "before"), event(halfway, "0", ("k", 0, 5.0))])
        await move.begin()
        await bus.publish([event(CHANNEL, "at the source")])
        await move.carry(*keys_of(keys, CHANNEL), keys.of("meta", halfway))
        await bus.publish([event(CHANNEL, "asked"), event(CHANNEL, "asked again")])
        for call in ([event(fresh, "new")], rest):
            with pytest.raises(Unavailable):
                await bus.publish(call)
        await move.carry(keys.of("history", halfway))
        await bus.publish(rest)
        assert (await bus.tops([halfway]))[halfway].offset == 4
        await move.carry(origin_of(keys, CHANNEL))
        await move.finish()
        await bus.publish([event(CHANNEL, "moved"), event(CHANNEL, "still moved")])
        (last, *_) = await bus.publish(
            [event(CHANNEL, "settled"), event(halfway, "settled"), event(fresh, "x")]
        )
        deliveries = await heard_up_to(listener, CHANNEL, last.offset)

        assert await kept(bus, CHANNEL) == [
            "before", "at the source", "asked", "asked again", "moved", "still moved", "settled"
        ]  # fmt: skip
        assert await kept(bus, halfway) == ["0", "1", "2", "3", "settled"]
        assert await kept(bus, fresh) == ["x"]
        offsets = [position.offset for position in positions(deliveries, CHANNEL)]
        assert offsets == sorted(set(offsets))


async def test_origins(redis_cluster_url: str, prefix: str) -> None:
    """Channels without entries have as many origins as there are partitions, over all nodes."""
    channels = [Channel("1", f"origins-{number}") for number in range(600)]
    async with (
        processes(redis_cluster_url, prefix, count=2) as (one, two),
        one.listen() as listener,
    ):
        followed = await listener.follow(channels)
        tops = await two.tops(channels)
        lives = await two.publish([event(channel, "x") for channel in channels])

    assert followed == tops
    assert len(set(tops.values())) == PARTITIONS
    assert all(tops[at].leads_to(life.epoch) for at, life in zip(channels, lives, strict=True))


async def test_further_keys_while_a_slot_moves(cluster: RedisCluster, prefix: str) -> None:
    """
    Tokens and what cache channels keep move with their slot, and stay in force.

    What needs a key that is on neither side yet is `Unavailable` meanwhile; repeated later, it is applied once.
    """
    keys, channel = Keys(prefix), Channel("1", "private-cache-company.7")
    number = slot(keys.of("meta", channel))
    source = cluster.nodes[owner_index(number)]
    move = Move(number, source, next(node for node in cluster.nodes if node is not source))
    known, fresh = event(channel, "known", token="t/0"), event(channel, "fresh", token="t/1")
    async with processes(cluster.url, prefix, count=1) as (bus,), connect(source.url) as client:
        await bus.publish([known])
        await move.begin()
        await move.carry(*[key async for key in client.scan_iter(f"{prefix}:*{channel.name}*")])
        await bus.publish([known, event(channel, "plain")])
        with pytest.raises(Unavailable):
            await bus.publish([known, fresh])
        last = (await bus.last([channel]))[channel]
        await move.carry(origin_of(keys, channel))
        await move.finish()
        for _ in range(2):
            await bus.publish([known, fresh])

        assert last is not None
        assert last.entry.broadcast.frame == b"plain"
        assert await kept(bus, channel) == ["known", "plain", "fresh"]


async def test_seeds(redis_cluster_url: str, redis_url: str, prefix: str) -> None:
    """Any node that answers will do, under whatever name; without one the bus is `Unavailable`."""
    _, _, hosts = redis_cluster_url.partition("://")
    _, _, stranger = redis_url.partition("://")
    alias = hosts.partition(",")[0].replace("127.0.0.1", "localhost")
    stranger = stranger.partition("/")[0]
    async with (
        processes(f"redis+cluster://127.0.0.1:1,{stranger},{alias}", prefix, count=1) as (bus,),
        bus.listen() as listener,
    ):
        await listener.follow([CHANNEL])
        await bus.publish([event(CHANNEL, "a")])
        assert texts(await heard(listener, 1)) == ["a"]
    for useless in ("127.0.0.1:1", stranger):
        async with processes(f"redis+cluster://{useless}", prefix, count=1) as (bus,):
            with pytest.raises(Unavailable):
                await bus.publish([event(CHANNEL, "a")])


async def test_slot_without_node(cluster: RedisCluster, prefix: str) -> None:
    """While no node has a slot its channels are `Unavailable`, for who knew it and who did not."""
    number = slot(Keys(prefix).of("meta", CHANNEL))
    owner = cluster.nodes[owner_index(number)]
    only_owner = f"redis+cluster://{urlsplit(owner.url).netloc}"
    async with (
        processes(cluster.url, prefix, count=1) as (one,),
        processes(only_owner, prefix, count=1) as (two,),
    ):
        await one.publish([event(CHANNEL, "a")])
        await tell(owner, "CLUSTER", "DELSLOTS", number)
        for bus in (one, two):
            with pytest.raises(Unavailable):
                await bus.publish([event(CHANNEL, "lost")])
        await tell(owner, "CLUSTER", "ADDSLOTS", number)
        for bus in (one, two):
            await becomes_available(bus, [CHANNEL])
        await two.publish([event(CHANNEL, "b")])

        assert (await kept(one, CHANNEL))[-1] == "b"


async def test_node_fails(cluster: RedisCluster, prefix: str) -> None:
    """A listener whose node fails goes to another; only what the node had is `Unavailable` until it is back."""
    keys = Keys(prefix)
    channels = [Channel("1", f"fails-{number}") for number in range(30)]
    async with processes(cluster.url, prefix, count=1) as (bus,), bus.listen() as listener:
        await listener.follow(channels)
        call = [event(channel, channel.name, ("k", 1, 5.0)) for channel in channels]
        await bus.publish(call)
        await heard(listener, 30)
        (node,) = await subscribed(cluster)
        index = cluster.nodes.index(node)
        away = [c for c in channels if owner_index(slot(keys.of("meta", c))) == index]
        node.kill()
        await heard_until_interrupted(listener)
        for read in (bus.tops, bus.last):
            with pytest.raises(Unavailable):
                await read(away)
        reachable = set(channels) - set(away)
        assert set(await bus.tops(channels)) == reachable
        assert set(await bus.last(channels)) == reachable
        assert set(await listener.follow(channels)) == reachable
        await node.start()
        await cluster.wait_until_ready()
        await becomes_available(bus, channels)
        await bus.publish(call)
        await bus.publish([event(channel, "back") for channel in channels])
        deliveries = await heard(listener, 30)

        assert texts(deliveries) == ["back"] * 30
        for channel in channels:
            assert await kept(bus, channel) == [channel.name, "back"]


async def test_node_hangs(cluster: RedisCluster, prefix: str) -> None:
    """Who publishes to a node that does not answer keeps nobody from another one."""
    keys = Keys(prefix)
    channels = [Channel("1", f"hangs-{number}") for number in range(30)]
    hanging = [c for c in channels if owner_index(slot(keys.of("meta", c))) == 0]
    others = [channel for channel in channels if channel not in hanging]
    async with processes(cluster.url, prefix, count=1) as (bus,):
        await bus.publish([event(channel, "first") for channel in channels])
        cluster.nodes[0].pause()
        try:
            waiting = [asyncio.create_task(bus.publish([event(c, "late")])) for c in hanging * 2]
            answered = await asyncio.gather(*(bus.publish([event(c, "second")]) for c in others))
            assert not any(call.done() for call in waiting)
        finally:
            cluster.nodes[0].resume()
        late = await asyncio.gather(*waiting)

        assert [position.offset for (position,) in answered] == [2] * len(others)
        assert [position.offset for (position,) in late] == [2] * len(hanging) + [3] * len(hanging)
