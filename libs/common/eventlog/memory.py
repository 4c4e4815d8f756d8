"""The event log of a single process: the reference implementation of `port.EventLog`."""

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from libs.common.eventlog.port import Consumer
from libs.common.eventlog.records import (
    MAX_RECORD,
    NewRecord,
    Partition,
    Record,
    RecordTooLarge,
    size_of,
)


@dataclass(slots=True)
class _Topic:
    """The records of a topic; those before `base` are forgotten."""

    base: int = 0
    records: list[Record] = field(default_factory=list)


class MemoryEventLog:
    """
    An event log for one process, one partition a topic, gone with the process.  See `EventLog`.

    Args:
        retained: Records kept a topic; the oldest tenth is forgotten when there are more, read or
            not.
        batch: The most records that one fetch returns.
        max_record: The most bytes of a record.
    """

    def __init__(
        self, *, retained: int = 100_000, batch: int = 500, max_record: int = MAX_RECORD
    ) -> None:
        self._retained = retained
        self._batch = batch
        self._max_record = max_record
        self._topics: dict[str, _Topic] = {}
        self._committed: dict[tuple[str, str], int] = {}
        self._members: dict[str, list[MemoryConsumer]] = {}
        self._changed = asyncio.Condition()

    async def check(self, topics: Collection[str] = ()) -> None:
        """See `EventLog.check`: it is this process, where a topic is made when it is named."""

    async def append(self, records: Sequence[NewRecord]) -> None:
        """See `EventLog.append`."""
        if any(size_of(record) > self._max_record for record in records):
            raise RecordTooLarge
        async with self._changed:
            for record in records:
                self._append(record)
            self._changed.notify_all()

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
    async def browse(self, topic: str) -> AsyncIterator["MemoryBrowser"]:
        """See `EventLog.browse`."""
        kept = self._topics.get(topic, _Topic())
        yield MemoryBrowser(list(kept.records), self._batch)

    @asynccontextmanager
    async def consume(self, topics: Collection[str], *, group: str) -> AsyncIterator[Consumer]:
        """See `EventLog.consume`."""
        consumer = MemoryConsumer(self, sorted(topics), group)
        self._members.setdefault(group, []).append(consumer)
        try:
            yield consumer
        finally:
            self._members[group].remove(consumer)
            async with self._changed:
                self._changed.notify_all()

    def owner(self, group: str, topic: str) -> "MemoryConsumer | None":
        """Return the member of a group that reads a topic: who wants to, and joined first."""
        wanting = (member for member in self._members[group] if topic in member.topics)
        return next(wanting, None)

    async def read(self, consumer: "MemoryConsumer", timeout: float) -> list[Record]:
        """Wait for records that a consumer has not read, and return a batch of them."""
        async with self._changed:
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await self._changed.wait_for(lambda: self._unread(consumer))
            return self._unread(consumer)

    def _unread(self, consumer: "MemoryConsumer") -> list[Record]:
        found: list[Record] = []
        for name, offset in consumer.positions().items():
            topic = self._topics.get(name, _Topic())
            start = max(0, offset - topic.base)
            found += topic.records[start : start + self._batch - len(found)]
        return found

    def end(self, topic: str) -> int:
        """Return the offset that the next record of a topic gets."""
        kept = self._topics.get(topic, _Topic())
        return kept.base + len(kept.records)

    def committed(self, group: str, topic: str) -> int:
        """Return the first offset of a topic that the group is not done with."""
        return self._committed.get((group, topic), 0)

    def commit(self, group: str, topic: str, offset: int) -> None:
        """Note how far a group is."""
        self._committed[group, topic] = offset


class MemoryConsumer:
    """A `Consumer` of a `MemoryEventLog`."""

    def __init__(self, log: MemoryEventLog, topics: list[str], group: str) -> None:
        self._log = log
        self._group = group
        self._positions: dict[str, int] = {}
        self.topics = topics

    def positions(self) -> dict[str, int]:
        """Return the next offset of each topic that it owns."""
        owned = [topic for topic in self.topics if self._log.owner(self._group, topic) is self]
        return {
            topic: self._positions.get(topic, self._log.committed(self._group, topic))
            for topic in owned
        }

    def shares(self) -> Mapping[Partition, int]:
        """See `Consumer.shares`: a topic has one partition."""
        return {
            Partition(topic, 0): max(0, self._log.end(topic) - offset)
            for topic, offset in self.positions().items()
        }

    async def fetch(self, timeout: float) -> list[Record]:
        """See `Consumer.fetch`."""
        records = await self._log.read(self, timeout)
        for record in records:
            self._positions[record.topic] = record.offset + 1
        self.topics = self.topics[1:] + self.topics[:1]  # None shall always be the last.
        return records

    async def check(self) -> None:
        """See `Consumer.check`: a topic that nobody has appended to is empty."""

    async def commit(self, offsets: Mapping[Partition, int]) -> None:
        """See `Consumer.commit`."""
        for partition, offset in offsets.items():
            if self._log.owner(self._group, partition.topic) is self:
                self._log.commit(self._group, partition.topic, offset)


class MemoryBrowser:
    """A `Browser` of a `MemoryEventLog`."""

    def __init__(self, records: list[Record], batch: int) -> None:
        self.total = len(records)
        self._records = records
        self._batch = batch

    async def next(self) -> list[Record]:
        """See `Browser.next`."""
        some, self._records = self._records[: self._batch], self._records[self._batch :]
        return some
