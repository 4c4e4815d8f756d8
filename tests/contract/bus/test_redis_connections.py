"""What only Redis can do wrong to `bus.redis`: connections that are cut, deaf, shared, given up."""

import asyncio

import redis.asyncio

from libs.common.bus.messages import Interrupted
from libs.common.bus.port import Listener
from libs.common.channels import Channel
from libs.common.errors import Unavailable
from libs.common.redis.keys import Keys
from tests.support.deadline import DEADLINE
from tests.support.fakes.muffler import muffled
from tests.support.ports.buses import (
    event,
    heard,
    heard_until_interrupted,
    kept,
    processes,
    texts,
)
from tests.support.servers import redis_server
from tests.support.servers.process import eventually
from tests.support.servers.redis.server import connect

CHANNEL = Channel("1", "private-company.7")
OTHER = Channel("1", "private-company.8")


async def becomes_deaf(listener: Listener) -> None:
    """Wait until a listener knows that it is cut off."""

    async def refuses() -> bool:
        try:
            await listener.follow([Channel("1", "another")])
        except Unavailable:
            return True
        return False

    await eventually(refuses, timeout=DEADLINE)


async def subscribers(url: str) -> set[str]:
    """Tell the ids of the connections that are subscribed."""
    async with connect(url) as client:
        return {entry["id"] for entry in await client.client_list(_type="pubsub")}


class TestConnections:
    """Connections are cut, shared by many, and given up by those who wait."""

    async def test_killed(self, prefix: str) -> None:
        """CLIENT KILL TYPE pubsub: the listener is told, and hears all its channels again."""
        channels = [Channel("1", f"killed-{number}") for number in range(1200)]
        async with (
            redis_server() as server,
            processes(server.url, prefix, count=1) as (bus,),
            connect(server.url) as client,
            bus.listen() as listener,
        ):
            await listener.follow(channels)
            for _ in range(2):
                await client.client_kill_filter(_type="pubsub")
                await heard_until_interrupted(listener)
            await bus.publish([event(channel, channel.name) for channel in channels])
            deliveries = await heard(listener, len(channels))

        assert sorted(texts(deliveries)) == sorted(channel.name for channel in channels)

    async def test_offsets_went_back(self, prefix: str) -> None:
        """After a failover to a replica that lagged, offsets that come a second time are heard."""
        names = [Keys(prefix).of(kind, CHANNEL) for kind in ("meta", "history")]
        async with (
            redis_server() as server,
            processes(server.url, prefix, count=1) as (bus,),
            redis.asyncio.Redis.from_url(server.url) as client,
            bus.listen() as listener,
        ):
            await listener.follow([CHANNEL])
            await bus.publish([event(CHANNEL, "a")])
            dumps = [await client.dump(name) for name in names]
            await bus.publish([event(CHANNEL, "b"), event(CHANNEL, "c")])
            await heard(listener, 3)
            for name, dump in zip(names, dumps, strict=True):
                assert dump
                await client.restore(name, 60_000, dump, replace=True)
            await client.client_kill_filter(_type="pubsub")
            await heard_until_interrupted(listener)
            (again,) = await bus.publish([event(CHANNEL, "other b")])
            deliveries = await heard(listener, 1)

        assert again.offset == 2
        assert texts(deliveries) == ["other b"]

    async def test_unfollowed_while_away(self, prefix: str) -> None:
        """What is unfollowed during an outage is not followed again after it."""
        async with (
            redis_server() as server,
            processes(server.url, prefix, count=1) as (bus,),
            bus.listen() as listener,
        ):
            await listener.follow([CHANNEL, OTHER])
            server.kill()
            await becomes_deaf(listener)
            await listener.unfollow([CHANNEL])
            await server.start()
            await heard_until_interrupted(listener)
            await bus.publish([event(CHANNEL, "a"), event(OTHER, "b")])
            deliveries = await heard(listener, 1)
            async with connect(server.url) as client:
                followed = await client.pubsub_channels(f"{prefix}*feed*")

        assert texts(deliveries) == ["b"]
        assert followed == [Keys(prefix).of("feed", OTHER)]

    async def test_more_callers_than_connections(self, redis_url: str, prefix: str) -> None:
        """Callers wait for a connection instead of failing, and the server sees few of them."""
        async with (
            processes(redis_url, prefix, count=1) as (bus,),
            asyncio.TaskGroup() as tasks,
        ):
            calls = [tasks.create_task(bus.publish([event(CHANNEL, "x")])) for _ in range(300)]
            await asyncio.wait(calls)

            offsets = sorted(position.offset for call in calls for position in call.result())
            assert offsets == list(range(1, 301))

    async def test_cancelled_calls(self, redis_url: str, prefix: str) -> None:
        """Who gives up waiting leaves no reply behind that another caller could get."""
        channels = [Channel("1", f"cancelled-{number}") for number in range(8)]
        async with processes(redis_url, prefix, count=1) as (bus,):
            for number, channel in enumerate(channels):
                await bus.publish([event(channel, "x")] * number)
            expected = await bus.tops(channels)
            for turns in range(120):
                call = asyncio.create_task(bus.tops(channels[turns % 8 :]))
                for _ in range(turns % 12):
                    await asyncio.sleep(0)
                call.cancel()
                await asyncio.wait([call])

                assert await bus.tops(channels) == expected

    async def test_cancelled_follow(self, redis_url: str, prefix: str) -> None:
        """A follow that is cancelled leaves the connection, and what others follow, as it was."""
        channels = [Channel("1", f"cancelled-{number}") for number in range(600)]
        async with (
            processes(redis_url, prefix, count=1) as (bus,),
            bus.listen() as listener,
        ):
            await listener.follow([CHANNEL])
            for turns in range(20):
                following = asyncio.create_task(listener.follow([*channels, OTHER]))
                overlapping = asyncio.create_task(listener.follow([OTHER]))
                for _ in range(turns):
                    await asyncio.sleep(0)
                following.cancel()
                await overlapping
                await asyncio.wait([following])
                if not following.cancelled():
                    break
                await bus.publish([event(channels[0], "a"), event(OTHER, "b")])
                await bus.publish([event(CHANNEL, "c")])
                assert texts(await heard(listener, 2)) == ["b", "c"]
                await listener.unfollow([OTHER])


class TestSharedRoundTrips:
    """Publishes that arrive together share a round trip, and nothing else."""

    async def test_together(self, prefix: str) -> None:
        """Redis reads few times what many publish at once, in the order of the calls."""
        async with (
            redis_server() as server,
            processes(server.url, prefix, count=1) as (bus,),
            connect(server.url) as client,
        ):
            await bus.publish([event(CHANNEL, "first")])  # The script is known from here on.
            before = (await client.info("stats"))["total_reads_processed"]
            calls = [bus.publish([event(CHANNEL, f"{number}")]) for number in range(200)]
            positions = await asyncio.gather(*calls)
            after = (await client.info("stats"))["total_reads_processed"]

            assert [position.offset for (position,) in positions] == list(range(2, 202))
            assert await kept(bus, CHANNEL) == ["first", *map(str, range(200))]
        # What asks for the number, and a round trip whose bytes come in several pieces.
        assert after - before < 20

    async def test_script_unknown(self, prefix: str) -> None:
        """Where Redis has forgotten the script all are sent again, and stand there once."""
        async with (
            redis_server() as server,
            processes(server.url, prefix, count=1) as (bus,),
            connect(server.url) as client,
        ):
            await bus.publish([event(CHANNEL, "first")])
            await client.script_flush()
            await asyncio.gather(*(bus.publish([event(CHANNEL, f"{n}")]) for n in range(20)))

            assert await kept(bus, CHANNEL) == ["first", *map(str, range(20))]

    async def test_spoilt_one(self, redis_url: str, prefix: str) -> None:
        """What Redis refuses for one channel is put right, and the others have nothing of it."""
        channels = [Channel("1", f"shared-{number}") for number in range(9)]
        wrong = Keys(prefix).of("meta", channels[4])
        async with (
            processes(redis_url, prefix, count=1) as (bus,),
            connect(redis_url) as client,
        ):
            await client.set(wrong, "not a hash")
            calls = [
                bus.publish([event(channel, "a"), event(channel, "b")]) for channel in channels
            ]
            outcomes = await asyncio.gather(*calls, return_exceptions=True)

            for outcome in outcomes:
                assert isinstance(outcome, list)
                assert [position.offset for position in outcome] == [1, 2]

    async def test_cancelled_one(self, redis_url: str, prefix: str) -> None:
        """Who gives up, whenever that is, takes nothing from the others and adds nothing twice."""
        async with processes(redis_url, prefix, count=1) as (bus,):
            for turns in range(40):
                channel = Channel("1", f"given-up-{turns}")
                texts = [str(number) for number in range(5)]
                calls = [asyncio.create_task(bus.publish([event(channel, t)])) for t in texts]
                for _ in range(turns):
                    await asyncio.sleep(0)
                calls[turns % 5].cancel()
                await asyncio.wait(calls)

                found = await kept(bus, channel)
                others = [text for text in texts if text != str(turns % 5)]
                assert found in (texts, others)
                assert [
                    found[call.result()[0].offset - 1] for call in calls if not call.cancelled()
                ] == (others if calls[turns % 5].cancelled() else texts)

    async def test_cut_off(self, prefix: str) -> None:
        """When connections are cut each caller is told, or has what it was answered."""
        async with (
            redis_server() as server,
            processes(server.url, prefix, count=1) as (bus,),
            connect(server.url) as client,
        ):
            await bus.publish([event(CHANNEL, "first")])
            answered = []
            for turn in range(30):
                calls = [
                    asyncio.create_task(bus.publish([event(CHANNEL, f"{turn}.{n}")]))
                    for n in range(10)
                ]
                await client.client_kill_filter(_type="normal", skipme=True)
                for call, outcome in enumerate(
                    await asyncio.gather(*calls, return_exceptions=True)
                ):
                    assert isinstance(outcome, list | Unavailable)
                    answered += [f"{turn}.{call}"] if isinstance(outcome, list) else []

            found = await kept(bus, CHANNEL)
        assert len(set(found)) == len(found)
        assert set(answered) <= set(found)


class TestLiveness:
    """A connection may be healthy and deaf; a probe finds out."""

    async def test_deaf(self, prefix: str) -> None:
        """When its probe is accepted and does not arrive, a listener connects again."""
        async with (
            redis_server() as server,
            muffled(server.url) as muffler,
            processes(muffler.url, prefix, count=1, probe_interval=0.1) as (bus,),
            bus.listen() as listener,
        ):
            await listener.follow([CHANNEL])
            muffler.muffle()
            await bus.publish([event(CHANNEL, "missed")])
            before = await heard_until_interrupted(listener)
            await bus.publish([event(CHANNEL, "after")])
            deliveries = await heard(listener, 1)

        assert before == [Interrupted()]
        assert texts(deliveries) == ["after"]

    async def test_quiet(self, prefix: str) -> None:
        """A quiet channel is no reason to connect again: the probe arrives, and nobody sees it."""
        async with (
            redis_server() as server,
            processes(server.url, prefix, count=1, probe_interval=0.02) as (bus,),
            connect(server.url) as client,
            bus.listen() as listener,
        ):
            await listener.follow([CHANNEL])
            at_first = await subscribers(server.url)

            async def has_probed() -> bool:
                seen = await client.info("commandstats")
                return bool(seen.get("cmdstat_publish", {}).get("calls", 0) >= 6)

            await eventually(has_probed, timeout=DEADLINE)
            deliveries = await listener.receive(0)
            at_last = await subscribers(server.url)

        assert deliveries == []
        assert len(at_first) == 1
        assert at_last == at_first

    async def test_probe_refused(self, prefix: str) -> None:
        """A probe that cannot be published says nothing: the connection stays."""
        async with (
            redis_server() as server,
            processes(server.url, prefix, count=1, probe_interval=0.02) as (bus,),
            connect(server.url) as client,
            bus.listen() as listener,
        ):
            await listener.follow([CHANNEL])
            at_first = await subscribers(server.url)
            await client.execute_command("ACL", "SETUSER", "default", "-publish")

            async def were_refused() -> bool:
                return sum(int(str(entry["count"])) for entry in await client.acl_log()) >= 6

            await eventually(were_refused, timeout=DEADLINE)
            await client.execute_command("ACL", "SETUSER", "default", "+publish")
            await bus.publish([event(CHANNEL, "a")])
            deliveries = await heard(listener, 1)
            at_last = await subscribers(server.url)

        assert texts(deliveries) == ["a"]
        assert at_last == at_first
