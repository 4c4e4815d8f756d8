"""
Tokens: what is published once however often it is sent, and whose request a token is.

The contract of `Bus.publish` and `Bus.claim` on every adapter, and what Redis alone can do wrong to it.
"""

import asyncio
from collections.abc import Sequence

from libs.common.bus.messages import Position
from libs.common.bus.port import TOKEN_TTL, Bus
from libs.common.bus.settings import HistorySettings
from libs.common.channels import Channel
from libs.common.redis.keys import Keys
from tests.support.deadline import DEADLINE
from tests.support.ports.buses import event, heard, kept, processes, texts
from tests.support.servers.process import eventually
from tests.support.servers.redis.server import connect

CHANNEL = Channel("1", "private-company.7")
OTHER = Channel("1", "private-company.8")
NAMESAKE = Channel("2", "private-company.7")
CACHE = Channel("1", "private-cache-company.7")
LONG = "x" * 100_000
SHORTEST = 1000 * (
    TOKEN_TTL - DEADLINE
)  # Milliseconds that a token is remembered, just after it came.


class TestPublish:
    """A publication with a token that its channel has seen is not applied again."""

    async def test_twice(self, buses: Sequence[Bus]) -> None:
        """The second is answered with the same position, and announces nothing."""
        async with buses[0].listen() as listener:
            await listener.follow([CHANNEL])
            first = await buses[0].publish([event(CHANNEL, "a", token="t")])
            again = await buses[1].publish([event(CHANNEL, "a", token="t")])
            await buses[0].publish([event(CHANNEL, "last")])
            deliveries = await heard(listener, 2)

        assert first == again
        assert texts(deliveries) == ["a", "last"]
        assert await kept(buses[1], CHANNEL) == ["a", "last"]

    async def test_after_others(self, bus: Bus) -> None:
        """A repetition is answered with the present position."""
        await bus.publish([event(CHANNEL, "a", token="t")])
        (present,) = await bus.publish([event(CHANNEL, "b")])

        assert await bus.publish([event(CHANNEL, "a", token="t")]) == [present]
        assert await kept(bus, CHANNEL) == ["a", "b"]

    async def test_within_a_call(self, bus: Bus) -> None:
        """The same publication twice in one call is one entry."""
        once = event(CHANNEL, "a", token="t")

        answered = await bus.publish([once, once])

        assert answered[0] == answered[1]
        assert await kept(bus, CHANNEL) == ["a"]

    async def test_another_channel(self, bus: Bus) -> None:
        """Each channel has seen its own: one token may stand for an entry in each, of any app."""
        call = [event(channel, "a", token="t") for channel in (CHANNEL, OTHER, NAMESAKE)]

        await bus.publish(call)
        await bus.publish(call)

        for channel in (CHANNEL, OTHER, NAMESAKE):
            assert await kept(bus, channel) == ["a"]

    async def test_another_token(self, bus: Bus) -> None:
        """The same broadcast with another token, or without, is another; tokens are any text."""
        tokens = ["t", "T", "t ", "t/1", "täg\n: {x}", "\udcff", LONG, LONG + "x", "", ""]
        call = [event(CHANNEL, "a", token=token) for token in tokens]

        await bus.publish(call)
        repeated = await bus.publish(call[:-2])

        assert await kept(bus, CHANNEL) == ["a"] * len(tokens)
        assert {position.offset for position in repeated} == {len(tokens)}

    async def test_only_what_is_missing(self, buses: Sequence[Bus]) -> None:
        """A call of which a part was applied, repeated, adds the other part."""
        channels = [Channel("1", f"missing-{number}") for number in range(6)]
        call = [event(channels[n % 6], str(n), token=f"t/{n}") for n in range(12)]
        await buses[0].publish(call[:3] + call[7:9])

        await buses[1].publish(call)
        await buses[0].publish(call)

        expected = [["0", "6"], ["1", "7"], ["2", "8"], ["3", "9"], ["4", "10"], ["5", "11"]]
        assert [await kept(buses[1], channel) for channel in channels] == expected

    async def test_at_once(self, buses: Sequence[Bus]) -> None:
        """Of publications with one token, sent by several processes at once, one is applied."""
        tokens = [f"t/{number}" for number in range(20)]
        async with buses[0].listen() as listener, asyncio.TaskGroup() as tasks:
            await listener.follow([CHANNEL])
            for bus in (*buses, *buses):
                for token in tokens:
                    tasks.create_task(bus.publish([event(CHANNEL, token, token=token)]))
            deliveries = await heard(listener, len(tokens))

        assert sorted(texts(deliveries)) == sorted(tokens)
        assert sorted(await kept(buses[1], CHANNEL)) == sorted(tokens)

    async def test_outlives_the_history(self, bus_url: str, prefix: str) -> None:
        """A token is known when the history has been forgotten."""
        history = HistorySettings(max_age=0.15)
        async with processes(bus_url, prefix, history=history, count=1) as (bus,):
            (first,) = await bus.publish([event(CHANNEL, "a", token="t")])

            async def is_forgotten() -> bool:
                start = Position(first.epoch, 0)
                return (await bus.history(CHANNEL, start, limit=10)).entries is None

            await eventually(is_forgotten, timeout=DEADLINE)

            assert await bus.publish([event(CHANNEL, "a", token="t")]) == [first]

    async def test_cache_channels(self, bus: Bus) -> None:
        """Both are had at once: a last event and publications that are recognised."""
        once = event(CACHE, "a", token="t")

        answered = [*await bus.publish([once]), *await bus.publish([once])]
        last = (await bus.last([CACHE]))[CACHE]

        assert answered[0] == answered[1]
        assert last is not None
        assert last.entry.position == answered[0]


class TestSources:
    """A publication has a source or a token, never both."""

    async def test_side_by_side(self, bus: Bus) -> None:
        """In one channel, neither touches what the other one is recognised by."""
        first = [event(CHANNEL, "a", ("k", 2, 5.0)), event(CHANNEL, "b", token="k")]
        second = [event(CHANNEL, "c", token="t"), event(CHANNEL, "d", ("k", 3, 5.0))]

        for call in (first, second, first, second[::-1]):
            await bus.publish(call)

        assert await kept(bus, CHANNEL) == ["a", "b", "c", "d"]

    async def test_source_decides(self, bus: Bus) -> None:
        """If it had both, the source alone would decide, and the token be free."""
        await bus.publish([event(CHANNEL, "a", ("k", 1, 5.0), token="t")])
        await bus.publish([event(CHANNEL, "a", ("k", 1, 5.0), token="u")])
        await bus.publish([event(CHANNEL, "b", ("k", 2, 5.0), token="t")])
        await bus.publish([event(CHANNEL, "c", token="t")])

        assert await kept(bus, CHANNEL) == ["a", "b", "c"]


class TestClaim:
    """A token stands for the request that came with it first."""

    async def test_same_and_other(self, buses: Sequence[Bus]) -> None:
        """Whoever repeats the request has it; for another one it does not stand."""
        assert await buses[0].claim("1", "t", "digest")
        assert await buses[1].claim("1", "t", "digest")
        assert not await buses[1].claim("1", "t", "another")
        assert not await buses[0].claim("1", "t", "")
        assert await buses[0].claim("1", "t", "digest")

    async def test_apps_and_tokens_are_apart(self, bus: Bus) -> None:
        """Another app may call another request so, and another token is free."""
        tokens = ["t", "T", "t/1", "täg\n: {x}", "\udcff", LONG, LONG + "x"]
        for number, token in enumerate(tokens):
            assert await bus.claim("1", token, f"{number}")
            assert await bus.claim("2", token, f"other {number}")

        for number, token in enumerate(tokens):
            assert await bus.claim("1", token, f"{number}")
            assert not await bus.claim("1", token, f"other {number}")

    async def test_at_once(self, buses: Sequence[Bus]) -> None:
        """Of different requests that come with one token at once, it stands for one."""
        async with asyncio.TaskGroup() as tasks:
            asked = {
                digest: tasks.create_task(buses[number % 2].claim("1", "t", digest))
                for number, digest in enumerate("abcdefgh")
            }
        (winner,) = [digest for digest, task in asked.items() if task.result()]

        assert await buses[0].claim("1", "t", winner)

    async def test_publications_are_apart(self, bus: Bus) -> None:
        """A token that was claimed has been seen by no channel."""
        await bus.claim("1", "t", "digest")
        await bus.publish([event(CHANNEL, "a", token="t")])

        assert await kept(bus, CHANNEL) == ["a"]
        assert await bus.claim("1", "t", "digest")


class TestOnRedis:
    """What only Redis can do wrong."""

    async def test_expiry(self, redis_url: str, prefix: str) -> None:
        """A token is forgotten an hour after it came first; a repetition does not prolong that."""
        once = event(CHANNEL, "a", token="t")
        async with (
            processes(redis_url, prefix, count=1) as (bus,),
            connect(redis_url) as client,
        ):
            for kind in ("token", "claim"):
                await bus.publish([once])
                await bus.claim("1", "t", "digest")
                (name,) = [key async for key in client.scan_iter(f"{prefix}:*:{kind}:*")]
                assert SHORTEST < await client.pttl(name) <= 1000 * TOKEN_TTL
                await client.pexpire(name, 60_000)
                await bus.publish([once])
                await bus.claim("1", "t", "digest")
                await bus.claim("1", "t", "another")
                assert 0 < await client.pttl(name) <= 60_000
                await client.delete(name)

            assert await bus.claim("1", "t", "another")
            assert await kept(bus, CHANNEL) == ["a", "a"]

    async def test_keys_are_short(self, redis_url: str, prefix: str) -> None:
        """A token of any length makes a key of the same, and claims are spread over partitions."""
        async with (
            processes(redis_url, prefix, count=1) as (bus,),
            connect(redis_url) as client,
        ):
            await bus.publish([event(CHANNEL, "a", token=f"{LONG}{n}") for n in range(40)])
            for number in range(40):
                await bus.claim("1", f"{LONG}{number}", "digest")
            tokens = [key async for key in client.scan_iter(f"{prefix}:*:token:*")]
            claims = [key async for key in client.scan_iter(f"{prefix}:*:claim:*")]

        assert len(tokens) == len(claims) == 40
        assert max(len(key) for key in (*tokens, *claims)) < 160
        assert len({key.partition("}")[0] for key in tokens}) == 1
        assert len({key.partition("}")[0] for key in claims}) > 10

    async def test_one_channel_is_spoilt(self, redis_url: str, prefix: str) -> None:
        """It begins anew, and the others of a call are applied; repeated, each stands there once."""
        call = [event((CHANNEL, OTHER)[n % 2], str(n), token=f"t/{n}") for n in range(6)]
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

    async def test_channel_lost(self, redis_url: str, prefix: str) -> None:
        """A channel whose life has ended has seen nothing: what is repeated is published anew."""
        once = event(CHANNEL, "a", token="t")
        async with (
            processes(redis_url, prefix, count=1) as (bus,),
            connect(redis_url) as client,
        ):
            (old,) = await bus.publish([once])
            for is_read in (False, True):
                await client.delete(Keys(prefix).of("meta", CHANNEL))
                if is_read:
                    await bus.tops([CHANNEL])
                (new,) = await bus.publish([once])
                (again,) = await bus.publish([once])

                assert new.epoch != old.epoch
                assert again == new
                assert await kept(bus, CHANNEL) == ["a"]

    async def test_deployments_are_apart(self, redis_url: str, prefix: str) -> None:
        """Another deployment on the same Redis knows no token of this one."""
        async with (
            processes(redis_url, prefix, count=1) as (one,),
            processes(redis_url, f"{prefix}.b", count=1) as (two,),
        ):
            for number, bus in enumerate((one, two)):
                assert await bus.claim("1", "t", f"{number}")
                await bus.publish([event(CHANNEL, f"{number}", token="t")])

            assert [await kept(bus, CHANNEL) for bus in (one, two)] == [["0"], ["1"]]
