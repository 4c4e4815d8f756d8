"""Members of a consumer group on Kafka: they come and go, are slow, crash, or get stuck."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import msgspec
import pytest
from structlog.testing import capture_logs

from libs.common.config.address import Url
from libs.common.eventlog.kafka.clients import close_consumer
from libs.common.eventlog.kafka.log import KafkaEventLog
from libs.common.eventlog.records import NewRecord, Partition
from tests.support.deadline import DEADLINE
from tests.support.ports.eventlogs import (
    SETTINGS,
    after,
    create,
    endured,
    fetched,
    numbered,
    until,
    upstream,
    values,
    values_of,
)


@pytest.fixture
async def log(kafka_url: str) -> AsyncIterator[KafkaEventLog]:
    async with KafkaEventLog(Url(kafka_url), SETTINGS) as log:
        yield log


class TestGroup:
    """A partition belongs to one member of the group at a time."""

    async def test_members_share_partitions(
        self, log: KafkaEventLog, kafka_url: str, prefix: str
    ) -> None:
        """Each member has half of the partitions, and no record goes to two."""
        await create(kafka_url, prefix, partitions=4)
        async with (
            log.consume([prefix], group=prefix) as one,
            log.consume([prefix], group=prefix) as two,
        ):
            await until(lambda: len(one.assigned) == len(two.assigned) == 2)
            async with upstream(kafka_url) as producer:
                for n in range(40):
                    await producer.send_and_wait(prefix, b"%d" % n, partition=n % 4)
            first, second = await asyncio.gather(fetched(one, 20), fetched(two, 20))

        assert one.assigned | two.assigned == set()
        assert {r.partition for r in first}.isdisjoint({r.partition for r in second})
        assert Counter(values([*first, *second])) == Counter(values_of(range(40)))

    async def test_crashed_member(self, log: KafkaEventLog, prefix: str) -> None:
        """What a member held that vanished without a word comes to the other, but what it committed."""
        await log.append(numbered(prefix, range(10)))
        gone = log._clients.consumer(prefix)
        await gone.start()
        gone.subscribe([prefix])
        batch = (await gone.getmany(timeout_ms=20_000)).popitem()[1]
        await gone.commit(dict.fromkeys(gone.assignment(), 4))

        await close_consumer(gone, timeout=0)
        async with log.consume([prefix], group=prefix) as heir:
            records = await fetched(heir, 6)

        assert len(batch) == 10
        assert values(records) == values_of(range(4, 10))

    async def test_work_in_hand_is_finished(
        self, log: KafkaEventLog, kafka_url: str, prefix: str
    ) -> None:
        """Who has to give partitions up is told to commit, and who gets them does not get that again."""
        settings = msgspec.structs.replace(SETTINGS, release_timeout=2.0)
        await create(kafka_url, prefix, partitions=2)
        async with KafkaEventLog(Url(kafka_url), settings) as patient, AsyncExitStack() as stack:
            one = await stack.enter_async_context(patient.consume([prefix], group=prefix))
            await until(lambda: len(one.assigned) == 2)
            await log.append([NewRecord(prefix, b"%d" % n, b"%d" % n) for n in range(50)])
            records = await fetched(one, 50)
            waiting = asyncio.create_task(one.fetch(DEADLINE))

            two = await stack.enter_async_context(patient.consume([prefix], group=prefix))
            hint = await waiting
            await one.commit(after(records))
            await until(lambda: len(one.assigned) == len(two.assigned) == 1)
            await log.append([NewRecord(prefix, b"end", b"%d" % n) for n in range(50)])
            later = await asyncio.gather(fetched(one, 1), fetched(two, 1))

        assert hint == []
        assert {record.value for batch in later for record in batch} == {b"end"}

    async def test_work_in_hand_that_lasts(self, log: KafkaEventLog, prefix: str) -> None:
        """Nobody waits for ever: the records go to the next, and the late commit is left alone."""
        await log.append(numbered(prefix, range(5)))
        async with AsyncExitStack() as stack:
            members = [await stack.enter_async_context(log.consume([prefix], group=prefix))]
            await fetched(members[0], 5)
            members.append(await stack.enter_async_context(log.consume([prefix], group=prefix)))
            one, two = members
            await until(lambda: two.rebalances > 0 and len(one.assigned) + len(two.assigned) == 1)
            owner, other = (one, two) if one.assigned else (two, one)

            again = await fetched(owner, 5)
            await other.commit({Partition(prefix, 0): 5})

        async with log.consume([prefix], group=prefix) as third:
            assert values(await fetched(third, 5)) == values(again) == values_of(range(5))

    async def test_worker_who_does_not_come_back(
        self, log: KafkaEventLog, kafka_url: str, prefix: str
    ) -> None:
        """The partitions of who works for too long go to others, until he asks for more."""
        settings = msgspec.structs.replace(SETTINGS, work_timeout=1.0)
        await create(kafka_url, prefix, partitions=2)
        await log.append([NewRecord(prefix, b"%d" % n, b"%d" % n) for n in range(50)])
        async with (
            KafkaEventLog(Url(kafka_url), settings) as strict,
            strict.consume([prefix], group=prefix) as lost,
        ):
            await fetched(lost, 50)
            async with log.consume([prefix], group=prefix) as heir:
                records = await endured(heir, values_of(range(50)))
                await heir.commit(after(records))
                assert (len(lost.assigned), len(heir.assigned)) == (0, 2)

                await log.append([NewRecord(prefix, b"new %d" % n, b"%d" % n) for n in range(50)])
                more = await asyncio.gather(fetched(lost, 1), fetched(heir, 1))

        assert {record.partition for batch in more for record in batch} == {0, 1}
        assert lost.restarts == 0

    async def test_lag(self, log: KafkaEventLog, kafka_url: str, prefix: str) -> None:
        """How far it is behind can be seen, and when it went on last."""
        settings = msgspec.structs.replace(SETTINGS, batch=10)
        await log.append(numbered(prefix, range(100)))
        async with (
            KafkaEventLog(Url(kafka_url), settings) as slow,
            slow.consume([prefix], group=prefix) as consumer,
        ):
            began_at = asyncio.get_running_loop().time()
            await fetched(consumer, 10)
            await until(lambda: consumer.lag == {Partition(prefix, 0): 80})
            assert consumer.rebalances == 1
            await fetched(consumer, 90)
            await until(lambda: consumer.lag == {Partition(prefix, 0): 0})

            assert consumer.progressed_at > began_at
            assert consumer.assigned == {Partition(prefix, 0)}
            assert (consumer.restarts, consumer.trouble) == (0, "")

    async def test_stuck_client_is_replaced(self, log: KafkaEventLog, prefix: str) -> None:
        """A client that is connected and reads no more is replaced, and nothing is lost."""
        await log.append([NewRecord(prefix, b"before")])
        async with log.consume([prefix], group=prefix) as consumer:
            await consumer.commit(after(await fetched(consumer, 1)))

            assert consumer._client is not None
            fetcher = consumer._client._fetcher
            fetcher._fetch_task.cancel()
            await asyncio.wait(fetcher._pending_tasks)
            await log.append([NewRecord(prefix, b"after")])
            records = await endured(consumer, [b"after"])

            assert values(records) == [b"after"]
            assert consumer.restarts == 1

    async def test_commit_that_the_group_refuses(self, log: KafkaEventLog, prefix: str) -> None:
        """A commit of who is no member any more is dropped: the records come again, to whom it may be."""
        await log.append(numbered(prefix, range(5)))
        async with log.consume([prefix], group=prefix) as consumer:
            records = await fetched(consumer, 5)
            assert consumer._client is not None
            consumer._client._coordinator.generation += 7

            with capture_logs() as logs:
                await consumer.commit(after(records))
            again = await fetched(consumer, 5)

        assert values(again) == values(records)
        assert [entry["event"] for entry in logs] == ["events.commit_dropped"]

    async def test_fault_of_our_own(
        self, log: KafkaEventLog, prefix: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What is not Kafka's doing is not tried again: it reaches who fetches, or who leaves."""

        def fail(_: str) -> None:
            raise LookupError("a fault")

        monkeypatch.setattr(log._clients, "consumer", fail)
        fetching, leaving = (log.consume([prefix], group=prefix) for _ in range(2))

        with pytest.raises(LookupError):
            async with fetching as consumer:
                await fetched(consumer, 1)
        with pytest.raises(LookupError):
            async with leaving:
                await asyncio.sleep(0)
