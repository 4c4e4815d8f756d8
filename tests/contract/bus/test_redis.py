"""What only Redis can do wrong to `bus.redis`: refusals, lost data, strange messages."""

import asyncio
import itertools
from collections.abc import Sequence
from typing import Any

import pytest
import structlog

from libs.common.bus.messages import Broadcast, Counted, Position, Publication, Transition, pack
from libs.common.bus.redis import META_TTL, PredecessorMissing, RedisBus
from libs.common.bus.wire import PROBE, encode_counted, encode_entry, encode_transition
from libs.common.channels import Channel
from libs.common.config.address import Url
from libs.common.errors import Unavailable
from libs.common.redis.connection import RedisConnection
from libs.common.redis.keys import Keys
from libs.common.redis.scripts import Call
from tests.support.deadline import DEADLINE
from tests.support.ports.buses import event, heard, kept, positions, processes, texts
from tests.support.servers import redis_server
from tests.support.servers.redis.server import connect

CHANNEL = Channel("1", "private-company.7")
OTHER = Channel("1", "private-company.8")
NEIGHBOUR = next(  # Of the same partition.
    channel
    for channel in (Channel("1", f"neighbour-{number}") for number in itertools.count())
    if Keys("any").index(channel) == Keys("any").index(CHANNEL)
)


class Interfering(RedisConnection):
    """A connection that loses a channel's hash after the first publication of a call."""

    async def ask_all(self, calls: Sequence[Call], *, shared: bool = False) -> list[Any]:
        first = await super().ask_all(calls[:1], shared=shared)
        meta = str(calls[0].command[3])
        await super().ask_all([Call(meta, ("DEL", meta))])
        return [*first, *await super().ask_all(calls[1:], shared=shared)]


class TestListenedTo:
    """Anybody may listen to any name."""

    async def test_nothing_is_kept(self, redis_url: str, prefix: str) -> None:
        """However many names are asked for, there is one key for each partition."""
        keys = Keys(prefix, 4)
        names = [Channel("1", f"listened-{number}") for number in range(500)]
        async with (
            RedisConnection(Url(redis_url), "bus") as connection,
            connect(redis_url) as client,
        ):
            bus = RedisBus(connection, keys)
            tops = await bus.tops(names)
            for name in names[:20]:
                await bus.history(name, tops[name], limit=10)
            kept_keys = {key async for key in client.scan_iter(f"{prefix}:*")}

        assert kept_keys == {keys.partition("origin", index) for index in range(4)}
        assert len(set(tops.values())) == 4

    async def test_first_to_ask(self, redis_url: str, prefix: str) -> None:
        """Who asks first, or publishes, makes the origin for all."""
        async with processes(redis_url, prefix) as buses:
            (first,) = await buses[0].publish([event(CHANNEL, "a")])
            asked = await asyncio.gather(*(bus.tops([NEIGHBOUR]) for bus in [*buses] * 10))

        assert {*map(str, asked)} == {str(asked[0])}
        assert asked[0][NEIGHBOUR].leads_to(first.epoch)

    async def test_origin_lost(self, redis_url: str, prefix: str) -> None:
        """Where Redis has lost the origin there is another; lives that were born go on."""
        async with (
            processes(redis_url, prefix, count=1) as (bus,),
            connect(redis_url) as client,
        ):
            (born,) = await bus.publish([event(CHANNEL, "a")])
            before = (await bus.tops([NEIGHBOUR]))[NEIGHBOUR]
            await client.delete(Keys(prefix).partition("origin", Keys(prefix).index(CHANNEL)))
            (after,) = await bus.publish([event(NEIGHBOUR, "b")])

            assert not before.leads_to(after.epoch)
            assert await bus.tops([CHANNEL]) == {CHANNEL: born}
            assert (await bus.history(NEIGHBOUR, before, limit=10)).entries is None


class TestFormerRelease:
    """The release before gave an epoch of its own to each channel that somebody asked for."""

    async def test_asked_for(self, redis_url: str, prefix: str) -> None:
        """That counts as nothing: who followed here hears the first entry as the next one."""
        meta = Keys(prefix).of("meta", CHANNEL)
        async with (
            processes(redis_url, prefix, count=1) as (bus,),
            connect(redis_url) as client,
            bus.listen() as listener,
        ):
            before = (await listener.follow([CHANNEL]))[CHANNEL]
            await client.hset(meta, mapping={"e": "0123abcd7", "o": 0})
            await client.pexpire(meta, 600_000)
            meanwhile = await bus.tops([CHANNEL])
            (first,) = await bus.publish([event(CHANNEL, "a")])
            (entry,) = await heard(listener, 1)

            assert meanwhile == {CHANNEL: before}
            assert before.leads_to(first.epoch)
            assert positions([entry], CHANNEL) == [first]
            assert (await bus.history(CHANNEL, Position("0123abcd7", 0), limit=10)).entries is None
            assert await client.ttl(meta) > 20 * 86_400

    async def test_published(self, redis_url: str, prefix: str) -> None:
        """A history goes on where that release has brought it."""
        keys = Keys(prefix)
        (old,) = (event(CHANNEL, "old"),)
        async with (
            processes(redis_url, prefix, count=1) as (bus,),
            connect(redis_url) as client,
        ):
            await client.hset(keys.of("meta", CHANNEL), mapping={"e": "0123abcd7", "o": 1})
            await client.xadd(keys.of("history", CHANNEL), {"d": pack(old.broadcast)}, "1-0")
            (new,) = await bus.publish([event(CHANNEL, "new")])

            assert new == Position("0123abcd7", 2)
            assert await kept(bus, CHANNEL) == ["old", "new"]


class TestRefusals:
    """A publication that Redis refuses is neither lost nor out of order after it is repeated."""

    async def test_one_channel_is_spoilt(self, redis_url: str, prefix: str) -> None:
        """It begins anew, lest it holds up the others; repeated, each stands there once, in order."""
        call = [
            event((CHANNEL, OTHER)[number % 2], str(number), ("k", number, 5.0))
            for number in range(6)
        ]
        wrong = Keys(prefix).of("meta", OTHER)
        async with (
            processes(redis_url, prefix, count=1) as (bus,),
            connect(redis_url) as client,
        ):
            await client.set(wrong, "not a hash")
            for _ in range(2):
                await bus.publish(call)

            assert await kept(bus, CHANNEL) == ["0", "2", "4"]
            assert await kept(bus, OTHER) == ["1", "3", "5"]

    async def test_spoilt_history(self, redis_url: str, prefix: str) -> None:
        """Where entries cannot be appended any more the channel begins anew, sequences and all."""
        keys = Keys(prefix)
        async with (
            processes(redis_url, prefix, count=1) as (bus,),
            connect(redis_url) as client,
        ):
            (before,) = await bus.publish([event(CHANNEL, "a", ("k", 1, 5.0))])
            await client.set(keys.of("history", CHANNEL), "not a stream")
            (after,) = await bus.publish([event(CHANNEL, "b", ("k", 2, 5.0))])
            marks = await client.hgetall(keys.of("meta", CHANNEL))

            assert await bus.tops([CHANNEL]) == {CHANNEL: after}
            assert after.epoch != before.epoch
            assert marks == {"e": after.epoch, "o": "1", "s:k": "2 5"}

    async def test_successor_of_a_missing_one(self, redis_url: str, prefix: str) -> None:
        """What follows a publication that Redis lost in the middle of the call is held back."""
        call = [event(CHANNEL, str(number), ("k", number, 5.0)) for number in range(3)]
        async with (
            Interfering(Url(redis_url), "bus") as interfering,
            processes(redis_url, prefix, count=1) as (bus,),
        ):
            with pytest.raises(Unavailable) as caught:
                await RedisBus(interfering, Keys(prefix)).publish(call)
            await bus.publish(call)

            assert isinstance(caught.value.__cause__, PredecessorMissing)
            assert await kept(bus, CHANNEL) == ["0", "1", "2"]

    async def test_out_of_memory(self, prefix: str) -> None:
        """Without memory a call fails; repeated later, each stands there once.  Reading goes on, at first too."""
        call = [event(CHANNEL, f"{n} {'x' * 4000}", ("k", n, 5.0)) for n in range(400)]
        async with (
            redis_server() as server,
            processes(server.url, prefix, count=1) as (bus,),
            connect(server.url) as client,
        ):
            start = (await bus.tops([CHANNEL]))[CHANNEL]
            used = (await client.info("memory"))["used_memory"]
            await client.config_set("maxmemory", used + 400_000)
            with pytest.raises(Unavailable):
                await bus.publish(call)
            history = await bus.history(CHANNEL, start, limit=1000)
            fresh = (await bus.tops([OTHER]))[OTHER]
            await client.pexpire(Keys(prefix).of("meta", CHANNEL), 60_000)
            await bus.tops([CHANNEL])
            renewed = await client.ttl(Keys(prefix).of("meta", CHANNEL))
            await client.config_set("maxmemory", 0)
            await bus.publish(call)

            assert history.entries
            assert len(history.entries) < 400
            assert fresh.epoch
            assert renewed > 60
            frames = [frame.partition(" ")[0] for frame in await kept(bus, CHANNEL)]
        assert frames == [str(number) for number in range(400)]


class TestServerState:
    """Redis loses its data, its scripts or a key of a channel."""

    async def test_flushed(self, prefix: str) -> None:
        """After FLUSHDB a channel has another epoch, and old positions lead nowhere."""
        async with (
            redis_server() as server,
            processes(server.url, prefix) as buses,
            connect(server.url) as client,
            buses[0].listen() as listener,
        ):
            await listener.follow([CHANNEL, OTHER])
            (old,) = await buses[0].publish([event(CHANNEL, "a", ("k", 9, 5.0))])
            await client.flushdb()
            history = await buses[0].history(CHANNEL, old, limit=10)
            (new,) = await buses[0].publish([event(CHANNEL, "b", ("k", 9, 5.0))])
            deliveries = await heard(listener, 2)

        assert history.entries is None
        assert history.top.offset == 0
        assert history.top.leads_to(new.epoch)
        assert not history.top.leads_to(old.epoch)
        assert new == Position(new.epoch, 1)
        assert texts(deliveries) == ["a", "b"]

    async def test_epochs_are_never_used_twice(self, prefix: str) -> None:
        """One process gives a channel another epoch each time that Redis lost it."""
        epochs = set()
        async with (
            redis_server() as server,
            processes(server.url, prefix, count=1) as (bus,),
            connect(server.url) as client,
        ):
            for _ in range(10):
                await client.flushdb()
                epochs.add((await bus.tops([CHANNEL]))[CHANNEL].epoch)
                await client.flushdb()
                epochs.add((await bus.publish([event(CHANNEL, "x")]))[0].epoch)

        assert len(epochs) == 20

    async def test_meta_evicted(self, redis_url: str, prefix: str) -> None:
        """When only a channel's hash was lost, no entry of the former epoch remains."""
        meta = Keys(prefix).of("meta", CHANNEL)
        async with (
            processes(redis_url, prefix, count=1) as (bus,),
            connect(redis_url) as client,
        ):
            await bus.publish([event(CHANNEL, str(number)) for number in range(5)])
            await client.delete(meta)
            await bus.publish([event(CHANNEL, "published")])
            after_publish = await kept(bus, CHANNEL)
            await client.delete(meta)
            after_read = await kept(bus, CHANNEL)
            await bus.publish([event(CHANNEL, "again")])

            assert after_publish == ["published"]
            assert after_read == []
            assert await kept(bus, CHANNEL) == ["again"]

    async def test_scripts_forgotten(self, redis_url: str, prefix: str) -> None:
        """When Redis forgets the scripts, they are loaded again, and the order stays."""
        async with (
            processes(redis_url, prefix, count=1) as (bus,),
            connect(redis_url) as client,
        ):
            for number in range(3):
                await client.script_flush()
                await bus.publish([event(CHANNEL, f"{number}{letter}") for letter in "abc"])

            frames = await kept(bus, CHANNEL)

        assert frames == ["0a", "0b", "0c", "1a", "1b", "1c", "2a", "2b", "2c"]

    async def test_everything_expires(self, redis_url: str, prefix: str) -> None:
        """No key of a channel stays for ever; one that is idle and read keeps its epoch."""
        keys = Keys(prefix)
        async with (
            processes(redis_url, prefix, count=1) as (bus,),
            connect(redis_url) as client,
        ):
            first, other = await bus.publish(
                [event(CHANNEL, "a", ("k", 1, 5.0)), event(OTHER, "a")]
            )
            await client.pexpire(keys.of("meta", CHANNEL), META_TTL // 2 - 1000)
            await client.pexpire(keys.of("meta", OTHER), META_TTL // 2 + 60_000)
            tops = await bus.tops([CHANNEL, OTHER])

            assert tops == {CHANNEL: first, OTHER: other}
            assert 0 < await client.ttl(keys.of("history", CHANNEL)) <= 120
            assert await client.ttl(keys.of("meta", CHANNEL)) > 20 * 86_400
            assert await client.ttl(keys.of("meta", OTHER)) < 16 * 86_400


class TestFeed:
    """What others write on a feed: scripts, newer releases, strangers."""

    async def test_transitions(self, redis_url: str, prefix: str) -> None:
        """What the roster announces is delivered."""
        channel = Channel("1", "presence-room")
        joined = Transition(channel, 7, "grüße 1", '{"name":"Ä\\n"}')
        left = Transition(channel, 8, "grüße 1", None)
        feed = Keys(prefix).of("feed", channel)
        async with (
            processes(redis_url, prefix, count=1) as (bus,),
            connect(redis_url) as client,
            bus.listen() as listener,
        ):
            await listener.follow([channel])
            await client.publish(feed, encode_transition(joined))
            await client.publish(feed, encode_transition(left))
            deliveries = await heard(listener, 2)

        assert deliveries == [joined, left]

    async def test_counts(self, redis_url: str, prefix: str) -> None:
        """What the tally announces is delivered."""
        counted = Counted(CHANNEL, 7)
        async with (
            processes(redis_url, prefix, count=1) as (bus,),
            connect(redis_url) as client,
            bus.listen() as listener,
        ):
            await listener.follow([CHANNEL])
            await client.publish(Keys(prefix).of("feed", CHANNEL), encode_counted(counted))
            await client.publish(Keys(prefix).of("feed", CHANNEL), b"c2 8 more\nfields")
            deliveries = await heard(listener, 2)

        assert deliveries == [counted, Counted(CHANNEL, 8)]

    async def test_from_a_newer_release(self, redis_url: str, prefix: str) -> None:
        """Kinds and fields that are not known here are ignored, and said at a pace."""
        feed = Keys(prefix).of("feed", CHANNEL)
        newer = b"e2 abcd 5 more fields\n" + b'{"at":1.5,"v":2,"new":[1]}\nframe'
        strange = [
            b"z9 what\nis this",
            PROBE,
            b"",
            b"e1\n{}",
            b"e1 a b\n{}",
            b"w1\n{",
            b"m1 1 ? 2\nab",
            b"c1 many\n",
        ]
        async with (
            processes(redis_url, prefix, count=1) as (bus,),
            connect(redis_url) as client,
            bus.listen() as listener,
        ):
            await listener.follow([CHANNEL])
            with structlog.testing.capture_logs() as logged:
                for message in [*strange, newer]:
                    await client.publish(feed, message)
                deliveries = await heard(listener, 1)

        assert texts(deliveries) == ["frame"]
        assert {(line["event"], line["pace_by"]) for line in logged} == {
            ("bus.message_skipped", "message")
        }

    async def test_unreadable_history(self, redis_url: str, prefix: str) -> None:
        """An entry that cannot be read is a hole, and a hole is never silent."""
        async with (
            processes(redis_url, prefix, count=1) as (bus,),
            connect(redis_url) as client,
        ):
            (first, *_) = await bus.publish([event(CHANNEL, "a"), event(CHANNEL, "b")])
            await client.xadd(Keys(prefix).of("history", CHANNEL), {"d": "no envelope"}, "3-0")
            await client.hset(Keys(prefix).of("meta", CHANNEL), "o", "3")

            history = await bus.history(CHANNEL, first, limit=10)

        assert history.entries is None
        assert history.top == Position(first.epoch, 3)

    async def test_scripts_write_what_is_described(self, redis_url: str, prefix: str) -> None:
        """The publish script's messages are those of `wire`."""
        publication = Publication(CHANNEL, Broadcast(b"{}", 1.5))
        async with (
            processes(redis_url, prefix, count=1) as (bus,),
            connect(redis_url) as client,
            client.pubsub() as raw,
        ):
            await raw.subscribe(Keys(prefix).of("feed", CHANNEL))
            await raw.get_message(timeout=DEADLINE)
            (position,) = await bus.publish([publication])
            message = await raw.get_message(timeout=DEADLINE)

        written = encode_entry(pack(publication.broadcast), position)
        assert message is not None
        assert message["data"].encode() == written
