"""The streams of a single process."""

from libs.common.lifecycle.facts import Fact, Recorded, Stream
from libs.common.lifecycle.memory import MemoryLifecycle
from libs.common.lifecycle.port import Bounds, Page

FACT = Fact(kind="cache_miss", app="1", channel="cache-a")


async def recorded() -> Recorded:
    """Record a fact in a process of its own."""
    lifecycle = MemoryLifecycle()
    await lifecycle.record([FACT])
    (stream,) = await lifecycle.heads([0])
    (record,) = (await lifecycle.read(stream, "topic", limit=1)).records
    return record


class TestRestarted:
    """What was there is gone with the process."""

    async def test_ids(self) -> None:
        """Facts of the next process have other ids: whoever was told both takes them for two."""
        assert (await recorded()).id != (await recorded()).id


class TestBounds:
    """A stream keeps the newest, and the last of each subject before."""

    async def test_last_of_each(self) -> None:
        lifecycle = MemoryLifecycle(bounds=Bounds(facts=2, subjects=2))
        users = "abcab"
        await lifecycle.record(
            [Fact(kind="user_online", app="1", user=user) for user in users] + [FACT, FACT, FACT]
        )

        page = await lifecycle.read(Stream("1", 0), "new", limit=10)

        assert [each.fact.user for each in page.records] == ["a", "b", "", ""]
        assert [each.number for each in page.records] == [4, 5, 7, 8]


class TestPage:
    """What is missing is counted from what a sink had."""

    async def test_lost(self) -> None:
        record = await recorded()
        records = [Recorded(record.stream, number, "e", FACT) for number in (5, 6, 9)]

        assert Page.after(2, records).lost == 2 + 2
        assert Page.after(4, records).lost == 2
        assert Page.after(None, records).lost == 2
        assert Page.after(7, []).lost == 0
