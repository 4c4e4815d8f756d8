"""A passage whose sink is busy waits for what concerns it, and is woken by nothing else."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from libs.common.lifecycle.facts import Fact, Kind, Recorded, Stream
from libs.common.lifecycle.memory import MemoryLifecycle
from libs.common.lifecycle.port import Page
from services.presence.bell import Bell
from services.presence.lifecycle.passage import Passage
from tests.support.deadline import DEADLINE

AGES = 1e6
STREAM = Stream("1", 0)


class Hanging:
    """
    A sink that is never done.

    Attributes:
        most: How many calls may be under way.
        asked: How often that was asked.
        begun: How many calls began.
        room: See `Sink.room`.
    """

    name = "hanging"

    def __init__(self, most: int) -> None:
        self.most = most
        self.asked = 0
        self.begun = 0
        self.room = Bell()

    @property
    def depth(self) -> int:
        """See `Sink.depth`."""
        self.asked += 1
        return self.most

    def wants(self, kind: Kind) -> bool:  # noqa: ARG002 - all
        """See `Sink.wants`."""
        return True

    async def take(self, records: Sequence[Recorded]) -> None:  # noqa: ARG002 - none is done with
        """See `Sink.take`."""
        self.begun += 1
        await asyncio.Event().wait()


class WatchedLifecycle(MemoryLifecycle):
    """
    Streams that note the numbers of what is read, page by page.

    Attributes:
        epoch: That of records; empty: it is what it was.
    """

    def __init__(self) -> None:
        super().__init__()
        self.epoch = ""
        self.read_numbers: list[list[int]] = []

    async def read(
        self, stream: Stream, sink: str, *, limit: int, after: Recorded | None = None
    ) -> Page:
        page = await super().read(stream, sink, limit=limit, after=after)
        self.read_numbers.append([record.number for record in page.records])
        return Page([replace(each, epoch=self.epoch or each.epoch) for each in page.records])


class Line:
    """A stream, of which a passage brings the sink what there is."""

    def __init__(self, sink: Hanging) -> None:
        self.lifecycle = WatchedLifecycle()
        self.sink = sink
        self._head = 0
        self._news = Bell()

    async def tell(self) -> None:
        """Record a fact, and let it be seen."""
        await self.lifecycle.record([Fact(kind="member_added", app="1", channel="a", user="7")])
        self._head += 1
        self._news.ring()

    async def has_begun(self, count: int) -> None:
        """Wait for so many calls of the sink."""
        async with asyncio.timeout(DEADLINE):
            while self.sink.begun < count:
                await asyncio.sleep(0)

    @asynccontextmanager
    async def passing(self, *, pause: float) -> AsyncIterator[None]:
        """Have the passage run while the context is open."""
        owner = "owner"
        fences = await self.lifecycle.take(owner, {0}, ttl=AGES)
        passage = Passage(
            self.lifecycle,
            STREAM,
            self.sink,
            fence=lambda: fences[0],
            head=lambda: self._head,
            news=self._news.heard,
            pause=pause,
            counts=Counter(),
            tell_oldest=lambda _since: None,
        )
        running = asyncio.ensure_future(passage.run())
        yield
        running.cancel()
        await asyncio.wait([running])


async def turns() -> None:
    """Let everything go on that can."""
    for _ in range(100):
        await asyncio.sleep(0)


async def test_news() -> None:
    """What follows is brought when it is seen, and not after a pause."""
    line = Line(Hanging(3))
    await line.tell()
    async with line.passing(pause=AGES):
        await line.has_begun(1)
        await turns()
        await line.tell()
        await line.has_begun(2)


async def test_room() -> None:
    """What the sink had no room for is brought when it has."""
    line = Line(Hanging(1))
    await line.tell()
    async with line.passing(pause=AGES):
        await line.has_begun(1)
        await line.tell()
        await turns()
        assert line.sink.begun == 1
        line.sink.most = 3
        line.sink.room.ring()
        await line.has_begun(2)


async def test_at_rest() -> None:
    """While the sink hangs, and has no room, whatever comes wakes nobody."""
    line = Line(Hanging(1))
    await line.tell()
    async with line.passing(pause=0.0):
        await line.has_begun(1)
        await turns()
        asked = line.sink.asked
        await line.tell()
        await turns()

        assert line.sink.asked == asked


async def test_read_once() -> None:
    """What is under way is not read again for what follows it."""
    line = Line(Hanging(3))
    await line.tell()
    async with line.passing(pause=AGES):
        for count in (1, 2, 3):
            await line.has_begun(count)
            await line.tell()
        await turns()

    assert line.lifecycle.read_numbers == [[1], [2], [3]]


async def test_begun_anew() -> None:
    """What comes after data were lost waits for what was under way before."""
    line = Line(Hanging(3))
    await line.tell()
    async with line.passing(pause=AGES):
        await line.has_begun(1)
        line.lifecycle.epoch = "another"
        await line.tell()
        await turns()

    assert line.sink.begun == 1
