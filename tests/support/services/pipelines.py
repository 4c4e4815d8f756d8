"""A pipeline of the dispatcher between a log and a bus that fail when they are told to."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from libs.common.apps.limits import Limits
from libs.common.eventlog.records import NewRecord, Record
from libs.common.leases.memory import MemoryLeases
from libs.common.typists.memory import MemoryTypists
from services.dispatcher.counters import DispatcherCounters
from services.dispatcher.events.decoding import decode
from services.dispatcher.events.event import DomainEvent
from services.dispatcher.pipeline import Pipeline
from services.dispatcher.routing.router import Router
from services.dispatcher.senders import Senders
from services.dispatcher.settings import DispatcherSettings, Route
from tests.support.fakes.typists import FaultyTypists
from tests.support.ports.eventlogs import until
from tests.support.services.dispatcher import APP, Faults, FaultyBus, FaultyEventLog

Decode = Callable[[Record], DomainEvent | None]

TOPIC, DEAD = "steps", "dead"
SETTINGS = DispatcherSettings(group="group", dead_letter_topic=DEAD, retry_min=0.01, retry_max=0.02)


def route(name: str, channels: tuple[str, ...]) -> Route:
    """Make a route of the topic, which tells the numbers of steps."""
    return Route(
        name=name, topic=TOPIC, type=TOPIC, channels=channels, event="step", data={"n": "data.n"}
    )


ROUTES = (
    route(name="rooms", channels=("{data.room}",)),
    route(name="all", channels=("all",)),
)


class Plant:
    """
    A pipeline, and what it works between.

    Attributes:
        faults: What fails next.
        bus: Where it publishes.
        events: Where it reads, and puts dead letters.
        typists: Whom it tells that somebody has sent something.
        counters: What became of records.
    """

    def __init__(self) -> None:
        self.faults = Faults()
        self.bus = FaultyBus(self.faults)
        self.events = FaultyEventLog(self.faults)
        announce = self.bus.inner.announce
        self.typists = FaultyTypists(lambda: MemoryTypists(announce, MemoryLeases(), lambda _: 0))
        self.counters = DispatcherCounters()

    @asynccontextmanager
    async def running(
        self, decode: Decode = decode, routes: Sequence[Route] = ROUTES
    ) -> AsyncIterator[Pipeline]:
        """Run a pipeline of the group."""
        router = Router(
            routes,
            topics={APP.id: "posted"},
            settings=SETTINGS,
            limits={APP.id: Limits(payload_bytes=100)},
        )
        working = Pipeline(
            SETTINGS,
            router,
            events=self.events,
            bus=self.bus,
            senders=Senders(self.typists, self.counters),
            counters=self.counters,
            decode=decode,
        )
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(working.run())
            yield working
            running.cancel()

    async def tell(self, *values: Any) -> None:
        """Append records with these values: bytes as they are, numbers as steps of room `a`."""
        await self.events.inner.append([NewRecord(TOPIC, value_of(value)) for value in values])

    @property
    def committed(self) -> int:
        """How many records the group is done with."""
        return self.events.inner.committed("group", TOPIC)

    async def wait_until_committed(self, count: int) -> None:
        """Wait until the group is done with so many records."""
        await until(lambda: self.committed == count)

    async def heard(self, name: str) -> list[Any]:
        """Return the numbers in a channel's history."""
        frames = [json.loads(frame) for frame in await self.bus.frames(name)]
        return [json.loads(frame["data"])["n"] for frame in frames]


def value_of(value: Any) -> bytes | None:
    """Write the value of a record, see `Plant.tell`."""
    if value is None or isinstance(value, bytes):
        return value
    return json.dumps({"room": "a", "n": value} if isinstance(value, int) else value).encode()
