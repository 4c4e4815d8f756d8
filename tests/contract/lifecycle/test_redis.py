"""Streams on Redis: what it keeps of them, at their real size, and when it loses its data."""

import pytest

from libs.common.lifecycle.facts import Fact, Recorded, Stream
from libs.common.lifecycle.port import BOUNDS, Bounds, Fenced
from libs.common.lifecycle.redis import RedisLifecycle, names
from libs.common.redis.keys import Keys
from libs.common.tally.port import Count, Subject
from tests.support.ports.rosters import (
    CHANNEL,
    LONG,
    RedisProcess,
    deployment,
    everything,
    redis_process,
    request,
    seated,
    sweep_away,
)

FACT = Fact(kind="cache_miss", app="1", channel="cache-a")
STREAM = Stream("1", 0)
SMALL = Bounds(facts=4, subjects=4)


def added(*users: int) -> list[Fact]:
    return [Fact(kind="member_added", app="1", channel="presence-a", user=str(n)) for n in users]


def small(one: RedisProcess) -> RedisLifecycle:
    """Make a lifecycle of one partition that keeps little."""
    return RedisLifecycle(one.connection, Keys(one.keys.prefix, 1), bounds=SMALL)


async def read(lifecycle: RedisLifecycle, sink: str = "topic") -> list[Recorded]:
    return [*(await lifecycle.read(STREAM, sink, limit=100_000)).records]


class TestLost:
    """Redis loses what it keeps."""

    async def test_fences(self, one: RedisProcess) -> None:
        """Who owned a partition before that can note nothing, though its fence was the first there too."""
        lifecycle = RedisLifecycle(one.connection, one.keys)
        everywhere = range(lifecycle.partitions)
        before = await lifecycle.take("p1", everywhere, ttl=LONG)
        for partition in everywhere:
            await one.ask(one.keys.partition("lifecycle.owner", partition), "DEL")
        after = await lifecycle.take("p2", everywhere, ttl=LONG)
        await lifecycle.record([FACT])
        (stream,) = await lifecycle.heads(everywhere)
        (record,) = (await lifecycle.read(stream, "topic", limit=1)).records

        assert all(after[partition] > before[partition] for partition in everywhere)
        with pytest.raises(Fenced):
            await lifecycle.advance(record, "topic", fence=before[stream.partition])

    async def test_epoch(self, one: RedisProcess) -> None:
        """Where the numbers were lost alone, nothing of what they counted is mistaken for new."""
        lifecycle = small(one)
        (fence,) = (await lifecycle.take("p1", [0], ttl=LONG)).values()
        await lifecycle.record(added(*range(10)))
        before = await read(lifecycle)
        await lifecycle.advance(before[-1], "topic", fence=fence)
        _, heads, *_ = names(Keys(one.keys.prefix, 1), STREAM)
        await one.ask(heads, "DEL")
        await lifecycle.record(added(20, 21))

        after = await read(lifecycle)

        assert [each.fact.user for each in after] == ["20", "21"]
        assert [each.number for each in after] == [1, 2]
        assert {each.epoch for each in after}.isdisjoint(each.epoch for each in before)


class TestHalfSwept:
    """A gateway was cleared, and what it counts is not taken off yet."""

    async def test_occupied(self, redis_url: str, prefix: str) -> None:
        """A channel stays occupied until nobody counts there, whoever says so last."""
        async with redis_process(redis_url, prefix, everything) as one:
            await one.leases.renew("g2", ttl=LONG)
            await one.tally.report("g1", [Count(Subject("channel", "1", "room"), 1)])
            await one.judge()
            for number in (1, 0):
                await one.tally.report("g2", [Count(Subject("channel", "1", "room"), number)])
            await sweep_away(one.leases, 1)
            lifecycle = RedisLifecycle(one.connection, one.keys)
            (stream,) = await lifecycle.heads(range(lifecycle.partitions))
            records = (await lifecycle.read(stream, "topic", limit=100)).records

        kinds = [each.fact.kind for each in records]
        assert [kind for kind in kinds if kind != "subscription_count"] == [
            "channel_occupied",
            "channel_vacated",
        ]


class TestKept:
    """What Redis keeps of a stream."""

    async def test_forgotten(self, one: RedisProcess) -> None:
        """Where the last facts of some subjects are gone those of the others come all the same."""
        lifecycle = small(one)
        (fence,) = (await lifecycle.take("p1", [0], ttl=LONG)).values()
        await lifecycle.record(added(*range(8)))
        *_, latest = names(Keys(one.keys.prefix, 1), STREAM)
        kept = await one.ask(latest, "HKEYS")
        for subject in sorted(kept)[:2]:
            await one.ask(latest, "HDEL", subject)

        told: list[str] = []
        while records := (await lifecycle.read(STREAM, "topic", limit=1)).records:
            told += [each.fact.user for each in records]
            await lifecycle.advance(records[-1], "topic", fence=fence)

        assert len(kept) == 4
        assert told == ["2", "3", "4", "5", "6", "7"]

    async def test_for_a_day(self, one: RedisProcess) -> None:
        """All that is kept of facts is forgotten a day later; a stream that was settled is empty."""
        lifecycle = small(one)
        (fence,) = (await lifecycle.take("p1", [0], ttl=LONG)).values()
        await lifecycle.record(added(*range(10)))
        facts, _, subjects, latest = names(Keys(one.keys.prefix, 1), STREAM)
        ages = [await one.ask(key, "TTL") for key in (facts, subjects, latest)]
        sizes = await one.ask(facts, "XLEN"), await one.ask(latest, "HLEN")
        await lifecycle.settle(STREAM, [], fence=fence)

        assert all(86_000 < age <= 86_400 for age in ages)
        assert sizes == (4, 4)
        assert [await one.ask(key, "EXISTS") for key in (subjects, latest)] == [0, 0]
        assert await one.ask(facts, "XLEN") == 0

    async def test_real_bounds(self, redis_url: str, prefix: str) -> None:
        """Of as many as are kept in earnest each ends as it is, whether the roster decided or not."""
        async with deployment(redis_url, prefix, partitions=1) as site:
            await site.leases.renew("g1", ttl=LONG)
            users = range(2_500)
            requests = [request(CHANNEL, f"{n}", socket_id=f"1.{n}") for n in users]
            await seated(site.roster, *requests)
            await site.roster.leave([each.seat for each in requests[:100]], grace=0.0)
            for start in range(0, BOUNDS.subjects, 500):
                await site.lifecycle.record(added(*range(start, start + 500)))

            page = await site.other_lifecycle.read(STREAM, "topic", limit=100_000)

        total = 2_500 + 100 + BOUNDS.subjects
        numbers = [each.number for each in page.records]
        most = BOUNDS.subjects + BOUNDS.facts
        assert numbers == sorted(set(numbers))
        assert numbers[-1] == total
        assert most <= len(numbers) <= most + 100
        assert numbers[-BOUNDS.facts :] == list(range(total - BOUNDS.facts + 1, total + 1))
        told = {each.fact.user: each.fact.kind for each in page.records if each.number <= 2_600}
        assert {told[f"{n}"] for n in users[:100]} == {"member_removed"}
        assert len(told) == len(numbers) - BOUNDS.subjects
