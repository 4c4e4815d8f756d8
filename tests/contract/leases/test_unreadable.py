"""Entries that nobody can read, in all that sweeps and readers look at: they go, or are left out."""

import pytest
from structlog.testing import capture_logs

from libs.common.channels import Channel
from libs.common.errors import Unavailable
from libs.common.leases.redis import SHARE
from libs.common.lifecycle.facts import Fact, Stream
from libs.common.lifecycle.redis import RedisLifecycle, names
from libs.common.redis.keys import Keys
from libs.common.tally.port import Count, Subject
from tests.support.ports.rosters import CHANNEL, LONG, RedisProcess, request

GARBAGE = [b"\xff\xfe", b"", b"none", b"[" * 5000, b"9" * 400, b"channel 9999999 x", b"a b"]
STREAM = Stream("1", 0)


class TestSwept:
    """What a sweep works on."""

    async def test_terms_and_leases(self, one: RedisProcess) -> None:
        """More of it than a sweep looks at: it is taken away, and what is due comes next."""
        await one.roster.join([request(CHANNEL, "ann", socket_id="1.1")])
        await one.roster.leave([request(CHANNEL, "ann", socket_id="1.1").seat], grace=0)
        index = one.keys.index(CHANNEL)
        keys = [
            one.keys.partition(f"{kind}", index)
            for kind in ("roster.leaving", "typists.due", "roster.lapsed")
        ]
        for key in keys:
            for number in range(SHARE + 1):
                await one.ask(key, "ZADD", 0, b"\xff%d" % number)

        for _ in range(3):
            await one.leases.sweep(grace=0)

        assert [await one.ask(key, "ZCARD") for key in keys] == [0, 0, 0]
        assert await one.roster.sizes([CHANNEL]) == [0]

    async def test_holdings(self, one: RedisProcess) -> None:
        """A gateway that ended is done with, whatever else stands among what it held."""
        index = one.keys.index(CHANNEL)
        held = [one.keys.partition(f"{kind}.held:g1", index) for kind in ("roster", "tally")]
        await one.roster.join([request(CHANNEL, "ann", socket_id="1.1")])
        for key in held:
            for text in GARBAGE:
                await one.ask(key, "SADD", text)
        await one.leases.release("g1")

        for _ in range(3):
            await one.leases.sweep(grace=0)

        assert [await one.ask(key, "SCARD") for key in held] == [0, 0]
        assert await one.roster.sizes([CHANNEL]) == [0]


class TestRead:
    """What is asked for."""

    async def test_members(self, one: RedisProcess) -> None:
        """Members whose ids or ``user_info`` cannot be read are left out."""
        await one.roster.join([request(CHANNEL, "ann", socket_id="1.1")])
        infos = one.keys.of("roster.infos", CHANNEL)
        for text in GARBAGE:
            await one.ask(infos, "HSET", b"\xff" + text, "{}")
            await one.ask(infos, "HSET", f"u{len(text)}", text)

        (members,) = await one.roster.members([CHANNEL])

        assert {"ann"} <= members.infos.keys() <= {"ann", "u400"}

    async def test_numbers(self, one: RedisProcess) -> None:
        """What others have of a channel counts nothing where it is no number."""
        subject = Subject("channel", "1", "room")
        key = one.keys.of("tally.channel", ("1", "room"))
        await one.ask(key, "HSET", "g9", "none", "g8", b"\xff")
        outcomes = await one.tally.report("g1", [Count(subject, 3)])

        assert [getattr(each, "total", each) for each in outcomes] == [3]
        assert await one.tally.totals([subject]) == [3]

    @pytest.mark.parametrize("text", GARBAGE)
    async def test_facts(self, one: RedisProcess, text: bytes) -> None:
        """An unreadable fact has its place in the stream, and those beside it theirs."""
        lifecycle = RedisLifecycle(one.connection, Keys(one.keys.prefix, 1))
        facts, heads, *_ = names(Keys(one.keys.prefix, 1), STREAM)
        fact = Fact(kind="cache_miss", app="1", channel="cache-a")
        await lifecycle.record([fact])
        await one.ask(facts, "XADD", "2-0", "at", text)
        (app_head,) = [await one.ask(heads, "HGET", "1")]
        await one.ask(heads, "HSET", "1", app_head.split(b" ")[0] + b" 2")
        await one.ask(heads, "HSET", text + b"\xff", text)
        await lifecycle.record([fact])

        page = await lifecycle.read(STREAM, "topic", limit=10)

        assert [each.number for each in page.records] == [1, 2, 3]
        assert [each.fact.kind for each in page.records] == [
            "cache_miss",
            "unreadable",
            "cache_miss",
        ]
        assert await lifecycle.heads([0]) == {STREAM: 3}

    @pytest.mark.parametrize("text", GARBAGE)
    async def test_heads(self, one: RedisProcess, text: bytes) -> None:
        """A stream whose head is spoilt begins anew."""
        lifecycle = RedisLifecycle(one.connection, Keys(one.keys.prefix, 1))
        _, heads, *_ = names(Keys(one.keys.prefix, 1), STREAM)
        fact = Fact(kind="cache_miss", app="1", channel="cache-a")
        await one.ask(heads, "HSET", "1", text)
        assert not (await lifecycle.read(STREAM, "topic", limit=10)).records

        await lifecycle.record([fact])

        page = await lifecycle.read(STREAM, "topic", limit=10)
        assert [each.number for each in page.records] == [1]


async def test_of_another_kind(one: RedisProcess) -> None:
    """A key that is no such thing makes its channel unavailable, and no other; it is no outage."""
    other = Channel("1", "presence-other")
    await one.ask(one.keys.of("roster.counts", CHANNEL), "RPUSH", "none")
    with capture_logs() as lines:
        answers = await one.roster.join(
            [request(CHANNEL, "ann", socket_id="1.1"), request(other, "ann", socket_id="1.2")]
        )

    assert isinstance(answers[0], Unavailable)
    assert not isinstance(answers[1], Exception)
    assert {line["event"] for line in lines} == {"redis.skipped"}
    await one.leases.renew("g1", ttl=LONG)
