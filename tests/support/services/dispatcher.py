"""A dispatcher on faulty ports in memory, behind a real server."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

from libs.common.apps.app import App
from libs.common.apps.memory import MemoryApps
from libs.common.apps.port import Apps
from libs.common.bus.memory import MemoryBus
from libs.common.bus.messages import Broadcast, Cached, Position, Publication
from libs.common.bus.port import History, Listener
from libs.common.channels import Channel
from libs.common.config.address import Address
from libs.common.config.secret import Secret
from libs.common.control.memory import MemoryControl
from libs.common.errors import Unavailable
from libs.common.eventlog.memory import MemoryEventLog
from libs.common.eventlog.port import Browser, Consumer
from libs.common.eventlog.records import NewRecord, Partition, Record
from libs.common.leases.memory import MemoryLeases
from libs.common.rates.memory import MemoryRates
from libs.common.rates.port import Act
from libs.common.roster.memory import MemoryRoster
from libs.common.tally.memory import MemoryTally
from libs.common.telemetry.tracing.tracer import UNTRACED, Tracer
from libs.common.typists.memory import MemoryTypists
from libs.common.typists.port import Typists
from libs.common.web.server import Server
from services.dispatcher.service import Dispatcher
from services.dispatcher.settings import DispatcherSettings, Route
from tests.support.deadline import DEADLINE
from tests.support.fakes.typists import FaultyTypists
from tests.support.serving import serving

APP = App(id="1", key="app-key", secrets=(Secret("app-secret"),), topic="posted")
OFF = App(id="2", key="off-key", secrets=(Secret("off-secret"),), enabled=False)
LOOPBACK = (Address("127.0.0.1", 0),)


@dataclass(slots=True)
class Faults:
    """
    What fails next.

    Attributes:
        left: Operation to how many more times it fails.
        met: Operation to how often it failed.
    """

    left: Counter[str] = field(default_factory=Counter)
    met: Counter[str] = field(default_factory=Counter)

    def check(self, operation: str, backend: str) -> None:
        """
        Fail if it is time to.

        Raises:
            Unavailable: It is.
        """
        if self.left[operation] > 0:
            self.left[operation] -= 1
            self.met[operation] += 1
            raise Unavailable(backend)


class FaultyBus:
    """
    A bus of which a test decides what fails: ``publish``, ``claim``, ``last``.

    Attributes:
        inner: The bus itself.
        applied: How many publications of a call that fails are applied nevertheless.
    """

    def __init__(self, faults: Faults) -> None:
        self.inner = MemoryBus()
        self.applied = 0
        self._faults = faults

    async def check(self) -> None:
        """See `Bus.check`."""

    async def publish(self, publications: Sequence[Publication]) -> list[Position]:
        """See `Bus.publish`."""
        try:
            self._faults.check("publish", "bus")
        except Unavailable:
            await self.inner.publish(publications[: self.applied])
            raise
        return await self.inner.publish(publications)

    async def claim(self, app: str, token: str, digest: str) -> bool:
        """See `Bus.claim`."""
        self._faults.check("claim", "bus")
        return await self.inner.claim(app, token, digest)

    async def last(self, channels: Collection[Channel]) -> dict[Channel, Cached | None]:
        """See `Bus.last`."""
        self._faults.check("last", "bus")
        return await self.inner.last(channels)

    async def frames(self, name: str, *, app: App = APP) -> list[bytes]:
        """Return the frames in a channel's history, in order."""
        return [broadcast.frame for broadcast in await self.broadcasts(name, app=app)]

    async def broadcasts(self, name: str, *, app: App = APP) -> list[Broadcast]:
        """Return what is in a channel's history, in order."""
        channel = Channel(app.id, name)
        top = (await self.inner.tops([channel]))[channel]
        history = await self.inner.history(channel, Position(top.epoch, 0), limit=1000)
        assert history.entries is not None
        return [entry.broadcast for entry in history.entries]

    async def whisper(self, channel: Channel, broadcast: Broadcast) -> None:
        """See `Bus.whisper`."""
        await self.inner.whisper(channel, broadcast)

    async def history(self, channel: Channel, after: Position, *, limit: int) -> History:
        """See `Bus.history`."""
        return await self.inner.history(channel, after, limit=limit)

    async def tops(self, channels: Collection[Channel]) -> dict[Channel, Position]:
        """See `Bus.tops`."""
        return await self.inner.tops(channels)

    def listen(self) -> AbstractAsyncContextManager[Listener]:
        """See `Bus.listen`."""
        return self.inner.listen()


class FaultyEventLog:
    """
    An event log of which a test decides what fails: ``append``, ``fetch``, ``commit``.

    Attributes:
        inner: The log itself.
        missing: Topics that are not there.
    """

    def __init__(self, faults: Faults, *, max_record: int = 10_000) -> None:
        self.inner = MemoryEventLog(batch=10, max_record=max_record)
        self.missing: set[str] = set()
        self._faults = faults

    async def check(self, topics: Collection[str] = ()) -> None:
        """See `EventLog.check`."""
        for topic in self.missing.intersection(topics):
            raise Unavailable("events") from LookupError(f"there is no topic {topic}")

    async def append(self, records: Sequence[NewRecord]) -> None:
        """See `EventLog.append`."""
        self._faults.check("append", "events")
        await self.inner.append(records)

    def browse(self, topic: str) -> AbstractAsyncContextManager[Browser]:
        """See `EventLog.browse`."""
        return self.inner.browse(topic)

    @asynccontextmanager
    async def consume(self, topics: Collection[str], *, group: str) -> AsyncIterator[Consumer]:
        """See `EventLog.consume`."""
        async with self.inner.consume(topics, group=group) as consumer:
            yield FaultyConsumer(consumer, self._faults, partial(self.check, topics))

    async def records(self, topic: str, count: int) -> list[Record]:
        """Wait for so many records of a topic, and return them."""
        found: list[Record] = []
        async with (
            asyncio.timeout(DEADLINE),
            self.inner.consume([topic], group="test") as consumer,
        ):
            while len(found) < count:
                found += await consumer.fetch(1.0)
        return found


class FaultyConsumer:
    """A `Consumer` of a `FaultyEventLog`."""

    def __init__(
        self, inner: Consumer, faults: Faults, check: Callable[[], Awaitable[None]]
    ) -> None:
        self._inner = inner
        self._faults = faults
        self._check = check

    async def check(self) -> None:
        """See `Consumer.check`."""
        await self._check()

    def shares(self) -> Mapping[Partition, int]:
        """See `Consumer.shares`."""
        return self._inner.shares()

    async def fetch(self, timeout: float) -> list[Record]:
        """See `Consumer.fetch`."""
        self._faults.check("fetch", "events")
        return await self._inner.fetch(timeout)

    async def commit(self, offsets: Mapping[Partition, int]) -> None:
        """See `Consumer.commit`."""
        self._faults.check("commit", "events")
        await self._inner.commit(offsets)


class FaultyRates:
    """
    Rates of which a test decides what fails: ``take``.

    Attributes:
        now: The time, in seconds.
        taken: What was asked for.
    """

    def __init__(self, faults: Faults) -> None:
        self.now = 0.0
        self.taken: list[tuple[Act, float, int]] = []
        self._inner = MemoryRates(lambda: self.now)
        self._faults = faults

    async def check(self) -> None:
        """See `Rates.check`."""

    async def take(self, act: Act, *, rate: float, cost: int = 1) -> float:
        """See `Rates.take`."""
        self.taken.append((act, rate, cost))
        self._faults.check("take", "rates")
        return await self._inner.take(act, rate=rate, cost=cost)


class AwayApps(MemoryApps):
    """Apps that were never read."""

    def by_id(self, app_id: str) -> App:  # noqa: ARG002 - nothing is known.
        raise Unavailable("apps")

    def by_key(self, key: str) -> App:  # noqa: ARG002 - nothing is known.
        raise Unavailable("apps")


@dataclass(frozen=True, slots=True)
class ServedDispatcher:
    """
    A dispatcher that is served.

    Attributes:
        url: Where back ends come.
        internal: Where operators come.
        faults: What fails next.
        bus: Where it publishes.
        events: Where it appends.
        control: Where it gives commands.
        roster: Where it reads users.
        tally: Where it reads subscriptions.
        typists: Whom it tells that somebody has sent something.
        rates: Where it counts what apps do.
    """

    url: str
    internal: str
    faults: Faults
    bus: FaultyBus
    events: FaultyEventLog
    control: MemoryControl
    roster: MemoryRoster
    tally: MemoryTally
    typists: FaultyTypists
    rates: FaultyRates


@asynccontextmanager
async def served_dispatcher(
    apps: Apps | None = None,
    *,
    has_events: bool = True,
    routes: Sequence[Route] = (),
    typists: Typists | None = None,
    tracer: Tracer = UNTRACED,
) -> AsyncIterator[ServedDispatcher]:
    """
    Serve a dispatcher, for the apps `APP` and `OFF` or others, mostly without routes.

    It may have no log of events.
    """
    faults = Faults()
    bus, events = FaultyBus(faults), FaultyEventLog(faults)
    control, rates = MemoryControl(), FaultyRates(faults)
    leases = MemoryLeases()
    roster = MemoryRoster(bus.inner.announce, leases)
    tally = MemoryTally(bus.inner.announce, leases)
    inner = typists or MemoryTypists(bus.inner.announce, leases, roster.size)
    faulty = FaultyTypists(lambda: inner)
    dispatcher = Dispatcher(
        DispatcherSettings(),
        apps or MemoryApps([APP, OFF]),
        routes=routes,
        bus=bus,
        events=events if has_events else None,
        control=control,
        roster=roster,
        tally=tally,
        typists=faulty,
        rates=rates,
        tracer=tracer,
    )
    async with serving(Server([dispatcher], LOOPBACK, LOOPBACK)) as bound:
        public, internal = (f"http://{each[0]}" for each in (bound.public, bound.internal))
        yield ServedDispatcher(
            public, internal, faults, bus, events, control, roster, tally, faulty, rates
        )
