"""Streams of facts: recorded where they are decided, read in order, by one process at a time."""

import asyncio
import time
from collections.abc import Sequence

import msgspec
import pytest

from libs.common.channels import online_channel
from libs.common.lifecycle.facts import Fact, Recorded, Stream
from libs.common.lifecycle.port import BOUNDS, Fenced, Lifecycle
from libs.common.roster.port import Seat
from libs.common.tally.port import Count, Subject
from tests.support.deadline import DEADLINE
from tests.support.ports.rosters import CHANNEL, LONG, Deployment, request, seated, sweep_away

SINK = "webhook"


async def streams(lifecycle: Lifecycle) -> list[Stream]:
    """Return the streams that have facts."""
    return sorted(await lifecycle.heads(range(lifecycle.partitions)))


async def unread(lifecycle: Lifecycle, sink: str = SINK) -> list[Recorded]:
    """Return what a sink has not had, of all streams."""
    pages = [
        await lifecycle.read(stream, sink, limit=10_000) for stream in await streams(lifecycle)
    ]
    return [record for page in pages for record in page.records]


def told(records: Sequence[Recorded]) -> list[tuple[str, str, str]]:
    """Return what they are about."""
    return [(each.fact.kind, each.fact.channel, each.fact.user) for each in records]


async def fences(lifecycle: Lifecycle, owner: str = "p1", ttl: float = LONG) -> dict[int, int]:
    """Take all partitions."""
    return dict(await lifecycle.take(owner, range(lifecycle.partitions), ttl=ttl))


def client_event(channel: str, number: int) -> Fact:
    return Fact(
        kind="client_event",
        app="1",
        channel=channel,
        event="client-typing",
        data=f'{{"n":{number}}}',
        socket_id="1.2",
        user="ann",
    )


class TestDecided:
    """What the roster and the tally decide is recorded in the same step."""

    async def test_members(self, site: Deployment) -> None:
        """A member is added with its first connection, and removed with its last."""
        before = time.time()
        for socket_id in ("1.1", "1.2"):
            await seated(site.roster, request(CHANNEL, "ann", socket_id=socket_id))
        await seated(site.other, request(CHANNEL, "Zoë|5", socket_id="1.3"))
        for socket_id in ("1.1", "1.2"):
            await site.roster.leave([Seat(CHANNEL, socket_id, "g1")], grace=0.0)

        records = await unread(site.lifecycle)

        assert told(records) == [
            ("member_added", CHANNEL.name, "ann"),
            ("member_added", CHANNEL.name, "Zoë|5"),
            ("member_removed", CHANNEL.name, "ann"),
        ]
        assert [record.number for record in records] == [1, 2, 3]
        assert len({record.id for record in records}) == 3
        assert {record.fact.app for record in records} == {CHANNEL.app}
        assert all(before - 60 < record.fact.at < time.time() + 60 for record in records)

    async def test_swept(self, site: Deployment) -> None:
        """So is what a sweep decides: a grace that is over, a gateway that is gone."""
        await seated(site.roster, request(CHANNEL, "ann", socket_id="1.1"))
        await seated(site.roster, request(CHANNEL, "bob", socket_id="1.2", gateway="g2"))
        await site.roster.leave([Seat(CHANNEL, "1.1", "g1")], grace=0.001)
        await site.leases.release("g2")

        await sweep_away(site.leases, 2)

        assert set(told(await unread(site.lifecycle))[2:]) == {
            ("member_removed", CHANNEL.name, "ann"),
            ("member_removed", CHANNEL.name, "bob"),
        }

    async def test_users(self, site: Deployment) -> None:
        """In a user's own channel devices come and go; the user comes with the first, goes with the last."""
        own = online_channel("1", "auth0|5f/x")
        await seated(site.roster, request(own, "phone", socket_id="1.1"))
        await seated(site.roster, request(own, "desktop", socket_id="1.2"))
        online = await site.other.online("1", prefix="", after="", limit=10)
        (there,) = await site.other.seated([own])
        await site.roster.leave([Seat(own, "1.1", "g1")], grace=0.0)
        await site.roster.leave([Seat(own, "1.2", "g1")], grace=0.0)

        assert told(await unread(site.lifecycle)) == [
            ("user_online", "", "auth0|5f/x"),
            ("user_offline", "", "auth0|5f/x"),
        ]
        assert online == ["auth0|5f/x"]
        assert (there.connections, set(there.members)) == (2, {"phone", "desktop"})
        assert abs(there.since - time.time()) < 60
        assert await site.roster.online("1", prefix="", after="", limit=10) == []
        (gone,) = await site.roster.seated([own])
        assert (gone.since, gone.connections, gone.members) == (0.0, 0, {})

    async def test_online(self, site: Deployment) -> None:
        """Users are named in the order of their ids, page by page, those of one app alone."""
        names = ["zoë", "Zoë", "a", "a1", "a2", "ab", "b", "é"]
        for number, name in enumerate(names):
            own = online_channel("1", name)
            await seated(site.roster, request(own, "d", socket_id=f"1.{number}"))
        await seated(site.roster, request(online_channel("2", "a3"), "d", socket_id="2.1"))

        async def named(prefix: str = "", after: str = "", limit: int = 100) -> list[str]:
            return await site.other.online("1", prefix=prefix, after=after, limit=limit)

        ordered = sorted(names, key=str.encode)
        assert await named() == ordered
        assert await named(limit=3) == ordered[:3]
        assert await named(after=ordered[2], limit=3) == ordered[3:6]
        assert await named("a") == ["a", "a1", "a2", "ab"]
        assert await named("a", after="a1") == ["a2", "ab"]
        assert await named("x") == []

    async def test_occupied(self, site: Deployment) -> None:
        """A channel is occupied by its first subscription on any gateway, and vacated with the last."""

        async def report(gateway: str, number: int, name: str = "room") -> None:
            await site.tally.report(gateway, [Count(Subject("channel", "1", name), number)])

        for gateway, number in (("g1", 1), ("g2", 2), ("g1", 5), ("g1", 0), ("g1", 0), ("g2", 0)):
            await report(gateway, number)
        await report("g2", 1)
        await report("g1", 1, "#server-to-user-7")
        await site.tally.report("g1", [Count(Subject("user", "1", "ann"), 1)])
        await site.leases.release("g2")
        await sweep_away(site.leases, 1)

        records = await unread(site.lifecycle)
        assert told([each for each in records if each.fact.kind != "subscription_count"]) == [
            ("channel_occupied", "room", ""),
            ("channel_vacated", "room", ""),
            ("channel_occupied", "room", ""),
            ("channel_vacated", "room", ""),
        ]

    async def test_vacated_by_several(self, site: Deployment) -> None:
        """A channel whose gateways all die at once is vacated once."""
        for gateway in ("g1", "g2"):
            await site.tally.report(gateway, [Count(Subject("channel", "1", "room"), 1)])
            await site.leases.release(gateway)
        await sweep_away(site.leases, 2)

        kinds = [record.fact.kind for record in await unread(site.lifecycle)]
        assert [kind for kind in kinds if kind != "subscription_count"] == [
            "channel_occupied",
            "channel_vacated",
        ]

    async def test_counts(self, site: Deployment) -> None:
        """Numbers that subscribers are told are recorded too; those of a large channel now and then."""

        async def report(gateway: str, number: int) -> None:
            count = Count(Subject("channel", "1", "room"), number, announced=True)
            await site.tally.report(gateway, [count])

        for gateway, number in (("g1", 1), ("g2", 2), ("g1", 1), ("g1", 101), ("g2", 7), ("g1", 0)):
            await report(gateway, number)

        counts = [
            record.fact.count
            for record in await unread(site.lifecycle)
            if record.fact.kind == "subscription_count"
        ]
        assert counts == [1, 3, 103, 7]

    async def test_recorded(self, site: Deployment) -> None:
        """What no script decides is recorded as it is told."""
        facts = [
            client_event("private-a", 1),
            Fact(kind="subscription_count", app="1", channel="b", count=7),
            Fact(kind="cache_miss", app="2", channel="cache-c"),
        ]
        await site.lifecycle.record(facts)

        records = await unread(site.other_lifecycle)

        assert {_undated(record.fact) for record in records} == set(facts)
        assert all(abs(record.fact.at - time.time()) < 60 for record in records)


def _undated(fact: Fact) -> Fact:
    return msgspec.structs.replace(fact, at=0.0)


class TestReading:
    """Each sink has its own place in each stream."""

    async def test_places(self, site: Deployment) -> None:
        """What one sink is done with another has still to come; a new one begins with the oldest."""
        await site.lifecycle.record([client_event("a", number) for number in range(5)])
        (stream,) = await streams(site.lifecycle)
        held = await fences(site.lifecycle)
        records = (await site.lifecycle.read(stream, SINK, limit=2)).records

        await site.lifecycle.advance(records[-1], SINK, fence=held[stream.partition])

        assert [record.number for record in records] == [1, 2]
        assert [record.number for record in await unread(site.other_lifecycle)] == [3, 4, 5]
        assert len(await unread(site.other_lifecycle, "topic")) == 5
        assert (await site.lifecycle.heads([stream.partition]))[stream] == 5

    async def test_settled(self, site: Deployment) -> None:
        """What all sinks are done with is dropped, and so is what no sink is there for."""
        await site.lifecycle.record([client_event("a", number) for number in range(5)])
        (stream,) = await streams(site.lifecycle)
        fence = (await fences(site.lifecycle))[stream.partition]
        records = (await site.lifecycle.read(stream, SINK, limit=5)).records
        await site.lifecycle.advance(records[3], SINK, fence=fence)
        await site.lifecycle.advance(records[1], "gone", fence=fence)

        await site.lifecycle.settle(stream, [SINK, "topic"], fence=fence)
        for_a_new_one = len(await unread(site.lifecycle, "topic"))
        await site.lifecycle.settle(stream, [SINK], fence=fence)
        left = [record.number for record in await unread(site.lifecycle, "other")]
        await site.lifecycle.settle(stream, [], fence=fence)

        assert for_a_new_one == 5
        assert left == [5]
        assert await unread(site.lifecycle, "other") == []
        assert (await site.lifecycle.heads([stream.partition]))[stream] == 5

    async def test_too_many(self, site: Deployment) -> None:
        """A stream keeps the newest facts; who had read some of them learns how many it missed."""
        await site.lifecycle.record([client_event("a", 0)])
        (stream,) = await streams(site.lifecycle)
        fence = (await fences(site.lifecycle))[stream.partition]
        (first,) = (await site.lifecycle.read(stream, SINK, limit=1)).records
        await site.lifecycle.advance(first, SINK, fence=fence)
        more = BOUNDS.facts + 500
        for start in range(0, more, 500):
            await site.lifecycle.record([client_event("a", start + n) for n in range(500)])

        page = await site.lifecycle.read(stream, SINK, limit=10_000)
        new = await site.lifecycle.read(stream, "new", limit=10_000)

        assert page.lost + len(page.records) == more
        assert (
            BOUNDS.facts <= len(page.records) <= BOUNDS.facts + 200
        )  # Redis drops a hundred at once.
        assert page.records[-1].number == more + 1
        assert new.lost == 0

    async def test_nothing(self, site: Deployment) -> None:
        """A stream without facts has none for anybody."""
        page = await site.lifecycle.read(Stream("1", 0), SINK, limit=10)

        assert (list(page.records), page.lost) == ([], 0)
        assert await streams(site.lifecycle) == []


class TestOwning:
    """A partition has one owner at a time."""

    async def test_taken(self, site: Deployment) -> None:
        """Who has it keeps it; another gets it when it is given up, with a higher fence."""
        held = await fences(site.lifecycle, "p1")
        kept = await fences(site.lifecycle, "p1")
        refused = await fences(site.other_lifecycle, "p2")
        await site.other_lifecycle.release("p2", held)
        still = await fences(site.lifecycle, "p1")
        await site.lifecycle.release("p1", held)
        passed_on = await fences(site.other_lifecycle, "p2")

        assert held == kept == still
        assert refused == {}
        assert passed_on.keys() == held.keys() == set(range(site.lifecycle.partitions))
        assert all(passed_on[partition] > held[partition] for partition in held)

    async def test_lapsed(self, site: Deployment) -> None:
        """Who does not come back in time loses it."""
        held = await fences(site.lifecycle, "p1", ttl=0.001)
        taken: dict[int, int] = {}
        async with asyncio.timeout(DEADLINE):
            while taken.keys() != held.keys():
                taken |= await fences(site.other_lifecycle, "p2")
                await asyncio.sleep(0)

        assert all(taken[partition] > held[partition] for partition in held)

    async def test_given_up(self, site: Deployment) -> None:
        """Who gave a partition up can note nothing any more, also while nobody has it."""
        await site.lifecycle.record([client_event("a", 0)])
        (record,) = await unread(site.lifecycle)
        held = (await fences(site.lifecycle))[record.stream.partition]
        await site.lifecycle.release("p1", range(site.lifecycle.partitions))

        with pytest.raises(Fenced):
            await site.lifecycle.advance(record, SINK, fence=held)

        assert await unread(site.lifecycle) == [record]

    async def test_fenced(self, site: Deployment) -> None:
        """Who was taken over can note nothing any more."""
        await site.lifecycle.record([client_event("a", 0)])
        (stream,) = await streams(site.lifecycle)
        held = (await fences(site.lifecycle, "p1"))[stream.partition]
        (record,) = await unread(site.lifecycle)
        await site.lifecycle.release("p1", range(site.lifecycle.partitions))
        await fences(site.other_lifecycle, "p2")

        with pytest.raises(Fenced):
            await site.lifecycle.advance(record, SINK, fence=held)
        with pytest.raises(Fenced):
            await site.lifecycle.settle(stream, [], fence=held)

        assert await unread(site.other_lifecycle) == [record]
