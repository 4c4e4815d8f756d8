"""What only Kafka can do wrong: brokers that go and come, groups that change, records of strangers."""

import asyncio
import struct
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import msgspec
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.record.util import calc_crc32c
from structlog.testing import capture_logs

from libs.common.connection_kafka import close_consumer
from libs.common.consumer_kafka import KafkaConsumer
from libs.common.errors import Unavailable
from libs.common.eventlog import Partition, RecordTooLarge
from libs.common.eventlog_kafka import KafkaEventLog
from libs.common.kafka_settings import KafkaSettings
from libs.common.records import NewRecord, Record
from libs.common.secret import Secret
from tests.contract.test_eventlog import DEADLINE, FAST, after, fetched, numbered, values, values_of
from tests.support.servers import KAFKA_PASSWORD, KAFKA_USER, Certificates, Server
from tests.support.servers.kafka import kafka_launch
from tests.support.servers.process import eventually, running

SETTINGS = KafkaSettings(**FAST, delivery_timeout=4.0, commit_timeout=2.0, silence_timeout=0.9, stall_timeout=3.0)

# Apache Kafka, UtilsTest.testMurmur2: what the Java client makes of these keys.
MURMUR2 = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


@pytest.fixture(scope="module")
async def broker() -> AsyncIterator[Server]:
    """Yield a broker that tests may stop, and which makes no topics by itself."""
    launch = await kafka_launch()
    with (launch.directory / "server.properties").open("a") as properties:
        properties.write("auto.create.topics.enable=false\n")
    async with running(launch) as server:
        yield server


@pytest.fixture
async def log(kafka_url: str) -> AsyncIterator[KafkaEventLog]:
    async with KafkaEventLog(kafka_url, SETTINGS) as log:
        yield log


@pytest.fixture
async def fragile(broker: Server) -> AsyncIterator[KafkaEventLog]:
    """Yield a log on the broker that tests may stop."""
    async with KafkaEventLog(broker.url, SETTINGS) as log:
        yield log


async def create(url: str, topic: str, *, partitions: int = 1, **configs: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=url.removeprefix("kafka://"))
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, partitions, 1, topic_configs=configs)])
    finally:
        await admin.close()


@asynccontextmanager
async def upstream(url: str, **options: Any) -> AsyncIterator[AIOKafkaProducer]:
    """Somebody else's producer."""
    async with AIOKafkaProducer(bootstrap_servers=url.removeprefix("kafka://"), **options) as producer:
        yield producer


async def until(holds: Callable[[], bool]) -> None:
    async def asked() -> bool:
        return holds()

    await eventually(asked, timeout=DEADLINE)


async def refused(consumer: KafkaConsumer) -> Unavailable:
    """Fetch until the log is said to be away."""
    async with asyncio.timeout(DEADLINE):
        while True:
            try:
                await consumer.fetch(0.2)
            except Unavailable as error:
                return error


async def endured(consumer: KafkaConsumer, count: int) -> list[Record]:
    """Fetch until there are this many values, whatever happens in between."""
    seen: dict[bytes | None, Record] = {}
    async with asyncio.timeout(DEADLINE):
        while len(seen) < count:
            try:
                seen |= {record.value: record for record in await consumer.fetch(0.2)}
            except Unavailable:
                continue
    return [*seen.values()]


async def appended(log: KafkaEventLog, records: Sequence[NewRecord]) -> None:
    """Append, again and again until Kafka takes it."""
    async with asyncio.timeout(DEADLINE):
        while True:
            try:
                return await log.append(records)
            except Unavailable:
                await asyncio.sleep(0.1)


def left_behind() -> list[str]:
    """Name the tasks of aiokafka that still run."""
    names = [str(task.get_coro()) for task in asyncio.all_tasks()]
    return [name for name in names if "AIOKafka" in name or "Coordinator" in name or "Fetcher" in name or "Sender" in name or "Accumulator" in name]


class TestRecords:
    """Records that other clients write and read."""

    async def test_keys_choose_partitions_as_in_other_clients(
        self, log: KafkaEventLog, kafka_url: str, prefix: str
    ) -> None:
        """A key is in the partition where the Java client would put it."""
        await create(kafka_url, prefix, partitions=8)

        await log.append([NewRecord(prefix, b"", key) for key in MURMUR2])
        async with log.consume([prefix], group=prefix) as consumer:
            records = await fetched(consumer, len(MURMUR2))

        assert {r.key: r.partition for r in records} == {
            key: (number & 0x7FFFFFFF) % 8 for key, number in MURMUR2.items()
        }

    async def test_order_within_partitions(
        self, log: KafkaEventLog, kafka_url: str, prefix: str
    ) -> None:
        """Appends of many records keep the order of each key over several partitions."""
        await create(kafka_url, prefix, partitions=4)
        keys = [b"%d" % n for n in range(9)]

        for round_ in range(20):
            await log.append(
                [NewRecord(prefix, b"%d" % (round_ * 900 + n), keys[n % 9]) for n in range(900)]
            )
        async with log.consume([prefix], group=prefix) as consumer:
            records = await fetched(consumer, 18_000)

        assert len({record.partition for record in records}) == 4
        for key in keys:
            numbers = [int(record.value or b"") for record in records if record.key == key]
            assert numbers == sorted(numbers)
            assert len(numbers) == 2000

    @pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
    async def test_compressed_records(
        self, log: KafkaEventLog, kafka_url: str, prefix: str, codec: str
    ) -> None:
        """What upstream producers have compressed is read."""
        async with upstream(kafka_url, compression_type=codec) as producer:
            await producer.send_and_wait(prefix, b"x" * 1000)

        async with log.consume([prefix], group=prefix) as consumer:
            assert values(await fetched(consumer, 1)) == [b"x" * 1000]

    async def test_headers_of_others(
        self, log: KafkaEventLog, kafka_url: str, prefix: str
    ) -> None:
        """A header without a value is an empty one."""
        async with upstream(kafka_url) as producer:
            await producer.send_and_wait(prefix, b"", headers=[("null", None), ("empty", b"")])

        async with log.consume([prefix], group=prefix) as consumer:
            (record,) = await fetched(consumer, 1)

        assert record.headers == (("null", b""), ("empty", b""))

    async def test_transactions(self, log: KafkaEventLog, kafka_url: str, prefix: str) -> None:
        """What was rolled back is not read; the end of a transaction counts as read."""
        async with upstream(kafka_url, transactional_id=prefix) as producer:
            async with producer.transaction():
                await producer.send(prefix, b"committed")
            await producer.begin_transaction()
            await producer.send_and_wait(prefix, b"rolled back")
            await producer.abort_transaction()
            async with log.consume([prefix], group=prefix) as consumer:
                first = await fetched(consumer, 1)
                await until(lambda: consumer.lag == {Partition(prefix, 0): 0})
                await log.append([NewRecord(prefix, b"plain")])
                second = await fetched(consumer, 1)

        assert (values(first), values(second)) == ([b"committed"], [b"plain"])
        assert consumer.restarts == 0

    async def test_larger_than_an_answer(
        self, kafka_url: str, prefix: str
    ) -> None:
        """A record larger than what is asked for at once is read all the same."""
        settings = msgspec.structs.replace(SETTINGS, max_partition_bytes=4096, max_fetch_bytes=8192)
        async with KafkaEventLog(kafka_url, settings) as log:
            await log.append([NewRecord(prefix, b"x" * 900_000), NewRecord(prefix, b"small")])
            async with log.consume([prefix], group=prefix) as consumer:
                records = await fetched(consumer, 2)

        assert [len(record.value or b"") for record in records] == [900_000, 5]

    async def test_unreadable_record(self, log: KafkaEventLog, kafka_url: str, prefix: str) -> None:
        """
        A record that cannot be decoded blocks its partition: all before it and all other partitions are read.
        """
        await create(kafka_url, prefix, partitions=2)
        bad, good = Partition(prefix, 0), Partition(prefix, 1)
        async with upstream(kafka_url) as producer:
            for n in range(3):
                await producer.send_and_wait(prefix, b"before %d" % n, partition=bad.number)
            await _send_undecodable(producer, bad)
            await producer.send_and_wait(prefix, b"behind", partition=bad.number)
            await producer.send_and_wait(prefix, b"first", partition=good.number)
            with capture_logs() as logs:
                async with log.consume([prefix], group=prefix) as consumer:
                    first = await endured(consumer, 4)
                    await until(lambda: bool(consumer.blocked))
                    await producer.send_and_wait(prefix, b"second", partition=good.number)
                    second = await fetched(consumer, 1)

        assert sorted(values(first)) == [b"before 0", b"before 1", b"before 2", b"first"]
        assert values(second) == [b"second"]
        assert consumer.blocked == {bad: 3}
        assert [entry["offset"] for entry in logs if entry["event"] == "events.partition_blocked"] == [3]


async def _send_undecodable(producer: AIOKafkaProducer, partition: Partition) -> None:
    """Send a record with a header whose name is no UTF-8, which takes some doing."""
    batch = producer.create_batch()
    batch.append(key=None, value=b"bad", timestamp=None, headers=[("marker", b"")])
    build = batch._build

    def spoilt() -> bytes:
        data = bytearray(build()).replace(b"marker", b"\xff\xfe\xfd\xfc\xfb\xfa")
        struct.pack_into(">I", data, 17, calc_crc32c(bytes(data[21:])))  # Record batch: crc at 17.
        return bytes(data)

    batch._build = spoilt
    await (await producer.send_batch(batch, partition.topic, partition=partition.number))


class TestGroup:
    """"A partition belongs to one member of the group at a time"."""

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

    async def test_crashed_member(self, log: KafkaEventLog, kafka_url: str, prefix: str) -> None:
        """What a member held that vanished without a word comes to the other, but what it committed."""
        await log.append(numbered(prefix, range(10)))
        gone = log._clients.consumer(prefix)
        await gone.start()
        gone.subscribe([prefix])
        batch = (await gone.getmany(timeout_ms=20_000)).popitem()[1]
        await gone.commit({key: 4 for key in gone.assignment()})

        await close_consumer(gone, timeout=0)
        async with log.consume([prefix], group=prefix) as heir:
            records = await fetched(heir, 6)

        assert len(batch) == 10
        assert values(records) == values_of(range(4, 10))

    async def test_work_in_hand_is_finished(
        self, log: KafkaEventLog, kafka_url: str, prefix: str
    ) -> None:
        """Who has to give partitions up is told to commit, and who gets them does not get that again."""
        settings = msgspec.structs.replace(SETTINGS, release_timeout=2.5)
        await create(kafka_url, prefix, partitions=2)
        async with KafkaEventLog(kafka_url, settings) as patient, AsyncExitStack() as stack:
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

    async def test_work_in_hand_that_lasts(
        self, log: KafkaEventLog, kafka_url: str, prefix: str
    ) -> None:
        """Nobody waits for ever: the records go to the next, and the late commit is left alone."""
        await log.append(numbered(prefix, range(5)))
        async with AsyncExitStack() as stack:
            members = [await stack.enter_async_context(log.consume([prefix], group=prefix))]
            await fetched(members[0], 5)
            members.append(await stack.enter_async_context(log.consume([prefix], group=prefix)))
            await until(lambda: all(member.rebalances for member in members))
            owner, other = sorted(members, key=lambda member: len(member.assigned), reverse=True)

            again = await fetched(owner, 5)
            await other.commit({Partition(prefix, 0): 5})

        async with log.consume([prefix], group=prefix) as third:
            assert values(await fetched(third, 5)) == values(again) == values_of(range(5))

    async def test_lag(self, log: KafkaEventLog, prefix: str) -> None:
        """How far it is behind can be seen, and when it went on last."""
        settings = msgspec.structs.replace(SETTINGS, batch=10)
        await log.append(numbered(prefix, range(100)))
        async with (
            KafkaEventLog("kafka://" + ",".join(log._clients._common["bootstrap_servers"]), settings) as slow,
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
            records = await endured(consumer, 1)

            assert values(records) == [b"after"]
            assert consumer.restarts == 1


class TestBroker:
    """"Kafka away, at start or later: retries with backoff and says so once"."""

    async def test_kill_and_return(
        self, fragile: KafkaEventLog, broker: Server, prefix: str
    ) -> None:
        """While the broker is dead both sides say so; when it is back they go on, and nothing is lost."""
        await create(broker.url, prefix)
        await fragile.append(numbered(prefix, range(5)))
        with capture_logs() as logs:
            async with fragile.consume([prefix], group=prefix) as consumer:
                before = await fetched(consumer, 5)
                await consumer.commit(after(before[:3]))
                broker.kill()

                await refused(consumer)
                with pytest.raises(Unavailable):
                    await consumer.commit(after(before))
                for _ in range(3):
                    with pytest.raises(Unavailable):
                        await fragile.append([NewRecord(prefix, b"lost")])
                await broker.start()
                await appended(fragile, numbered(prefix, range(5, 10)))
                await endured(consumer, 5)
                await until(lambda: not consumer.trouble)
            async with fragile.consume([prefix], group=prefix) as consumer:
                rest = await fetched(consumer, 7)

        assert values(rest)[:2] == values_of(range(3, 5))
        assert values(rest)[-5:] == values_of(range(5, 10))
        for client in ("producer", "consumer"):
            told = [entry["event"] for entry in logs if entry.get("client") == client]
            assert told == ["events.lost", "events.recovered"]

    async def test_short_absence(self, fragile: KafkaEventLog, broker: Server, prefix: str) -> None:
        """An append that is under way when the broker restarts is stored, once."""
        await create(broker.url, prefix)
        await fragile.append([NewRecord(prefix, b"first")])
        broker.pause()
        appending = asyncio.create_task(fragile.append([NewRecord(prefix, b"second")]))
        await asyncio.sleep(0)
        broker.resume()
        await appending

        async with fragile.consume([prefix], group=prefix) as consumer:
            assert values(await fetched(consumer, 2)) == [b"first", b"second"]

    async def test_silence(self, fragile: KafkaEventLog, broker: Server, prefix: str) -> None:
        """A broker that is connected and silent is one that is away."""
        await create(broker.url, prefix)
        await fragile.append([NewRecord(prefix, b"before")])
        async with fragile.consume([prefix], group=prefix) as consumer:
            await fetched(consumer, 1)
            broker.pause()
            try:
                with pytest.raises(Unavailable):
                    await fragile.append([NewRecord(prefix, b"unheard")])
                await refused(consumer)
            finally:
                broker.resume()
            await appended(fragile, [NewRecord(prefix, b"after")])
            records = await endured(consumer, 2)

        assert values(records)[0] == b"before"
        assert b"after" in values(records)

    async def test_leaving_in_silence(self, broker: Server, prefix: str) -> None:
        """Consumer and producer end in time while the broker is silent, and leave nothing running."""
        await create(broker.url, prefix)
        async with KafkaEventLog(broker.url, SETTINGS) as log:
            await log.append([NewRecord(prefix, b"before")])
            async with log.consume([prefix], group=prefix) as consumer:
                await fetched(consumer, 1)
                broker.pause()
                appending = asyncio.create_task(log.append([NewRecord(prefix, b"unheard")]))
                await asyncio.sleep(0)
        try:
            with pytest.raises(Unavailable):
                await appending
            await until(lambda: not left_behind())
        finally:
            broker.resume()

    async def test_away_at_start(self, broker: Server, prefix: str) -> None:
        """Nothing fails when Kafka is away at the start, and all works when it is there."""
        await create(broker.url, prefix)
        await broker.stop()
        async with (
            KafkaEventLog(broker.url, SETTINGS) as log,
            log.consume([prefix], group=prefix) as consumer,
        ):
            with pytest.raises(Unavailable):
                await log.append([NewRecord(prefix, b"refused")])
            error = await refused(consumer)
            await broker.start()
            await appended(log, [NewRecord(prefix, b"stored")])

            assert values(await endured(consumer, 1)) == [b"stored"]
            assert error.backend == "events"
            assert error.__cause__ is not None

    async def test_missing_topic(self, fragile: KafkaEventLog, broker: Server, prefix: str) -> None:
        """A topic that is not there keeps no other waiting, is named once, and is read when it comes."""
        there, missing = f"{prefix}-there", f"{prefix}-missing"
        await create(broker.url, there)
        with capture_logs() as logs:
            async with fragile.consume([there, missing], group=prefix) as consumer:
                await fragile.append([NewRecord(there, b"there")])
                first = await fetched(consumer, 1)
                await consumer.commit(after(first))
                with pytest.raises(Unavailable):
                    await fragile.append([NewRecord(missing, b"refused")])

                await create(broker.url, missing)
                await fragile.append([NewRecord(missing, b"found")])
                second = await fetched(consumer, 1)
                await until(lambda: any(entry["event"] == "events.topic_found" for entry in logs))

        assert (values(first), values(second)) == ([b"there"], [b"found"])
        assert fragile.producer.restarts == 0
        told = [(entry["event"], entry["topic"]) for entry in logs if "topic" in entry]
        assert told == [("events.topic_missing", missing), ("events.topic_found", missing)]


class TestProducer:
    """The producer is replaced when it is broken, and only then."""

    async def test_lost_count(self, log: KafkaEventLog, prefix: str) -> None:
        """A producer that lost count of its records is replaced: one append fails, the next does not."""
        await log.append([NewRecord(prefix, b"first")])
        assert log.producer._producer is not None
        numbers = log.producer._producer._txn_manager._sequence_numbers
        for partition in numbers:
            numbers[partition] += 5

        with pytest.raises(Unavailable):
            await log.append([NewRecord(prefix, b"refused")])
        await log.append([NewRecord(prefix, b"second")])

        assert log.producer.restarts == 1
        async with log.consume([prefix], group=prefix) as consumer:
            assert values(await fetched(consumer, 2)) == [b"first", b"second"]

    async def test_topic_with_a_limit(self, log: KafkaEventLog, kafka_url: str, prefix: str) -> None:
        """A record that only its topic refuses is too large too, and the next is stored."""
        await create(kafka_url, prefix, **{"max.message.bytes": "1000"})

        with pytest.raises(RecordTooLarge):
            await log.append([NewRecord(prefix, b"x" * 2000)])
        await log.append([NewRecord(prefix, b"small")])

        async with log.consume([prefix], group=prefix) as consumer:
            assert values(await fetched(consumer, 1)) == [b"small"]

    async def test_concurrent_appends(self, log: KafkaEventLog, prefix: str) -> None:
        """Many may append at once, also before there is a connection."""
        await asyncio.gather(*(log.append([NewRecord(prefix, b"%d" % n)]) for n in range(500)))

        async with log.consume([prefix], group=prefix) as consumer:
            assert Counter(values(await fetched(consumer, 500))) == Counter(values_of(range(500)))

    async def test_closed_log_leaves_nothing_behind(self, kafka_url: str, prefix: str) -> None:
        """When log and consumer are closed, no task of theirs runs on."""
        async with KafkaEventLog(kafka_url, SETTINGS) as log:
            await log.append([NewRecord(prefix, b"")])
            async with log.consume([prefix], group=prefix) as consumer:
                await fetched(consumer, 1)

        await until(lambda: not left_behind())


class TestSecured:
    """"Kafka SASL/TLS … work and are tested"."""

    @pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
    async def test_produce_and_consume(
        self, kafka_secure: Server, certificates: Certificates, prefix: str, mechanism: Any
    ) -> None:
        """A broker that wants TLS and a password takes and gives records."""
        settings = secured(certificates, mechanism)
        async with KafkaEventLog(kafka_secure.url, settings) as log:
            await log.append([NewRecord(prefix, b"secret")])
            async with log.consume([prefix], group=prefix) as consumer:
                assert values(await fetched(consumer, 1)) == [b"secret"]

    async def test_wrong_password(
        self, kafka_secure: Server, certificates: Certificates, prefix: str
    ) -> None:
        """A refused login is told as such, without the password."""
        settings = secured(certificates, "SCRAM-SHA-256", password="hunter2-wrong")
        with capture_logs() as logs:
            async with (
                KafkaEventLog(kafka_secure.url, settings) as log,
                log.consume([prefix], group=prefix) as consumer,
            ):
                with pytest.raises(Unavailable):
                    await log.append([NewRecord(prefix, b"refused")])
                await refused(consumer)

        lost = [entry for entry in logs if entry["event"] == "events.lost"]
        assert {entry["client"] for entry in lost} == {"producer", "consumer"}
        assert all("SaslAuthenticationFailed" in entry["detail"] for entry in lost)
        assert "hunter2" not in str(logs)

    async def test_unknown_authority(self, kafka_secure: Server, prefix: str) -> None:
        """A broker whose certificate is not trusted gets no password."""
        settings = msgspec.structs.replace(
            secured(None, "PLAIN"),
        )
        with capture_logs() as logs:
            async with KafkaEventLog(kafka_secure.url, settings) as log:
                with pytest.raises(Unavailable):
                    await log.append([NewRecord(prefix, b"refused")])

        (lost,) = [entry for entry in logs if entry["event"] == "events.lost"]
        assert "CERTIFICATE_VERIFY_FAILED" in lost["detail"]


def secured(
    certificates: Certificates | None, mechanism: Any, password: str = KAFKA_PASSWORD
) -> KafkaSettings:
    return msgspec.structs.replace(
        SETTINGS,
        tls=True,
        ca=str(certificates.ca) if certificates else "",
        sasl_mechanism=mechanism,
        sasl_username=KAFKA_USER,
        sasl_password=Secret(password),
    )
