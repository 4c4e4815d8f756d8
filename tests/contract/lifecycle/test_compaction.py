"""Of facts that a stream has no room for the last about each subject stays, for whoever reads late."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from itertools import cycle, islice

import pytest

from libs.common.channels import Channel, online_channel
from libs.common.lifecycle.facts import KINDS, Fact, Kind, Recorded, Stream
from libs.common.lifecycle.port import Bounds, Lifecycle, Page
from libs.common.roster.port import Seat
from libs.common.tally.port import Count, Subject
from tests.support.ports.rosters import LONG, Deployment, deployment, request, seated

BOUNDS = Bounds(facts=6, subjects=8)
STREAM = Stream("1", 0)
SINK = "webhook"


@pytest.fixture
async def small(roster_url: str, prefix: str) -> AsyncIterator[Deployment]:
    """Yield a deployment of one partition that keeps little, with a lease for g1."""
    async with deployment(roster_url, prefix, partitions=1, bounds=BOUNDS) as site:
        await site.leases.renew("g1", ttl=LONG)
        yield site


@pytest.fixture
def lifecycle(small: Deployment) -> Lifecycle:
    return small.lifecycle


async def record(lifecycle: Lifecycle, facts: Sequence[Fact]) -> list[Recorded]:
    """Record facts, and return all as whoever is quick is told them."""
    fence = await fence_of(lifecycle)
    had: list[Recorded] = []
    for fact in facts:
        await lifecycle.record([fact])
        new = (await lifecycle.read(STREAM, "quick", limit=100)).records
        await lifecycle.advance(new[-1], "quick", fence=fence)
        had += new
    return had


async def fence_of(lifecycle: Lifecycle) -> int:
    """Take the partition."""
    return (await lifecycle.take("p1", [0], ttl=LONG))[0]


def left_of(records: Sequence[Recorded], bounds: Bounds = BOUNDS) -> list[Recorded]:
    """Tell what should be kept of all that was recorded."""
    dropped, newest = records[: -bounds.facts], records[-bounds.facts :]
    last = {each.fact.subject: each for each in dropped if each.fact.subject}
    oldest = sorted(last.values(), key=lambda each: each.number)
    return [*oldest[-bounds.subjects :], *newest]


def member(user: str, kind: Kind = "member_added", channel: str = "presence-a") -> Fact:
    return Fact(kind=kind, app="1", channel=channel, user=user)


def of_all_kinds(count: int) -> list[Fact]:
    """Make facts of all kinds, about two of everything."""
    every = cycle((kind, name) for name in "ab" for kind in KINDS)
    return [
        Fact(
            kind=kind,
            app="1",
            channel="" if kind.startswith("user") else f"presence-{name}",
            user="" if kind.startswith(("channel", "sub", "cache")) else f"Zoë {name}",
            count=3 if kind == "subscription_count" else 0,
        )
        for kind, name in islice(every, count)
    ]


async def read_on(lifecycle: Lifecycle, sink: str, *, limit: int) -> list[Page]:
    """Read page by page, and note each, until there are no more."""
    fence, pages = await fence_of(lifecycle), list[Page]()
    while (page := await lifecycle.read(STREAM, sink, limit=limit)).records:
        pages.append(page)
        await lifecycle.advance(page.records[-1], sink, fence=fence)
    return pages


async def test_last_of_each(lifecycle: Lifecycle) -> None:
    """The last fact of each subject stays what it was: its number, date, id and all."""
    had = await record(lifecycle, of_all_kinds(40))

    page = await lifecycle.read(STREAM, SINK, limit=100)

    assert list(page.records) == left_of(had)
    assert len(page.records) == len({each.id for each in page.records}) == 8 + 6
    assert all(each.fact.at for each in page.records)
    assert [each.after_gap for each in page.records] == [True] * 8 + [False] * 6


async def test_same_state_ends_the_same(lifecycle: Lifecycle) -> None:
    """A channel's occupation, its count, its members and users of the same name are apart."""
    kinds: tuple[Kind, ...] = ("channel_occupied", "subscription_count", "member_added")
    facts = [
        *(Fact(kind=kind, app="1", channel="presence-a", user="", count=1) for kind in kinds),
        Fact(kind="user_online", app="1", user="presence-a"),
        member("ab", channel="presence-"),
        member("b", channel="presence-a"),
    ]
    await record(lifecycle, [*facts, *(member(str(n)) for n in range(6))])

    page = await lifecycle.read(STREAM, SINK, limit=100)

    assert [each.number for each in page.records] == list(range(1, 13))


async def test_stateless(lifecycle: Lifecycle) -> None:
    """What tells no state is not kept, and counted for whoever had something before."""
    fence = await fence_of(lifecycle)
    (first,) = await record(lifecycle, [member("ann")])
    await lifecycle.advance(first, SINK, fence=fence)
    await record(lifecycle, [Fact(kind="client_event", app="1", channel="a", event="e")] * 3)
    await record(lifecycle, [Fact(kind="cache_miss", app="1", channel="a")] * 3)
    await record(lifecycle, [member("bob"), *(member(str(n)) for n in range(6))])

    page = await lifecycle.read(STREAM, SINK, limit=100)
    new = await lifecycle.read(STREAM, "new", limit=100)

    assert [each.number for each in page.records] == list(range(8, 15))
    assert page.lost == 6
    assert [each.number for each in new.records] == [1, *range(8, 15)]


async def test_too_many_subjects(lifecycle: Lifecycle) -> None:
    """The oldest go; whom something became of again is not the oldest any more."""
    had = await record(lifecycle, [member(str(n)) for n in range(8)])
    had += await record(lifecycle, [member("0", "member_removed")])
    had += await record(lifecycle, [member(str(n)) for n in range(8, 14)])

    page = await lifecycle.read(STREAM, SINK, limit=100)

    assert list(page.records) == left_of(had)
    assert [each.fact.user for each in page.records] == [*"1234567", "0", *map(str, range(8, 14))]


@pytest.mark.parametrize("limit", [1, 3, 100])
async def test_pages(lifecycle: Lifecycle, limit: int) -> None:
    """Page by page all comes once, in order; what is left out is counted with what follows it."""
    fence = await fence_of(lifecycle)
    had = await record(lifecycle, [member("ann")])
    await lifecycle.advance(had[0], SINK, fence=fence)
    had += await record(lifecycle, of_all_kinds(30))

    pages = await read_on(lifecycle, SINK, limit=limit)

    read = [each for page in pages for each in page.records]
    assert read == [each for each in left_of(had) if each.number > 1]
    assert sum(page.lost for page in pages) == 30 - len(read)
    assert max(len(page.records) for page in pages) <= limit


@pytest.mark.parametrize("limit", [1, 3, 100])
async def test_ahead(lifecycle: Lifecycle, limit: int) -> None:
    """Who reads ahead of its place is told what follows, as if it had had all before."""
    had = await record(lifecycle, of_all_kinds(30))

    page, ahead = await lifecycle.read(STREAM, SINK, limit=limit), list[Page]()
    while page.records:
        ahead.append(page)
        page = await lifecycle.read(STREAM, SINK, limit=limit, after=page.records[-1])

    read = [each for page in ahead for each in page.records]
    assert read == left_of(had)
    assert sum(page.lost for page in ahead) == 30 - len(read) - read[0].number + 1
    stranger = replace(read[5], epoch="another")
    begun = await lifecycle.read(STREAM, SINK, limit=100, after=stranger)
    assert list(begun.records) == read


async def test_while_reading(lifecycle: Lifecycle) -> None:
    """What becomes so between two pages does not keep a sink from ending with the last of each."""
    facts = [member(str(n % 5), ("member_added", "member_removed")[n % 2]) for n in range(60)]
    fence, told = await fence_of(lifecycle), list[Recorded]()
    had: list[Recorded] = []
    for start in range(0, 60, 10):
        had += await record(lifecycle, facts[start : start + 10])
        page = await lifecycle.read(STREAM, SINK, limit=4)
        told += page.records
        await lifecycle.advance(page.records[-1], SINK, fence=fence)
    told += [each for page in await read_on(lifecycle, SINK, limit=4) for each in page.records]

    assert [each.number for each in told] == sorted({each.number for each in told})
    assert {each.fact.subject: each for each in told} == {each.fact.subject: each for each in had}


async def test_settled(lifecycle: Lifecycle) -> None:
    """What all have had goes, the oldest first: whoever is new then is told nothing that is not so."""
    fence = await fence_of(lifecycle)
    had = await record(lifecycle, of_all_kinds(30))
    left = left_of(had)
    await lifecycle.advance(left[3], SINK, fence=fence)

    await lifecycle.settle(STREAM, ["quick", SINK], fence=fence)
    some = (await lifecycle.read(STREAM, "new", limit=100)).records
    await lifecycle.advance(left[10], SINK, fence=fence)
    await lifecycle.settle(STREAM, ["quick", SINK], fence=fence)
    fewer = (await lifecycle.read(STREAM, "new", limit=100)).records
    await lifecycle.settle(STREAM, [], fence=fence)
    none = (await lifecycle.read(STREAM, "new", limit=100)).records

    assert list(some) == left[4:]
    assert list(fewer) == left[11:]
    assert list(none) == []


async def test_decided(small: Deployment) -> None:
    """What the roster and the tally decide is kept so, too."""
    for n in range(3):
        channel, own = Channel("1", f"presence-{n}"), online_channel("1", f"u{n}")
        for number in (1, 0, 1) if n == 1 else (1, 0):
            count = Count(Subject("channel", "1", channel.name), number, announced=True)
            await small.tally.report("g1", [count])
        for place in (channel, own):
            await seated(small.roster, request(place, "ann", socket_id="1.1"))
        for place in (channel, own) if n != 1 else ():
            await small.roster.leave([Seat(place, "1.1", "g1")], grace=0.0)

    records = (await small.other_lifecycle.read(STREAM, SINK, limit=100)).records

    last = {each.fact.subject: each.fact.kind for each in records}
    assert last == {
        ("occupancy", "presence-0", ""): "channel_vacated",
        ("membership", "presence-0", "ann"): "member_removed",
        ("online", "", "u0"): "user_offline",
        ("occupancy", "presence-1", ""): "channel_occupied",
        ("membership", "presence-1", "ann"): "member_added",
        ("online", "", "u1"): "user_online",
        ("occupancy", "presence-2", ""): "channel_vacated",
        ("membership", "presence-2", "ann"): "member_removed",
        ("online", "", "u2"): "user_offline",
    }
