"""Records that come from dead letters, on a real Kafka: what cannot be sent is put aside once."""

import asyncio

from structlog.testing import capture_logs

from libs.common.bus.memory import MemoryBus
from libs.common.config.address import Url
from libs.common.eventlog.kafka.log import KafkaEventLog
from libs.common.eventlog.records import NewRecord
from libs.common.leases.memory import MemoryLeases
from libs.common.typists.memory import MemoryTypists
from services.dispatcher.counters import DispatcherCounters
from services.dispatcher.events.dead_letters import PREFIX
from services.dispatcher.pipeline import Pipeline
from services.dispatcher.routing.router import Router
from services.dispatcher.senders import Senders
from services.dispatcher.settings import DispatcherSettings, Route
from tests.support.deadline import DEADLINE
from tests.support.ports.eventlogs import PATIENT, create, fetched, until

LETTER = ("topic", "partition", "offset", "timestamp", "reason", "error")
OURS = tuple((f"{PREFIX}{name}", b"1") for name in LETTER)


def _route(topic: str) -> Route:
    return Route(name=topic, app="1", topic=topic, channels=("c",), event="e")


async def test_put_aside_once(kafka_url: str, prefix: str) -> None:
    """
    A letter that a route reads, or that somebody has copied, is dropped, and the next ones are read.

    Else the dispatcher would feed itself: each letter is a record, and becomes a letter.
    """
    letters, steps = f"{prefix}.letters", f"{prefix}.steps"
    for topic in (letters, steps):
        await create(kafka_url, topic)
    settings = DispatcherSettings(group=prefix, dead_letter_topic=letters)
    router = Router([_route(letters), _route(steps)], topics={"1": "posted"}, settings=settings)
    bus, counters = MemoryBus(), DispatcherCounters()
    typists = MemoryTypists(bus.announce, MemoryLeases(), lambda _: 0)
    async with KafkaEventLog(Url(kafka_url), PATIENT) as events, asyncio.TaskGroup() as tasks:
        await events.append([NewRecord(steps, b"none", headers=OURS), NewRecord(steps, b"none")])
        working = Pipeline(
            settings,
            router,
            events=events,
            bus=bus,
            senders=Senders(typists, counters),
            counters=counters,
        )
        with capture_logs() as logs:
            running = tasks.create_task(working.run())
            async with asyncio.timeout(DEADLINE):
                await until(lambda: counters.records[letters, "dropped"] == 1)
                await events.append([NewRecord(letters, b'{"n": 1}'), NewRecord(letters, b"none")])
                await until(lambda: counters.records[letters, "dropped"] == 2)
        running.cancel()
        async with events.consume([letters], group=f"{prefix}.look") as consumer:
            records = await fetched(consumer, 3)

    assert [record.value for record in records] == [b"none", b'{"n": 1}', b"none"]
    assert counters.records[steps, "dropped"] == counters.records[steps, "dead"] == 1
    assert [line["topic"] for line in logs if line["event"] == "record.dropped"] == [
        steps,
        letters,
        letters,
    ]
