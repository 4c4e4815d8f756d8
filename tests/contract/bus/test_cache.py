"""What cache channels keep: the contract of `Bus.last` on every adapter, and what Redis alone can do wrong to it."""

from collections.abc import Sequence

import pytest
import structlog

from libs.common.bus.messages import Broadcast, Cached, Entry, Publication
from libs.common.bus.port import Bus
from libs.common.bus.settings import HistorySettings
from libs.common.channels import Channel
from libs.common.errors import Unavailable
from libs.common.redis.keys import Keys
from tests.support.deadline import DEADLINE
from tests.support.ports.buses import event, heard, kept, positions, processes
from tests.support.servers import redis_server
from tests.support.servers.process import eventually
from tests.support.servers.redis.server import connect

CHANNEL = Channel("1", "private-cache-company.7")
OTHER = Channel("1", "private-cache-company.8")
NAMESAKE = Channel("2", "private-cache-company.7")
PLAIN = Channel("1", "private-company.7")


async def cached(bus: Bus, channel: Channel) -> Cached | None:
    """Read what one channel keeps."""
    return (await bus.last([channel]))[channel]


async def last_text(bus: Bus, channel: Channel) -> str | None:
    """Read the frame that one channel keeps."""
    found = await cached(bus, channel)
    return found.entry.broadcast.frame.decode() if found else None


class TestWhatIsKept:
    """A cache channel keeps what was applied last, in the same step."""

    @pytest.mark.parametrize(
        "name",
        ["cache-a", "private-cache-a", "private-encrypted-cache-a", "presence-cache-a"],
    )
    async def test_cache_channels(self, buses: Sequence[Bus], name: str) -> None:
        """Each kind of channel has one; all of the entry is there, for every process."""
        channel = Channel("1", name)
        frame = '{"event":"größer","data":"line\\n\n\r\n\u2028\U0001f600"}'.encode() * 500
        broadcast = Broadcast(frame, 1_763_640_000.123456, ("12.34", "56.78"), "trace")

        (position,) = await buses[0].publish([Publication(channel, broadcast)])
        found = await cached(buses[1], channel)

        assert found is not None
        assert found.entry == Entry(channel, position, broadcast)

    @pytest.mark.parametrize(
        "name",
        ["private-company.7", "my-cache-a", "private-encrypted-a", "presence-a", "cachea"],
    )
    async def test_other_channels(self, bus: Bus, name: str) -> None:
        """Channels whose names do not begin so keep nothing but their history."""
        channel = Channel("1", name)

        await bus.publish([event(channel, "a")])

        assert await kept(bus, channel) == ["a"]
        assert await cached(bus, channel) is None

    async def test_never_published(self, bus: Bus) -> None:
        """There is nothing before the first publication; whoever listens or asks makes none."""
        assert await bus.last([CHANNEL, OTHER, CHANNEL]) == {CHANNEL: None, OTHER: None}
        await bus.tops([CHANNEL])

        assert await bus.last([CHANNEL]) == {CHANNEL: None}
        assert await bus.last([]) == {}

    async def test_newest_wins(self, bus: Bus) -> None:
        """Of a call the last one is kept, and then that of the next call."""
        await bus.publish([event(CHANNEL, "a"), event(CHANNEL, "b")])
        of_the_first = await last_text(bus, CHANNEL)
        (position,) = await bus.publish([event(CHANNEL, "c")])
        found = await cached(bus, CHANNEL)

        assert of_the_first == "b"
        assert found is not None
        assert found.entry == Entry(CHANNEL, position, event(CHANNEL, "c").broadcast)

    async def test_many(self, buses: Sequence[Bus]) -> None:
        """Each channel has its own, those of another app too; a call asks for all of them."""
        channels = [Channel("1", f"cache-many-{number}") for number in range(40)]
        await buses[0].publish([event(channel, channel.name) for channel in channels])
        await buses[0].publish([event(CHANNEL, "ours"), event(NAMESAKE, "theirs")])

        found = await buses[1].last([*channels, CHANNEL, NAMESAKE, OTHER])

        frames = {channel: one and one.entry.broadcast.frame for channel, one in found.items()}
        expected = {channel: channel.name.encode() for channel in channels}
        assert frames == {**expected, CHANNEL: b"ours", NAMESAKE: b"theirs", OTHER: None}

    async def test_whispers(self, bus: Bus) -> None:
        """A whisper is in no history, and is not kept."""
        await bus.whisper(CHANNEL, Broadcast(b"before", 7.5))
        before = await cached(bus, CHANNEL)
        await bus.publish([event(CHANNEL, "a")])
        await bus.whisper(CHANNEL, Broadcast(b"after", 7.5))

        assert before is None
        assert await last_text(bus, CHANNEL) == "a"

    async def test_repeated(self, buses: Sequence[Bus]) -> None:
        """What is not applied again takes the place of nothing newer."""
        old = [event(CHANNEL, "old", ("k", 1, 5.0)), event(CHANNEL, "told", token="t")]
        await buses[0].publish(old)
        (newest,) = await buses[0].publish([event(CHANNEL, "new", ("k", 2, 5.0))])

        await buses[1].publish(old)
        found = await cached(buses[1], CHANNEL)

        assert found is not None
        assert found.entry == Entry(CHANNEL, newest, event(CHANNEL, "new").broadcast)

    async def test_with_source_or_token(self, bus: Bus) -> None:
        """What came from a log, or with a token, is kept as all else is."""
        await bus.publish([event(CHANNEL, "a", ("k", 1, 5.0)), event(OTHER, "b", token="t")])

        assert await last_text(bus, CHANNEL) == "a"
        assert await last_text(bus, OTHER) == "b"

    async def test_listeners_hear_no_difference(self, bus: Bus) -> None:
        """What is heard, and read again, is what any channel would tell."""
        async with bus.listen() as listener:
            await listener.follow([CHANNEL])
            answered = await bus.publish([event(CHANNEL, "a"), event(CHANNEL, "b")])
            deliveries = await heard(listener, 2)

        assert positions(deliveries, CHANNEL) == answered
        assert await kept(bus, CHANNEL) == ["a", "b"]


class TestTime:
    """It is kept for ``cache_ttl``, whatever the rest says."""

    async def test_is_told(self, bus: Bus) -> None:
        """The rest of its time is told."""
        await bus.publish([event(CHANNEL, "a")])

        found = await cached(bus, CHANNEL)

        assert found is not None
        assert HistorySettings().cache_ttl - DEADLINE < found.ttl <= HistorySettings().cache_ttl

    async def test_is_over(self, bus_url: str, prefix: str) -> None:
        """Then there is nothing; the history is not concerned, and what comes next is kept again."""
        history = HistorySettings(cache_ttl=0.15)
        async with (
            processes(bus_url, prefix, history=history, count=1) as (bus,),
            processes(bus_url, prefix, count=1) as (patient,),
        ):

            async def is_gone() -> bool:
                return await cached(bus, CHANNEL) is None

            await bus.publish([event(CHANNEL, "a")])
            await eventually(is_gone, timeout=DEADLINE)
            entries = await kept(bus, CHANNEL)
            await patient.publish([event(CHANNEL, "b")])

            assert entries == ["a"]
            assert await last_text(patient, CHANNEL) == "b"

    async def test_outlives_the_history(self, bus_url: str, prefix: str) -> None:
        """The last event is there when the history has been forgotten."""
        history = HistorySettings(max_age=0.15)
        async with processes(bus_url, prefix, history=history, count=1) as (bus,):
            first, second = await bus.publish([event(CHANNEL, "a"), event(CHANNEL, "b")])

            async def is_forgotten() -> bool:
                return (await bus.history(CHANNEL, first, limit=10)).entries is None

            await eventually(is_forgotten, timeout=DEADLINE)
            found = await cached(bus, CHANNEL)

        assert found is not None
        assert found.entry == Entry(CHANNEL, second, event(CHANNEL, "b").broadcast)

    async def test_outlives_short_histories(self, bus_url: str, prefix: str) -> None:
        """It is there when no entries are remembered."""
        async with processes(bus_url, prefix, history=HistorySettings(max_entries=0), count=1) as (
            bus,
        ):
            await bus.publish([event(CHANNEL, "a")])

            assert await last_text(bus, CHANNEL) == "a"


class TestOnRedis:
    """What only Redis can do wrong."""

    async def test_time_begins_anew(self, redis_url: str, prefix: str) -> None:
        """A publication has its own full time; reading, or a repetition, gives no more."""
        key = Keys(prefix).of("cache", CHANNEL)
        first = event(CHANNEL, "a", ("k", 1, 5.0))
        async with (
            processes(redis_url, prefix, count=1) as (bus,),
            connect(redis_url) as client,
        ):
            await bus.publish([first])
            await client.pexpire(key, 60_000)
            await bus.publish([first])
            await bus.last([CHANNEL])
            unchanged = await client.pttl(key)
            await bus.publish([event(CHANNEL, "b")])
            anew = await client.pttl(key)

        assert 0 < unchanged <= 60_000
        assert 60_000 < anew <= 1000 * HistorySettings().cache_ttl

    async def test_no_more_than_needed(self, redis_url: str, prefix: str) -> None:
        """A channel that is no cache channel has no further key."""
        async with (
            processes(redis_url, prefix, count=1) as (bus,),
            connect(redis_url) as client,
        ):
            await bus.publish([event(PLAIN, "a", ("k", 1, 5.0)), event(PLAIN, "b")])
            await bus.last([PLAIN])
            names = [name async for name in client.scan_iter(f"{prefix}:*", count=1000)]

        keys = Keys(prefix)
        origin = keys.partition("origin", keys.index(PLAIN))
        assert set(names) == {keys.of("meta", PLAIN), keys.of("history", PLAIN), origin}

    @pytest.mark.parametrize(
        "value",
        [
            b"",
            b"no line feed, and so no envelope",
            b"9f3a 7\nno envelope",
            b'9f3a\n{"at":1.5,"v":1}\n{}',
            b'9f3a seven\n{"at":1.5,"v":1}\n{}',
            b'\xff\xff 7\n{"at":1.5,"v":1}\n{}',
        ],
    )
    async def test_unreadable(self, redis_url: str, prefix: str, value: bytes) -> None:
        """What cannot be read counts as nothing, and is logged without what it is; others are told."""
        async with (
            processes(redis_url, prefix, count=1) as (bus,),
            connect(redis_url) as client,
        ):
            await client.set(Keys(prefix).of("cache", CHANNEL), value, px=60_000)
            await bus.publish([event(OTHER, "b")])
            with structlog.testing.capture_logs() as logged:
                found = await bus.last([CHANNEL, OTHER])
            await bus.publish([event(CHANNEL, "a")])

            assert found[CHANNEL] is None
            assert found[OTHER] is not None
            assert await last_text(bus, CHANNEL) == "a"
        (line,) = logged
        assert line["event"] == "bus.cache_skipped"
        assert line["channel"] == CHANNEL.name

    async def test_from_a_newer_release(self, redis_url: str, prefix: str) -> None:
        """A newer envelope is read as far as it is known."""
        value = b'9f3a 7\n{"v":7,"at":2,"z":{"new":[1]}}\nframe'
        async with (
            processes(redis_url, prefix, count=1) as (bus,),
            connect(redis_url) as client,
        ):
            await client.set(Keys(prefix).of("cache", CHANNEL), value, px=60_000)

            assert await last_text(bus, CHANNEL) == "frame"

    async def test_out_of_memory(self, prefix: str) -> None:
        """Without memory what is kept can be read; what is refused takes the place of nothing."""
        async with (
            redis_server() as server,
            processes(server.url, prefix, count=1) as (bus,),
            connect(server.url) as client,
        ):
            await bus.publish([event(CHANNEL, "a")])
            await client.config_set("maxmemory", 1)
            with pytest.raises(Unavailable):
                await bus.publish([event(CHANNEL, "b")])
            found = await last_text(bus, CHANNEL)

        assert found == "a"

    async def test_flushed(self, prefix: str) -> None:
        """After FLUSHDB there is nothing, and the next publication is kept."""
        async with (
            redis_server() as server,
            processes(server.url, prefix, count=1) as (bus,),
            connect(server.url) as client,
        ):
            await bus.publish([event(CHANNEL, "a")])
            await client.flushdb()
            lost = await cached(bus, CHANNEL)
            (position,) = await bus.publish([event(CHANNEL, "b")])
            found = await cached(bus, CHANNEL)

        assert lost is None
        assert found is not None
        assert found.entry.position == position
