"""The sinks of read receipts: what clients say is stored, and what was stored is told."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import msgspec
import pytest
from structlog.testing import capture_logs

from libs.common.bus.messages import Whisper
from libs.common.channels import Channel
from libs.common.errors import Unavailable
from libs.common.lifecycle.facts import Fact, Kind, Recorded, Stream
from libs.common.lifecycle.memory import MemoryLifecycle
from libs.common.marks.mark import Mark
from libs.common.marks.port import Reading
from libs.common.policies.selections import ReceiptRule, SelectedChannels
from services.presence.receipts.announcer import ReadAnnouncer
from services.presence.receipts.pending import PAUSE
from services.presence.receipts.receipts import Moved, Receipts
from services.presence.receipts.sinks import ReceiptSinks
from tests.support.deadline import DEADLINE
from tests.support.fakes.clock import Clock
from tests.support.fakes.faults import FaultyBus
from tests.support.fakes.lifecycles import FaultyLifecycle
from tests.support.ports.marks import FaultyMarks

CHAT, OTHER = Channel("1", "private-chat.7"), Channel("1", "private-chat.8")
ROOM = Channel("1", "presence-room")
STREAM = Stream("1", 0)
RULES = [
    ReceiptRule(pattern="private-{any*}", app="1"),
    ReceiptRule(pattern="presence-{any*}", app="1", marks="positions"),
]


class SlowLifecycle(MemoryLifecycle):
    """The streams of a process that takes its time to record."""

    def __init__(self, inner: MemoryLifecycle) -> None:
        super().__init__()
        self._inner = inner
        self.asked = asyncio.Event()
        self.goes_on = asyncio.Event()
        self.refused: str | None = None  # A mark that cannot be recorded.

    async def record(self, facts: Sequence[Fact]) -> None:
        self.asked.set()
        await self.goes_on.wait()
        if self.refused in [fact.data for fact in facts]:
            raise Unavailable("roster")
        await self._inner.record(facts)


@dataclass
class Site:
    """
    Receipts, and all that they use.

    Attributes:
        frames: What subscribers were told, as the text of their frames has it.
    """

    marks: FaultyMarks = field(default_factory=FaultyMarks)
    bus: FaultyBus = field(default_factory=FaultyBus)
    lifecycle: FaultyLifecycle = field(default_factory=FaultyLifecycle)
    clock: Clock = field(default_factory=Clock)
    frames: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.receipts = Receipts(
            SelectedChannels(RULES), self.marks, bus=self.bus, lifecycle=self.lifecycle
        )
        self.announcer = ReadAnnouncer(self.bus, self.clock)
        self.sinks = ReceiptSinks(self.receipts, self.announcer)
        self.storing, self.telling = self.sinks.of("1")

    @asynccontextmanager
    async def running(self, *others: Receipts) -> AsyncIterator[None]:
        async with (
            asyncio.timeout(DEADLINE),
            self.bus.listen() as listener,
            asyncio.TaskGroup() as tasks,
        ):
            await listener.follow([CHAT, OTHER, ROOM])
            works = [self.announcer.run(), *(each.run() for each in (self.receipts, *others))]
            running = [tasks.create_task(work) for work in works]
            yield
            for delivery in await listener.receive(0):
                assert isinstance(delivery, Whisper)
                self.frames.append(delivery.broadcast.frame)
            for task in running:
                task.cancel()

    async def recorded(self) -> list[tuple[str, str, str]]:
        """Return what was recorded: channels, users, marks."""
        page = await self.lifecycle.read(STREAM, "test", limit=100)
        facts = [record.fact for record in page.records if record.fact.kind == "message_read"]
        return [(fact.channel, fact.user, fact.data) for fact in facts]

    @property
    def told(self) -> list[dict[str, object]]:
        """The marks that subscribers were told, frame by frame."""
        return [
            msgspec.json.decode(msgspec.json.decode(each)["data"])["marks"] for each in self.frames
        ]


@pytest.fixture
def site() -> Site:
    return Site()


def record(
    upto: str, user: str = "7", *, kind: Kind = "client_read", channel: Channel = CHAT
) -> Recorded:
    fact = Fact(kind=kind, app=channel.app, channel=channel.name, user=user, data=upto)
    return Recorded(STREAM, 1, "e", fact)


def read(upto: str, user: str = "7", *, channel: Channel = CHAT) -> Recorded:
    return record(upto, user, kind="message_read", channel=channel)


class TestSinks:
    """Which apps have it."""

    def test_apps(self, site: Site) -> None:
        """Others' streams are not read for them; they stay the same, each with a place of its own."""
        assert site.sinks.of("2") == ()
        assert list(site.sinks.of("1")) == [site.storing, site.telling]
        assert site.storing.name != site.telling.name

    def test_kinds(self, site: Site) -> None:
        kinds: Sequence[Kind] = ("client_read", "message_read", "client_event")

        assert [site.storing.wants(kind) for kind in kinds] == [True, False, False]
        assert [site.telling.wants(kind) for kind in kinds] == [False, True, False]


class TestStored:
    """What clients say."""

    async def test_stored(self, site: Site) -> None:
        """It is stored, and recorded; of each user the newest, and none that moved back."""
        async with site.running():
            await site.storing.take([record("3"), record("5"), record("9", "8")])
            await site.storing.take([record("4"), record("9", "8")])

        assert await site.marks.mark(CHAT, "7") == Mark(5)
        assert await site.recorded() == [
            (CHAT.name, "7", "5"),
            (CHAT.name, "8", "9"),
            (CHAT.name, "8", "9"),  # Said again, as nobody knows whether it was told.
        ]

    @pytest.mark.parametrize(
        "odd",
        [
            record("e:1"),
            record("x"),
            record("1", "a\n"),
            record("1", channel=ROOM),
            record("past:1", channel=ROOM),
            record("1", channel=Channel("1", "public")),
            record("1", channel=Channel("1", "private-encrypted-x")),
        ],
    )
    async def test_odd(self, site: Site, odd: Recorded) -> None:
        """What is no mark of its channel, by the rules of now, says nothing."""
        async with site.running():
            await site.storing.take([odd, record("1", "8")])

        assert await site.recorded() == [(CHAT.name, "8", "1")]

    async def test_nothing(self, site: Site) -> None:
        async with site.running():
            await site.storing.take([record("x")])

        assert site.marks.moved == []

    async def test_away(self, site: Site) -> None:
        """It comes again; so it does where it was stored, and could not be recorded."""
        async with site.running():
            site.marks.is_away = True
            with pytest.raises(Unavailable, match="marks"):
                await site.storing.take([record("3")])
            site.marks.is_away = False
            site.lifecycle.away_for = {CHAT.name}
            with pytest.raises(Unavailable, match="roster"):
                await site.storing.take([record("3")])
            site.lifecycle.away_for = set()
            await site.storing.take([record("3")])

        assert await site.recorded() == [(CHAT.name, "7", "3")]

    async def test_a_part_away(self, site: Site) -> None:
        """Where a part of Redis is away, channels of the others are stored and recorded."""
        site.lifecycle.away_for, site.bus.away_for = {OTHER.name}, {ROOM}
        (epoch,) = {top.epoch for top in (await site.bus.inner.tops([ROOM])).values()}
        async with site.running():
            taken = await asyncio.gather(
                site.storing.take([record("1")]),
                site.storing.take([record("2", channel=OTHER)]),
                site.storing.take([record(f"{epoch}:0", channel=ROOM)]),
                return_exceptions=True,
            )

        assert [getattr(each, "backend", "") for each in taken] == ["", "roster", "bus"]
        assert await site.recorded() == [(CHAT.name, "7", "1")]

    async def test_full(self, site: Site) -> None:
        """What there is no room for is told to operators, and holds up nobody."""
        async with site.running():
            with capture_logs() as logs:
                await site.storing.take([record("1", f"{number}") for number in range(52)])
                await site.storing.take([record("2", "0")])

        assert await site.marks.mark(CHAT, "0") == Mark(2)
        (line,) = logs
        assert (line["event"], line["log_level"]) == ("marks.refused", "warning")
        assert (line["app"], line["number"], line["pace_by"]) == ("1", 2, "1")


@asynccontextmanager
async def late_process(
    site: Site,
) -> AsyncIterator[tuple[Receipts, "asyncio.Future[Sequence[Moved]]", SlowLifecycle]]:
    """Run another process; it has stored that a user has read up to 5, and not recorded it."""
    lifecycle = SlowLifecycle(site.lifecycle)
    late = Receipts(site.receipts.rules, site.marks, bus=site.bus, lifecycle=lifecycle)
    async with site.running(late):
        moved = asyncio.ensure_future(late.move([Reading(CHAT, "7", Mark(5))]))
        await lifecycle.asked.wait()
        yield late, moved, lifecycle


class TestTwo:
    """Two processes move the same mark."""

    async def test_overtaken(self, site: Site) -> None:
        """Whoever records late what was moved on since tells the mark that stands once more."""
        async with late_process(site) as (_, moved, lifecycle):
            await site.receipts.move([Reading(CHAT, "7", Mark(7))])
            lifecycle.goes_on.set()

            assert await moved == [Mark(5)]

        assert [mark for *_, mark in await site.recorded()] == ["7", "5", "7"]

    async def test_away(self, site: Site) -> None:
        """It does so with the next readings where it could not be asked what stands."""
        async with late_process(site) as (late, moved, lifecycle):
            await site.receipts.move([Reading(CHAT, "7", Mark(7))])
            site.marks.is_away = True
            lifecycle.goes_on.set()
            with pytest.raises(Unavailable, match="marks"):
                await moved
            site.marks.is_away = False

            await late.move([Reading(CHAT, "7", Mark(5))])

        assert [mark for *_, mark in await site.recorded()] == ["7", "5", "7"]

    async def test_part_away(self, site: Site) -> None:
        """Nor is it forgotten where what stands could not be recorded."""
        async with late_process(site) as (late, moved, lifecycle):
            await site.receipts.move([Reading(CHAT, "7", Mark(7))])
            lifecycle.refused = "7"
            lifecycle.goes_on.set()
            await moved
            lifecycle.refused = None

            await late.move([Reading(OTHER, "8", Mark(1))])

        assert [mark for *_, mark in await site.recorded()] == ["7", "5", "7", "1"]

    async def test_erased(self, site: Site) -> None:
        """Nothing more is said of who was forgotten meanwhile."""
        async with late_process(site) as (_, moved, lifecycle):
            await site.marks.erase("1", "7")
            lifecycle.goes_on.set()
            await moved

        assert [mark for *_, mark in await site.recorded()] == ["5"]


class TestTold:
    """What subscribers are told."""

    async def test_coalesced(self, site: Site) -> None:
        """Marks of a channel that come at once are told at once, of each user the newest."""
        async with site.running():
            await site.telling.take([read("3"), read("5"), read("9", "8")])

        assert site.told == [{"7": 5, "8": 9}]

    async def test_pause(self, site: Site) -> None:
        """What comes within a quarter of a second waits for it to be over, and is told then."""
        async with site.running():
            await site.telling.take([read("3")])
            late = asyncio.ensure_future(site.telling.take([read("4")]))
            await site.telling.take([read("1", channel=OTHER)])
            assert not late.done()
            site.clock.now += PAUSE
            await site.telling.take([read("2", channel=OTHER)])  # Which wakes it.
            await late

        assert {"7": 4} in site.told
        assert len(site.told) == 4

    async def test_back(self, site: Site) -> None:
        """A mark that was overtaken on its way is not told, and is done with."""
        async with site.running():
            await site.telling.take([read("5")])
            await site.telling.take([read("4")])

        assert site.told == [{"7": 5}]

    async def test_away(self, site: Site) -> None:
        """Facts come again until subscribers were told."""
        async with site.running():
            site.bus.is_away = True
            with pytest.raises(Unavailable, match="bus"):
                await site.telling.take([read("5")])
            site.bus.is_away = False
            site.clock.now += PAUSE
            await site.telling.take([read("5")])

        assert site.told == [{"7": 5}]

    async def test_marks_away(self, site: Site) -> None:
        """What is stored is told, also while nothing can be stored."""
        site.marks.is_away = True
        async with site.running():
            await site.telling.take([read("5")])

        assert site.told == [{"7": 5}]
