"""Reads a topic on Kafka from its beginning to its present end, in no group; for operators."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import UnknownTopicOrPartitionError

from libs.common.errors import Unavailable
from libs.common.eventlog.kafka.clients import TROUBLE, KafkaClients, close_reader
from libs.common.eventlog.kafka.pump import POLL, Unreadable, converted, decoding
from libs.common.eventlog.records import Record

_Places = Mapping[TopicPartition, int]


class KafkaBrowser:
    """
    A `Browser` of a `KafkaEventLog`.

    Args:
        client: Assigned to all partitions of the topic.
        begins: Their beginnings.
        ends: Their ends, at which the reading ends, too.
        batch: Records of one reply at most.
        patience: Seconds without any record after which Kafka counts as away.

    Attributes:
        total: Records that there are, or fewer: offsets may be left out.
    """

    def __init__(
        self,
        client: AIOKafkaConsumer,
        begins: _Places,
        ends: _Places,
        *,
        batch: int,
        patience: float,
    ) -> None:
        self._client = client
        self._ends = ends
        self._left = {partition for partition, end in ends.items() if begins[partition] < end}
        self._batch = batch
        self._patience = patience
        self.total = sum(ends[partition] - begins[partition] for partition in self._left)

    async def next(self) -> list[Record]:
        """See `Browser.next`."""
        with _translated():
            return await self._next()

    async def _next(self) -> list[Record]:
        waits_until = _now() + self._patience
        while self._left:
            with decoding():
                batches = await self._client.getmany(
                    *self._left, timeout_ms=round(POLL * 1000), max_records=self._batch
                )
            records, _ = converted(batches)
            await self._look()
            wanted = [record for record in records if record.offset < self._end(record)]
            if wanted:
                return wanted
            if _now() > waits_until:
                raise Unavailable("events") from TimeoutError("no record comes")
        return []

    async def _look(self) -> None:
        """See which partitions are read to their ends."""
        for partition in list(self._left):
            async with asyncio.timeout(self._patience):
                position = await self._client.position(partition)
            if position >= self._ends[partition]:
                self._left.discard(partition)

    def _end(self, record: Record) -> int:
        return self._ends[TopicPartition(record.topic, record.partition)]


@asynccontextmanager
async def browsing(clients: KafkaClients, topic: str) -> AsyncIterator[KafkaBrowser]:
    """
    Read a topic; one that is not there is empty.

    Raises:
        Unavailable: Kafka is away, or refuses.
    """
    settings = clients.settings
    client = clients.reader(topic)
    try:
        with _translated():
            begins, ends = await _bounds(client)
        yield KafkaBrowser(
            client, begins, ends, batch=settings.batch, patience=settings.request_timeout
        )
    finally:
        await close_reader(client)


@contextmanager
def _translated() -> Iterator[None]:
    """Turn what shows Kafka away, unwilling or unreadable into `Unavailable`."""
    try:
        yield
    except (*TROUBLE, Unreadable) as error:
        raise Unavailable("events") from error


async def _bounds(client: AIOKafkaConsumer) -> tuple[Any, Any]:
    """Start a client; return where its partitions begin, and where they end."""
    try:
        await client.start()
    except UnknownTopicOrPartitionError:
        return {}, {}
    partitions = client.assignment()
    return await client.beginning_offsets(partitions), await client.end_offsets(partitions)


def _now() -> float:
    return asyncio.get_running_loop().time()
