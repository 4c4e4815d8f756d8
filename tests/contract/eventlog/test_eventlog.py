"""The contract of the event log, on memory and on Kafka."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import msgspec
import pytest

from libs.common.config.address import Url
from libs.common.errors import Invalid
from libs.common.eventlog.kafka.log import KafkaEventLog
from libs.common.eventlog.memory import MemoryEventLog
from libs.common.eventlog.port import EventLog
from libs.common.eventlog.records import NewRecord, Partition, Record, RecordTooLarge
from tests.support.deadline import DEADLINE
from tests.support.ports.eventlogs import PATIENT, after, fetched, numbered, values, values_of

Builds = Callable[..., EventLog]


@pytest.fixture(params=["memory", "kafka"])
def builds(request: pytest.FixtureRequest) -> Builds:
    """Return what builds an event log with limits of one's own."""
    if request.param == "memory":
        return MemoryEventLog
    url = request.getfixturevalue("kafka_url")

    def build(**limits: Any) -> EventLog:
        return KafkaEventLog(Url(url), msgspec.structs.replace(PATIENT, **limits))

    return build


@pytest.fixture
async def log(builds: Builds) -> AsyncIterator[EventLog]:
    async with AsyncExitStack() as stack:
        yield await opened(builds(), stack)


async def opened(log: EventLog, stack: AsyncExitStack) -> EventLog:
    if isinstance(log, KafkaEventLog):
        await stack.enter_async_context(log)
    return log


class TestAppend:
    """What `append` has accepted is read by each consumer group, in order within a partition."""

    async def test_record_comes_back_as_it_was(self, log: EventLog, prefix: str) -> None:
        """Topic, key, value and headers are read as they were appended, and the time is in seconds."""
        headers = (("content-type", b"text/plain"), ("twice", b"1"), ("twice", b"\xff"))
        before = time.time()

        await log.append([NewRecord(prefix, b"value", b"key", headers)])
        async with log.consume([prefix], group=prefix) as consumer:
            (record,) = await fetched(consumer, 1)

        assert (record.topic, record.offset) == (prefix, 0)
        assert (record.key, record.value, record.headers) == (b"key", b"value", headers)
        assert before - 60 < record.timestamp < before + 60

    async def test_tombstone(self, log: EventLog, prefix: str) -> None:
        """A record without value is read as one, even without key, as a dead letter may be."""
        await log.append(
            [NewRecord(prefix, None, b"key"), NewRecord(prefix, None), NewRecord(prefix, b"")]
        )
        async with log.consume([prefix], group=prefix) as consumer:
            records = await fetched(consumer, 3)

        assert [(r.key, r.value) for r in records] == [(b"key", None), (None, None), (None, b"")]

    async def test_order_of_a_key(self, log: EventLog, prefix: str) -> None:
        """Records with the same key share a partition and come in the order of their appends."""
        keys = [b"red", b"green", b"blue"]

        for round_ in range(5):
            await log.append(
                [NewRecord(prefix, b"%d" % (round_ * 20 + n), keys[n % 3]) for n in range(20)]
            )
        async with log.consume([prefix], group=prefix) as consumer:
            records = await fetched(consumer, 100)

        for key in keys:
            mine = [record for record in records if record.key == key]
            assert len({record.partition for record in mine}) == 1
            assert [int(r.value or b"") for r in mine] == sorted(int(r.value or b"") for r in mine)
        assert len(records) == 100

    async def test_several_topics(self, log: EventLog, prefix: str) -> None:
        """One append may fill several topics, and one consumer may read several."""
        await log.append([NewRecord(f"{prefix}-{n}", b"%d" % n) for n in range(3)])
        async with log.consume([f"{prefix}-{n}" for n in range(3)], group=prefix) as consumer:
            records = await fetched(consumer, 3)

        assert {(r.topic, r.value) for r in records} == {
            (f"{prefix}-{n}", b"%d" % n) for n in range(3)
        }

    async def test_nothing(self, log: EventLog) -> None:
        """To append nothing is no error."""
        await log.append([])

    async def test_too_large(self, log: EventLog, prefix: str) -> None:
        """A record that is too large is the caller's fault, and keeps those beside it out too."""
        large = NewRecord(prefix, b"x" * 1_000_001)

        with pytest.raises(RecordTooLarge) as refusal:
            await log.append([NewRecord(prefix, b"beside"), large])
        await log.append([NewRecord(prefix, b"x" * 1_000_000)])
        async with log.consume([prefix], group=prefix) as consumer:
            (record,) = await fetched(consumer, 1)

        assert isinstance(refusal.value, Invalid)
        assert refusal.value.status == 413
        assert (record.offset, len(record.value or b"")) == (0, 1_000_000)


class TestFetch:
    """A fetch waits up to its timeout for records, and takes a bounded batch."""

    async def test_nothing_to_read(self, log: EventLog, prefix: str) -> None:
        """A fetch from an empty topic ends with nothing."""
        await log.append([NewRecord(prefix, b"only")])
        async with log.consume([prefix], group=prefix) as consumer:
            await fetched(consumer, 1)

            assert await consumer.fetch(0.01) == []

    async def test_no_topics(self, log: EventLog, prefix: str) -> None:
        """Who reads no topics gets nothing, and no error."""
        async with log.consume([], group=prefix) as consumer:
            assert await consumer.fetch(0.01) == []

    async def test_batch(self, builds: Builds, prefix: str) -> None:
        """No batch is larger than allowed, and none leaves a record out."""
        async with AsyncExitStack() as stack:
            log = await opened(builds(batch=7), stack)
            await log.append(numbered(prefix, range(30)))
            consumer = await stack.enter_async_context(log.consume([prefix], group=prefix))
            batches: list[list[Record]] = []
            async with asyncio.timeout(DEADLINE):
                while sum(map(len, batches)) < 30:
                    batches.append(await consumer.fetch(1.0))

        assert max(map(len, batches)) == 7
        assert values([*itertools.chain(*batches)]) == values_of(range(30))

    async def test_waits_for_a_record(self, log: EventLog, prefix: str) -> None:
        """A fetch that waits returns when a record is appended."""
        await log.append([NewRecord(prefix, b"first")])
        async with log.consume([prefix], group=prefix) as consumer:
            await fetched(consumer, 1)
            waiting = asyncio.create_task(consumer.fetch(DEADLINE))
            await asyncio.sleep(0)

            await log.append([NewRecord(prefix, b"second")])

            assert values(await waiting) == [b"second"]

    async def test_cancelled_fetch_loses_nothing(self, log: EventLog, prefix: str) -> None:
        """What comes while a fetch is given up is there for the next."""
        await log.append([NewRecord(prefix, b"first")])
        async with log.consume([prefix], group=prefix) as consumer:
            await fetched(consumer, 1)
            waiting = asyncio.create_task(consumer.fetch(DEADLINE))
            await asyncio.sleep(0)
            waiting.cancel()

            await log.append([NewRecord(prefix, b"second")])

            assert values(await fetched(consumer, 1)) == [b"second"]

    async def test_topic_that_comes_later(self, log: EventLog, prefix: str) -> None:
        """A topic that does not exist yet is read when it does, and keeps no other waiting."""
        early, late = f"{prefix}-early", f"{prefix}-late"
        await log.append([NewRecord(early, b"early")])
        async with log.consume([early, late], group=prefix) as consumer:
            first = await fetched(consumer, 1)
            await consumer.commit(after(first))

            await log.append([NewRecord(late, b"late")])
            second = await fetched(consumer, 1)
            await consumer.check()
        await log.check([early, late])

        assert (values(first), values(second)) == ([b"early"], [b"late"])


class TestGroups:
    """What was fetched and not committed comes again to whoever gets the partition next."""

    async def test_each_group_reads_everything(self, log: EventLog, prefix: str) -> None:
        """A second group begins at the beginning, whatever the first has committed."""
        await log.append(numbered(prefix, range(10)))
        for group in (f"{prefix}-one", f"{prefix}-two"):
            async with log.consume([prefix], group=group) as consumer:
                records = await fetched(consumer, 10)
                await consumer.commit(after(records))

            assert values(records) == values_of(range(10))

    async def test_uncommitted_records_come_again(self, log: EventLog, prefix: str) -> None:
        """After a restart a group goes on where it committed, no matter what it had fetched."""
        await log.append(numbered(prefix, range(10)))
        async with log.consume([prefix], group=prefix) as consumer:
            records = await fetched(consumer, 10)
            await consumer.commit(after(records[:4]))

        async with log.consume([prefix], group=prefix) as consumer:
            again = await fetched(consumer, 6)
            await consumer.commit(after(again))
        await log.append([NewRecord(prefix, b"new")])
        async with log.consume([prefix], group=prefix) as consumer:
            new = await fetched(consumer, 1)

        assert (values(again), values(new)) == (values_of(range(4, 10)), [b"new"])

    async def test_successor(self, log: EventLog, prefix: str) -> None:
        """What a member leaves uncommitted goes to who is left of the group."""
        await log.append(numbered(prefix, range(10)))
        async with AsyncExitStack() as stack:
            async with log.consume([prefix], group=prefix) as first:
                records = await fetched(first, 10)
                await first.commit(after(records[:5]))
                second = await stack.enter_async_context(log.consume([prefix], group=prefix))
            rest = await fetched(second, 5)

        assert values(rest) == values_of(range(5, 10))

    async def test_commit_of_what_is_not_ours(self, log: EventLog, prefix: str) -> None:
        """A commit for partitions that the member has not leaves them alone, and takes the others."""
        mine, foreign = f"{prefix}-mine", f"{prefix}-foreign"
        await log.append([NewRecord(mine, b"mine"), NewRecord(foreign, b"foreign")])
        async with log.consume([mine], group=prefix) as consumer:
            records = await fetched(consumer, 1)
            await consumer.commit({Partition(foreign, 0): 1, **after(records)})

        async with log.consume([mine, foreign], group=prefix) as consumer:
            left = await fetched(consumer, 1)

        assert values(left) == [b"foreign"]


async def test_shares(log: EventLog, prefix: str) -> None:
    """A consumer tells which partitions it reads, and that it has read all."""
    await log.append([NewRecord(prefix, b"value") for _ in range(3)])
    async with log.consume([prefix], group=prefix) as consumer:
        await fetched(consumer, 3)
        async with asyncio.timeout(DEADLINE):
            while consumer.shares() != {Partition(prefix, 0): 0}:
                await consumer.fetch(0.05)


class TestBrowse:
    """A topic is read from its beginning to its present end, by a member of no group."""

    async def browsed(self, log: EventLog, topic: str) -> list[bytes | None]:
        read: list[bytes | None] = []
        async with log.browse(topic) as browser:
            assert browser.total >= 0
            while records := await browser.next():
                read += [record.value for record in records]
        return read

    async def test_all(self, builds: Builds, prefix: str) -> None:
        """All of it, however many batches it takes, and as often as one likes."""
        async with AsyncExitStack() as stack:
            log = await opened(builds(batch=10), stack)
            values = [b"%d" % number for number in range(25)]
            await log.append([NewRecord(prefix, value) for value in values])

            assert await self.browsed(log, prefix) == values
            assert await self.browsed(log, prefix) == values

    async def test_present_end(self, log: EventLog, prefix: str) -> None:
        """What comes meanwhile is not read."""
        await log.append([NewRecord(prefix, b"before")])
        async with log.browse(prefix) as browser:
            await log.append([NewRecord(prefix, b"meanwhile")])
            first = await browser.next()
            rest = await browser.next()

        assert ([record.value for record in first], rest) == ([b"before"], [])
        assert browser.total == 1

    async def test_takes_nothing(self, log: EventLog, prefix: str) -> None:
        """Consumers of groups have no less."""
        await log.append([NewRecord(prefix, b"value")])
        await self.browsed(log, prefix)
        async with log.consume([prefix], group=prefix) as consumer:
            assert len(await fetched(consumer, 1)) == 1
        await self.browsed(log, prefix)

    async def test_nothing(self, log: EventLog, prefix: str) -> None:
        """A topic that does not exist is empty."""
        assert await self.browsed(log, f"{prefix}.nowhere") == []
