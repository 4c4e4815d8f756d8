"""
The event log: domain events in topics, durable and read at least once.

`EventLog` is the port, `MemoryEventLog` its reference implementation for a single process; `eventlog_kafka` is
the other.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from libs.common.records import NewRecord, Record


class Partition(NamedTuple):
    """One ordered part of a topic."""

    topic: str
    number: int


class Consumer(Protocol):
    """
    A member of a consumer group.

    Records of one partition come in order of offset.  What was fetched and not committed comes again to
    whoever gets the partition next: after a restart, or when the group is rebalanced.
    """

    async def fetch(self, timeout: float) -> list[Record]:
        """
        Wait up to ``timeout`` seconds for records, and take a bounded batch.

        Raises:
            Unavailable: The log is away; call again.
        """

    async def commit(self, offsets: Mapping[Partition, int]) -> None:
        """
        Note that all records before these offsets are done with.

        Partitions that the group has given to another member in the meantime are left alone.

        Raises:
            Unavailable: The log is away.
        """


class EventLog(Protocol):
    """
    Domain events in topics.

    What `append` has accepted survives this process and is read at least once by each consumer group, in
    order within a partition; records with the same key share a partition.
    """

    async def append(self, records: Sequence[NewRecord]) -> None:
        """
        Append records; returns when all are stored.

        Raises:
            Unavailable: The log is away or refused; some may have been stored.
        """

    def consume(
        self, topics: Collection[str], *, group: str
    ) -> AbstractAsyncContextManager[Consumer]:
        """
        Join a consumer group; leaving the context leaves it.

        A group that is new to a topic reads it from its beginning.
        """


@dataclass(slots=True)
class _Topic:
    """The records of a topic; those before `base` are forgotten."""

    base: int = 0
    records: list[Record] = field(default_factory=list)


class MemoryEventLog:
    """
    An event log for one process: one partition a topic, lost when the process ends.  See `EventLog`.

    Args:
        retained: Records kept a topic; the oldest tenth is forgotten when there are more, read or not.
        batch: The most records that one fetch returns.
    """

    def __init__(self, *, retained: int = 100_000, batch: int = 500) -> None:
        self._retained = retained
        self._batch = batch
        self._topics: dict[str, _Topic] = {}
        self._committed: dict[tuple[str, str], int] = {}
        self._appended = asyncio.Condition()

    async def append(self, records: Sequence[NewRecord]) -> None:
        """See `EventLog.append`."""
        async with self._appended:
            for record in records:
                self._append(record)
            self._appended.notify_all()

    def _append(self, new: NewRecord) -> None:
        topic = self._topics.setdefault(new.topic, _Topic())
        offset = topic.base + len(topic.records)
        topic.records.append(
            Record(new.topic, 0, offset, time.time(), new.key, new.value, new.headers)
        )
        if len(topic.records) > self._retained:
            forgotten = max(1, self._retained // 10)
            del topic.records[:forgotten]
            topic.base += forgotten

    @asynccontextmanager
    async def consume(self, topics: Collection[str], *, group: str) -> AsyncIterator[Consumer]:
        """See `EventLog.consume`."""
        yield MemoryConsumer(self, sorted(topics), group)

    async def wait(self, positions: Mapping[str, int], timeout: float) -> list[Record]:
        """Wait for records at or after these offsets, and return a batch of them."""
        async with self._appended:
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await self._appended.wait_for(lambda: self._from(positions))
            return self._from(positions)

    def _from(self, positions: Mapping[str, int]) -> list[Record]:
        found: list[Record] = []
        for name, offset in positions.items():
            topic = self._topics.get(name, _Topic())
            start = max(0, offset - topic.base)
            found += topic.records[start : start + self._batch - len(found)]
        return found

    def committed(self, group: str, topic: str) -> int:
        """Return the first offset of a topic that the group is not done with."""
        return self._committed.get((group, topic), 0)

    def commit(self, group: str, offsets: Mapping[Partition, int]) -> None:
        """Note how far a group is."""
        for partition, offset in offsets.items():
            self._committed[group, partition.topic] = offset


class MemoryConsumer:
    """A `Consumer` of a `MemoryEventLog`; a group has one member at a time."""

    def __init__(self, log: MemoryEventLog, topics: list[str], group: str) -> None:
        self._log = log
        self._group = group
        self._positions = {topic: log.committed(group, topic) for topic in topics}

    async def fetch(self, timeout: float) -> list[Record]:
        """See `Consumer.fetch`."""
        records = await self._log.wait(self._positions, timeout)
        for record in records:
            self._positions[record.topic] = record.offset + 1
        return records

    async def commit(self, offsets: Mapping[Partition, int]) -> None:
        """See `Consumer.commit`."""
        self._log.commit(self._group, offsets)
