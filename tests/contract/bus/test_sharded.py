"""What only sharded pub/sub can do wrong to `bus.redis`: slots that move, nodes that fail."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from urllib.parse import urlsplit

import pytest

from libs.common.bus.messages import Broadcast, Entry, Interrupted, Position, Whisper
from libs.common.bus.port import Bus, Listener
from libs.common.bus.settings import HistorySettings
from libs.common.channels import Channel
from libs.common.errors import Unavailable
from libs.common.redis.keys import Keys, slot
from tests.support.deadline import DEADLINE
from tests.support.fakes.muffler import muffled
from tests.support.ports.buses import (
    becomes_available,
    event,
    heard,
    heard_until_interrupted,
    heard_up_to,
    kept,
    processes,
    texts,
)
from tests.support.servers import Server, redis_cluster
from tests.support.servers.process import eventually
from tests.support.servers.redis.cluster import RedisCluster
from tests.support.servers.redis.server import connect
from tests.support.servers.redis.slots import Move, owner_index, tell

CHANNEL = Channel("1", "private-company.7")
# However much is published while a test takes its time: nothing of it leaves the history.
MOST = 1_000_000
ALL = HistorySettings(max_entries=MOST)


@pytest.fixture
async def cluster() -> AsyncIterator[RedisCluster]:
    """Yield a cluster of the test's own."""
    async with redis_cluster() as started:
        yield started


def spread(prefix: str, count: int = 30) -> tuple[list[Channel], ...]:
    """Make channels, by the node that has them at the start."""
    found: tuple[list[Channel], ...] = ([], [], [])
    for number in range(count):
        channel = Channel("1", f"spread-{number}")
        found[owner_index(slot(Keys(prefix).of("feed", channel)))].append(channel)
    assert all(found)
    return found


async def feeds(node: Server) -> set[str]:
    """Name the feeds of channels that somebody hears at a node."""
    found = await tell(node, "PUBSUB", "SHARDCHANNELS", "*:feed:*")
    return {str(name) for name in found}


class Reader:
    """Keeps what a gateway would: entries in order, and what it missed from the history."""

    def __init__(self, bus: Bus, listener: Listener, followed: dict[Channel, Position]) -> None:
        self._bus = bus
        self._listener = listener
        self._reached = dict(followed)
        self.interrupted: list[frozenset[Channel] | None] = []
        self.texts: dict[Channel, list[str]] = {channel: [] for channel in followed}

    async def read_up_to(self, ends: dict[Channel, Position]) -> None:
        """Read until all of these channels have come so far."""
        async with asyncio.timeout(2 * DEADLINE):
            while any(self._reached[each].offset < end.offset for each, end in ends.items()):
                for delivery in await self._listener.receive(1.0):
                    if isinstance(delivery, Interrupted):
                        self.interrupted.append(delivery.channels)
                        for channel in delivery.channels or self._reached:
                            await self._catch_up(channel)
                    elif isinstance(delivery, Entry):
                        await self._take(delivery)

    async def _take(self, entry: Entry) -> None:
        offset = self._reached[entry.channel].offset
        if entry.position.offset == offset + 1:
            self._keep(entry)
        elif entry.position.offset > offset:
            await self._catch_up(entry.channel)

    async def _catch_up(self, channel: Channel) -> None:
        history = await self._bus.history(channel, self._reached[channel], limit=MOST)
        assert history.entries is not None
        for entry in history.entries:
            self._keep(entry)

    def _keep(self, entry: Entry) -> None:
        self._reached[entry.channel] = entry.position
        self.texts[entry.channel].append(entry.broadcast.frame.decode())


@asynccontextmanager
async def streaming(
    bus: Bus, channels: Sequence[Channel]
) -> AsyncIterator[dict[Channel, Position]]:
    """Publish to channels, each in its order, all the while; in the end tells where they are."""
    ends: dict[Channel, Position] = {}
    is_over = asyncio.Event()

    async def stream(channel: Channel) -> None:
        number = 0
        while not is_over.is_set() or channel not in ends:
            try:
                (ends[channel],) = await bus.publish(
                    [event(channel, str(number), ("k", number, 5.0))]
                )
                number += 1
            except Unavailable:  # Its keys are on two nodes, or its node is away.
                await asyncio.sleep(0.01)

    async with asyncio.TaskGroup() as tasks:
        for channel in channels:
            tasks.create_task(stream(channel))
        yield ends
        is_over.set()


class TestWhere:
    """A feed is heard at the node that has its slot, and nowhere else."""

    async def test_each_at_its_node(self, cluster: RedisCluster, prefix: str) -> None:
        """Each node has the feeds of its slots; one with nothing to hear is not connected to."""
        keys = Keys(prefix)
        groups = spread(prefix)
        async with (
            processes(f"{cluster.url}#sharded", prefix, count=1) as (bus,),
            bus.listen() as listener,
        ):
            await listener.follow([*groups[0], *groups[1]])
            at = [await feeds(node) for node in cluster.nodes]
            async with connect(cluster.nodes[2].url) as client:
                others = await client.client_list(_type="pubsub")

        assert at[0] == {keys.of("feed", channel) for channel in groups[0]}
        assert at[1] == {keys.of("feed", channel) for channel in groups[1]}
        assert at[2] == set()
        assert others == []

    async def test_unfollowed(self, cluster: RedisCluster, prefix: str) -> None:
        """What is unfollowed is left at its node, also where it was given up on the way."""
        groups = spread(prefix, 300)
        channels = [channel for group in groups for channel in group]
        async with (
            processes(f"{cluster.url}#sharded", prefix, count=1) as (bus,),
            bus.listen() as listener,
        ):
            await listener.follow([CHANNEL])
            for turns in range(12):
                following = asyncio.create_task(listener.follow(channels))
                for _ in range(turns):
                    await asyncio.sleep(0)
                following.cancel()
                await asyncio.wait([following])
                await listener.unfollow(channels)

            async def is_left() -> bool:
                names = set().union(*[await feeds(node) for node in cluster.nodes])
                return names == {Keys(prefix).of("feed", CHANNEL)}

            await eventually(is_left, timeout=DEADLINE)
            (last,) = await bus.publish([event(CHANNEL, "a")])
            assert texts(await heard_up_to(listener, CHANNEL, last.offset)) == ["a"]

    async def test_whispers(self, cluster: RedisCluster, prefix: str) -> None:
        """Whispers go the same way."""
        async with (
            processes(f"{cluster.url}#sharded", prefix) as (one, two),
            one.listen() as listener,
        ):
            await listener.follow([CHANNEL])
            await two.whisper(CHANNEL, Broadcast(b"psst", 1.0))

            assert await heard(listener, 1) == [Whisper(CHANNEL, Broadcast(b"psst", 1.0))]


class TestSlotsMove:
    """A slot that goes to another node takes its listeners along."""

    async def test_while_publishing(self, cluster: RedisCluster, prefix: str) -> None:
        """Nothing is lost, all is in order; only who was in the slot is told of an interruption."""
        keys = Keys(prefix)
        groups = spread(prefix)
        channels = [channel for group in groups for channel in group]
        number = slot(keys.of("feed", groups[0][0]))
        moved = {each for each in channels if slot(keys.of("feed", each)) == number}
        async with (
            processes(f"{cluster.url}#sharded", prefix, history=ALL) as (one, two),
            one.listen() as listener,
        ):
            reader = Reader(one, listener, await listener.follow(channels))
            async with asyncio.TaskGroup() as tasks:
                async with streaming(two, channels) as ends:
                    reading = tasks.create_task(
                        reader.read_up_to({c: Position("", 30) for c in channels})
                    )
                    await reading
                    for source, target in ((0, 1), (1, 2), (2, 0)):
                        move = Move(number, cluster.nodes[source], cluster.nodes[target])
                        await move.begin()
                        await move.carry(*await keys_in(cluster.nodes[source], number))
                        await move.finish()
                        await reader.read_up_to(
                            {c: Position("", p.offset + 20) for c, p in ends.items()}
                        )
                await reader.read_up_to(ends)

            for channel in channels:
                assert reader.texts[channel] == [str(n) for n in range(ends[channel].offset)]
        assert reader.interrupted
        assert set().union(*(told or {CHANNEL} for told in reader.interrupted)) <= moved


async def keys_in(node: Server, number: int) -> list[str]:
    return [str(key) for key in await tell(node, "CLUSTER", "GETKEYSINSLOT", number, 1000)]


class TestNodesFail:
    """What a dead node had is heard again at the one that takes its place."""

    async def test_restarted(self, cluster: RedisCluster, prefix: str) -> None:
        """Only the dead node's channels are cut off, and told of when they are back."""
        groups = spread(prefix)
        channels = [channel for group in groups for channel in group]
        async with (
            processes(f"{cluster.url}#sharded", prefix, count=1) as (bus,),
            bus.listen() as listener,
        ):
            await listener.follow(channels)
            cluster.nodes[1].kill()
            reachable = {*groups[0], *groups[2]}
            assert set(await listener.follow(channels)) == reachable
            await bus.publish([event(channel, "x") for channel in reachable])
            assert sorted(map(str, texts(await heard(listener, len(reachable))))) == ["x"] * len(
                reachable
            )
            await cluster.nodes[1].start()
            await cluster.wait_until_ready()
            told = (await heard_until_interrupted(listener))[-1]
            await bus.publish([event(channel, "back") for channel in channels])
            deliveries = await heard(listener, len(channels))

        assert told == Interrupted(frozenset(groups[1]))
        assert texts(deliveries) == ["back"] * len(channels)

    async def test_promoted(self, prefix: str) -> None:
        """A replica that takes the place of its master is heard; what was missed is in the history."""
        async with (
            redis_cluster(replica=True) as cluster,
            processes(f"{cluster.url}#sharded", prefix, history=ALL) as (one, two),
            one.listen() as listener,
        ):
            groups = spread(prefix)
            channels = [channel for group in groups for channel in group]
            reader = Reader(one, listener, await listener.follow(channels))
            async with streaming(two, channels) as ends:
                await reader.read_up_to({channel: Position("", 30) for channel in channels})
                cluster.nodes[0].kill()
                await becomes_available(two, groups[0])
                await reader.read_up_to({c: Position("", p.offset + 20) for c, p in ends.items()})
            await reader.read_up_to(ends)

            for channel in channels:
                assert reader.texts[channel] == await kept(one, channel, limit=MOST)
                assert reader.texts[channel] == [str(n) for n in range(ends[channel].offset)]
        assert set().union(*(told or {CHANNEL} for told in reader.interrupted)) == {*groups[0]}


class TestLiveness:
    """Each connection is probed by itself."""

    async def test_quiet(self, cluster: RedisCluster, prefix: str) -> None:
        """The probes go to every node at which something is heard, arrive, and nobody sees them."""
        groups = spread(prefix)
        async with (
            processes(f"{cluster.url}#sharded", prefix, count=1, probe_interval=0.02) as (bus,),
            bus.listen() as listener,
        ):
            await listener.follow([*groups[0], *groups[1]])

            async def has_probed(node: Server) -> bool:
                seen = await tell(node, "INFO", "commandstats")
                return int(seen.get("cmdstat_spublish", {}).get("calls", 0)) >= 6

            for node in cluster.nodes[:2]:
                await eventually(partial(has_probed, node), timeout=DEADLINE)
            assert await listener.receive(0) == []

    async def test_deaf(self, cluster: RedisCluster, prefix: str) -> None:
        """A connection that is healthy and deaf is replaced, and only what it should have heard told."""
        groups = spread(prefix)
        async with muffled(cluster.nodes[0].url) as muffler:
            place = urlsplit(muffler.url)
            await tell(cluster.nodes[0], "CONFIG", "SET", "cluster-announce-port", place.port)
            url = f"redis+cluster://{place.netloc}#sharded"
            async with (
                processes(url, prefix, count=1, probe_interval=0.2) as (bus,),
                bus.listen() as listener,
            ):
                await listener.follow([*groups[0], *groups[1]])
                muffler.muffle()
                await bus.publish([event(groups[0][0], "missed")])
                before = await heard_until_interrupted(listener)
                await bus.publish([event(groups[0][0], "after")])
                deliveries = await heard(listener, 1)

        assert before == [Interrupted(frozenset(groups[0]))]
        assert texts(deliveries) == ["after"]
