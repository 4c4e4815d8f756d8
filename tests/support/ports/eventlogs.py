"""What the tests of the event log share: quick settings, and ways to fetch, append and wait."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete

from libs.common.errors import Unavailable
from libs.common.eventlog.kafka.settings import KafkaSettings
from libs.common.eventlog.port import Consumer, EventLog
from libs.common.eventlog.records import NewRecord, Partition, Record
from tests.support.deadline import DEADLINE
from tests.support.servers.process import POLL_INTERVAL, eventually

# A group finds out by its heartbeats that its members change, so these are what the tests wait for.
SETTINGS = KafkaSettings(
    session_timeout=2.0,
    heartbeat_interval=0.2,
    rebalance_timeout=2.5,
    release_timeout=0.5,
    request_timeout=3.5,
    delivery_timeout=DEADLINE / 2,  # Of a broker that stays.
    commit_timeout=1.0,
    silence_timeout=0.45,
    stall_timeout=2.0,
    metadata_interval=0.5,
)

# Where no client is to be given up, however busy the machine is.
PATIENT = msgspec.structs.replace(
    SETTINGS, session_timeout=20.0, silence_timeout=5.0, stall_timeout=20.0, commit_timeout=10.0
)
IMPATIENT = msgspec.structs.replace(SETTINGS, delivery_timeout=2.0)  # Of one that goes.

AIOKAFKA = ("AIOKafka", "Accumulator", "Coordinator", "Fetcher", "Sender")  # Where its tasks are.


async def fetched(consumer: Consumer, count: int) -> list[Record]:
    """Fetch until there are this many records."""
    records: list[Record] = []
    async with asyncio.timeout(DEADLINE):
        while len(records) < count:
            records += await consumer.fetch(1.0)
    return records


async def endured(consumer: Consumer, wanted: Collection[bytes]) -> list[Record]:
    """Fetch until all these values have come, whatever happens in between."""
    records: list[Record] = []
    async with asyncio.timeout(DEADLINE):
        while not {*values(records)}.issuperset(wanted):
            try:
                records += await consumer.fetch(0.2)
            except Unavailable:
                continue
    return records


async def refused(consumer: Consumer) -> Unavailable:
    """Fetch until the log is said to be away."""
    async with asyncio.timeout(DEADLINE):
        while True:
            try:
                await consumer.fetch(0.2)
            except Unavailable as error:
                return error


async def appended(log: EventLog, records: Sequence[NewRecord]) -> None:
    """Append, again and again until all is stored."""
    async with asyncio.timeout(DEADLINE):
        while True:
            try:
                return await log.append(records)
            except Unavailable:
                await asyncio.sleep(POLL_INTERVAL)


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds that no event tells."""

    async def asked() -> bool:
        return holds()

    await eventually(asked, timeout=DEADLINE)


async def create(
    url: str, topic: str, *, partitions: int = 1, configs: Mapping[str, str] | None = None
) -> None:
    """Create a topic on a Kafka."""
    new = NewTopic(topic, partitions, 1, topic_configs={**(configs or {})})
    async with _admin(url) as admin:
        await admin.create_topics([new])


async def delete(url: str, partition: Partition, *, before: int) -> None:
    """Delete records of a Kafka, as an operator can."""
    async with _admin(url) as admin:
        await admin.delete_records({TopicPartition(*partition): RecordsToDelete(before)})


@asynccontextmanager
async def _admin(url: str) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=url.removeprefix("kafka://"))
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


@asynccontextmanager
async def upstream(url: str, **options: Any) -> AsyncIterator[AIOKafkaProducer]:
    """Open somebody else's producer."""
    servers = url.removeprefix("kafka://")
    async with AIOKafkaProducer(bootstrap_servers=servers, **options) as producer:
        yield producer


def numbered(topic: str, numbers: range) -> list[NewRecord]:
    """Make records whose values are numbers."""
    return [NewRecord(topic, value) for value in values_of(numbers)]


def values_of(numbers: range) -> list[bytes]:
    """Return the values of `numbered`."""
    return [b"%d" % number for number in numbers]


def values(records: Sequence[Record]) -> list[bytes | None]:
    """Return the values of records."""
    return [record.value for record in records]


def after(records: Sequence[Record]) -> dict[Partition, int]:
    """Return the offsets that say that these records are done with."""
    return {Partition(r.topic, r.partition): r.offset + 1 for r in records}


def aiokafka_tasks() -> set[asyncio.Task[object]]:
    """Return the tasks of aiokafka that run: those of other tests' deployments too."""
    return {
        task
        for task in asyncio.all_tasks()
        if any(part in str(task.get_coro()) for part in AIOKAFKA)
    }
