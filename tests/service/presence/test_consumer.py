"""Facts come to sinks: in order, each once if nothing fails, and none is lost whatever does."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from libs.common.errors import Unavailable
from libs.common.lifecycle.facts import Fact, Kind, Recorded, Stream
from libs.common.lifecycle.memory import MemoryLifecycle
from libs.common.lifecycle.port import Bounds
from services.presence.lifecycle.consumer import FactConsumer
from services.presence.lifecycle.sinks import Sink
from services.presence.settings import PresenceSettings
from tests.support.deadline import DEADLINE

SETTINGS = PresenceSettings(share_ttl=0.5, poll_interval=0.01)
STREAM = Stream("1", 0)


class Notebook:
    """
    A sink that writes down what it is brought.

    Attributes:
        written: All, in order.
        is_away: Whether it can take nothing now.
        taking: Cleared to have it take for ever.
        begun: How many calls began.
    """

    depth = 1
    room = None

    def __init__(self, name: str, *kinds: Kind) -> None:
        self.name = name
        self._kinds = kinds
        self.written: list[Recorded] = []
        self.is_away = False
        self.taking = asyncio.Event()
        self.taking.set()
        self.begun = 0

    def wants(self, kind: Kind) -> bool:
        """See `Sink.wants`."""
        return not self._kinds or kind in self._kinds

    async def take(self, records: Sequence[Recorded]) -> None:
        """See `Sink.take`."""
        self.begun += 1
        await self.taking.wait()
        if self.is_away:
            raise Unavailable("events")
        self.written += records

    @property
    def numbers(self) -> list[int]:
        """The numbers of all that was written, in order."""
        return [record.number for record in self.written]

    async def has(self, count: int) -> None:
        """Wait until so many are written."""
        async with asyncio.timeout(DEADLINE):
            while len(self.written) < count:
                await asyncio.sleep(0)


class Fixed:
    """Sinks of every app."""

    def __init__(self, *sinks: Sink, unknown: int = 0) -> None:
        self.sinks: Sequence[Sink] = sinks
        self.unknown = unknown

    def of(self, app: str) -> Sequence[Sink]:
        """See `Sinks.of`; so many times they are not known yet."""
        assert app == STREAM.app
        if self.unknown:
            self.unknown -= 1
            raise Unavailable("apps")
        return self.sinks


@asynccontextmanager
async def consuming(
    lifecycle: MemoryLifecycle, *sinks: Sink, settings: PresenceSettings = SETTINGS
) -> AsyncIterator[FactConsumer]:
    """Consume while the context is open."""
    consumer = FactConsumer(lifecycle, Fixed(*sinks), settings)
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(consumer.run())
        yield consumer
        task.cancel()


@pytest.fixture
def lifecycle() -> MemoryLifecycle:
    return MemoryLifecycle()


async def tell(lifecycle: MemoryLifecycle, count: int, kind: Kind = "member_added") -> None:
    """Record so many facts."""
    facts = [Fact(kind=kind, app="1", channel="a", user=str(n)) for n in range(count)]
    await lifecycle.record(facts)


async def kept(lifecycle: MemoryLifecycle) -> int:
    """Count what a stream still keeps."""
    return len((await lifecycle.read(STREAM, "nobody", limit=10_000)).records)


async def test_brought(lifecycle: MemoryLifecycle) -> None:
    """Each sink gets what it wants, in order; what all have had is dropped."""
    everything, members = Notebook("everything"), Notebook("members", "member_added")
    async with consuming(lifecycle, everything, members) as consumer:
        await tell(lifecycle, 150)
        await tell(lifecycle, 50, "cache_miss")
        await everything.has(200)
        await members.has(150)
        async with asyncio.timeout(DEADLINE):
            while await kept(lifecycle):
                await asyncio.sleep(0)

    assert everything.numbers == list(range(1, 201))
    assert members.numbers == list(range(1, 151))
    assert consumer.counts == {"facts": 350}
    assert consumer.by_sink == {"everything": {"facts": 200}, "members": {"facts": 150}}


async def test_lag(lifecycle: MemoryLifecycle) -> None:
    """The oldest fact that a sink has not taken tells how late it is; one that has all is not."""
    hanging, other = Notebook("hanging"), Notebook("other")
    hanging.taking.clear()
    async with consuming(lifecycle, hanging, other) as consumer:
        await tell(lifecycle, 1)
        await other.has(1)
        await tell(lifecycle, 1)
        await other.has(2)
        now = other.written[0].fact.at + 3.0
        await shows(consumer, {"hanging": 3.0, "other": 0.0}, now=now)
        hanging.taking.set()
        await shows(consumer, {"hanging": 0.0, "other": 0.0}, now=now)


async def shows(consumer: FactConsumer, lags: Mapping[str, float], *, now: float) -> None:
    """Wait until it shows them."""
    async with asyncio.timeout(DEADLINE):
        while consumer.lags(now) != pytest.approx(lags):
            await asyncio.sleep(0)


async def test_one_hangs(lifecycle: MemoryLifecycle) -> None:
    """A sink that never comes back delays no other, and gets all when it does."""
    hanging, other = Notebook("hanging"), Notebook("other")
    hanging.taking.clear()
    async with consuming(lifecycle, hanging, other):
        await tell(lifecycle, 3)
        await other.has(3)
        await tell(lifecycle, 3)
        await other.has(6)
        waiting = list(hanging.written)
        hanging.taking.set()
        await hanging.has(6)

    assert waiting == []
    assert hanging.numbers == other.numbers == list(range(1, 7))


async def test_away(lifecycle: MemoryLifecycle) -> None:
    """What cannot be taken now comes again, with the same ids."""
    sink = Notebook("sink")
    sink.is_away = True
    async with consuming(lifecycle, sink):
        await tell(lifecycle, 3)
        async with asyncio.timeout(DEADLINE):
            while sink.begun < 2:
                await asyncio.sleep(0)
        sink.is_away = False
        await sink.has(3)

    assert sink.numbers == [1, 2, 3]


async def test_taken_over(lifecycle: MemoryLifecycle) -> None:
    """Another process goes on where one ended; what was under way there comes again."""
    first, second = Notebook("sink"), Notebook("sink")
    async with consuming(lifecycle, first):
        await tell(lifecycle, 3)
        await first.has(3)
        first.taking.clear()
        await tell(lifecycle, 3)
        async with asyncio.timeout(DEADLINE):
            while first.begun < 2:
                await asyncio.sleep(0)
    async with consuming(lifecycle, second):
        await second.has(3)

    assert first.numbers == [1, 2, 3]
    assert second.numbers == [4, 5, 6]


async def test_dead(lifecycle: MemoryLifecycle) -> None:
    """One that died without a word is taken over when its share has lapsed, and notes nothing more."""
    await lifecycle.attend("dead", ttl=0.05)
    (fence,) = (await lifecycle.take("dead", [0], ttl=0.05)).values()
    await tell(lifecycle, 2)
    (one, _) = (await lifecycle.read(STREAM, "sink", limit=2)).records
    sink = Notebook("sink")
    async with consuming(lifecycle, sink) as consumer:
        await sink.has(2)

        assert consumer.partitions == {0}
        with pytest.raises(Unavailable):
            await lifecycle.advance(one, "sink", fence=fence)


class Gates(Notebook):
    """A sink that is busy with each page until it is told to be done with it."""

    depth = 3

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.gates: list[asyncio.Event] = []

    async def take(self, records: Sequence[Recorded]) -> None:
        """See `Sink.take`."""
        self.gates.append(gate := asyncio.Event())
        self.begun += 1
        await gate.wait()
        if self.is_away:
            raise Unavailable("events")
        self.written += records

    async def has_begun(self, count: int) -> None:
        """Wait for so many calls."""
        async with asyncio.timeout(DEADLINE):
            while self.begun < count:
                await asyncio.sleep(0)


async def test_read_ahead(lifecycle: MemoryLifecycle) -> None:
    """A sink may be brought what follows before it is done; its place waits for what comes first."""
    sink = Gates("sink")
    async with consuming(lifecycle, sink):
        for number in range(1, 6):
            await tell(lifecycle, 1)
            await sink.has_begun(min(number, 3))
        sink.gates[1].set()
        await sink.has(1)
        (first, *_) = (await lifecycle.read(STREAM, "sink", limit=10)).records
        assert (first.number, sink.begun) == (1, 3)

        sink.gates[0].set()
        await sink.has_begun(4)
        for gate in sink.gates:
            gate.set()
        await sink.has(5)

    assert sink.numbers == [2, 1, 3, 4, 5]


async def test_read_ahead_comes_again(lifecycle: MemoryLifecycle) -> None:
    """What is not done with when a call fails comes again, and what came before it does not."""
    sink = Gates("sink")
    async with consuming(lifecycle, sink):
        for number in (1, 2, 3):
            await tell(lifecycle, 1)
            await sink.has_begun(number)
        sink.gates[0].set()
        await sink.has(1)
        sink.is_away = True
        sink.gates[1].set()
        await sink.has_begun(4)
        sink.is_away = False
        sink.gates[3].set()
        await sink.has(3)

    assert sink.numbers == [1, 2, 3]


async def test_too_many() -> None:
    """Who is slow is told the last of each subject; what is left out is counted, and said once."""
    lifecycle = MemoryLifecycle(bounds=Bounds(facts=10, subjects=1000))
    sink = Notebook("sink")
    async with consuming(lifecycle, sink) as consumer:
        await tell(lifecycle, 1)
        await sink.has(1)
        sink.is_away = True
        await tell(lifecycle, 300)
        await tell(lifecycle, 5, "cache_miss")
        await tell(lifecycle, 300, "member_removed")
        sink.is_away = False
        with capture_logs() as logs:
            await sink.has(1 + 310)
            async with asyncio.timeout(DEADLINE):
                while await kept(lifecycle):
                    await asyncio.sleep(0)

    # Of those about whom the stream has room for a fact, the last before that is told, too.
    assert sink.numbers == [1, *range(292, 302), *range(307, 607)]
    assert consumer.counts["lost"] == 295
    (line,) = logs
    assert (line["event"], line["sink"], line["lost"]) == ("facts.lost", "sink", 295)


async def test_too_many_while_busy() -> None:
    """So is who is brought more while it is busy; what it is busy with may be superseded meanwhile."""
    lifecycle = MemoryLifecycle(bounds=Bounds(facts=2, subjects=10))
    sink = Gates("sink")
    async with consuming(lifecycle, sink) as consumer:
        await tell(lifecycle, 1)
        await sink.has_begun(1)
        for _ in range(5):
            await tell(lifecycle, 2, "member_removed")
        await sink.has_begun(2)
        await tell(lifecycle, 1, "cache_miss")
        await tell(lifecycle, 4)
        for gate in sink.gates:
            gate.set()
        async with asyncio.timeout(DEADLINE):
            while await kept(lifecycle):
                for gate in sink.gates:
                    gate.set()
                await asyncio.sleep(0)

    assert sink.numbers[-4:] == [13, 14, 15, 16]
    assert sink.numbers[0] == 1
    assert consumer.counts["lost"] == 16 - len(sink.numbers)


async def test_not_known_yet(lifecycle: MemoryLifecycle) -> None:
    """While the apps cannot be read nothing is dropped, and what is recorded comes when they are."""
    sink = Notebook("sink")
    await tell(lifecycle, 3)
    consumer = FactConsumer(lifecycle, Fixed(sink, unknown=3), SETTINGS)
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(consumer.run())
        await sink.has(3)
        task.cancel()

    assert sink.numbers == [1, 2, 3]


async def test_no_sinks(lifecycle: MemoryLifecycle) -> None:
    """What was recorded for a sink that is no more is dropped."""
    await tell(lifecycle, 3)
    async with consuming(lifecycle):
        async with asyncio.timeout(DEADLINE):
            while await kept(lifecycle):
                await asyncio.sleep(0)
