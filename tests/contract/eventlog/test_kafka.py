"""The event log on Kafka: records of other clients, a producer that breaks, and secured connections."""

import asyncio
import struct
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.record.util import calc_crc32c
from structlog.testing import capture_logs

from libs.common.config.address import Url
from libs.common.config.secret import Secret
from libs.common.errors import Unavailable
from libs.common.eventlog.kafka import consumer as reading
from libs.common.eventlog.kafka import pump
from libs.common.eventlog.kafka.log import KafkaEventLog
from libs.common.eventlog.kafka.settings import KafkaSettings
from libs.common.eventlog.records import NewRecord, Partition, RecordTooLarge
from libs.common.web.health import state_of
from tests.support.ports.eventlogs import (
    PATIENT,
    SETTINGS,
    aiokafka_tasks,
    create,
    delete,
    endured,
    fetched,
    refused,
    until,
    upstream,
    values,
    values_of,
)
from tests.support.servers import KAFKA_PASSWORD, KAFKA_USER, Certificates

# Apache Kafka, UtilsTest.testMurmur2: what the Java client makes of these keys.
MURMUR2 = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


@pytest.fixture
async def log(kafka_url: str) -> AsyncIterator[KafkaEventLog]:
    async with KafkaEventLog(Url(kafka_url), PATIENT) as log:
        yield log


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

    async def test_headers_of_others(self, log: KafkaEventLog, kafka_url: str, prefix: str) -> None:
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

    async def test_larger_than_an_answer(self, kafka_url: str, prefix: str) -> None:
        """A record larger than what is asked for at once is read all the same."""
        settings = msgspec.structs.replace(PATIENT, max_partition_bytes=4096, max_fetch_bytes=8192)
        async with KafkaEventLog(Url(kafka_url), settings) as log:
            await log.append([NewRecord(prefix, b"x" * 900_000), NewRecord(prefix, b"small")])
            async with log.consume([prefix], group=prefix) as consumer:
                records = await fetched(consumer, 2)

        assert [len(record.value or b"") for record in records] == [900_000, 5]

    async def test_unreadable_record(
        self, log: KafkaEventLog, kafka_url: str, prefix: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        A record that cannot be decoded blocks its partition, until an operator deletes it.

        All that is before it is read, and so are all other partitions.
        """
        monkeypatch.setattr(pump, "RETRY_INTERVAL", 0.5)
        monkeypatch.setattr(reading, "FIRST_DELAY", 2.0)  # As slow as a large group.
        await create(kafka_url, prefix, partitions=2)
        bad, good = Partition(prefix, 0), Partition(prefix, 1)
        readable = [b"before 0", b"before 1", b"before 2", b"first"]
        async with upstream(kafka_url) as producer:
            for value in readable[:3]:
                await producer.send_and_wait(prefix, value, partition=bad.number)
            await _send_undecodable(producer, bad)
            await producer.send_and_wait(prefix, b"behind", partition=bad.number)
            await producer.send_and_wait(prefix, b"first", partition=good.number)
            with capture_logs() as logs:
                async with log.consume([prefix], group=prefix) as consumer:
                    first = await endured(consumer, readable)
                    await until(lambda: bool(consumer.blocked))
                    await producer.send_and_wait(prefix, b"second", partition=good.number)
                    second = await fetched(consumer, 1)
                    blocked = dict(consumer.blocked)
                    await delete(kafka_url, bad, before=4)
                    third = await fetched(consumer, 1)

        assert {*values(first)} == {*readable}
        assert (values(second), values(third)) == ([b"second"], [b"behind"])
        assert (blocked, consumer.blocked) == ({bad: 3}, {})
        assert [
            entry["offset"] for entry in logs if entry["event"] == "events.partition_blocked"
        ] == [3]


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

    async def test_topic_with_a_limit(
        self, log: KafkaEventLog, kafka_url: str, prefix: str
    ) -> None:
        """A record that only its topic refuses is too large too, and the next is stored."""
        await create(kafka_url, prefix, configs={"max.message.bytes": "1000"})

        with pytest.raises(RecordTooLarge):
            await log.append([NewRecord(prefix, b"x" * 2000)])
        await log.append([NewRecord(prefix, b"small")])

        async with log.consume([prefix], group=prefix) as consumer:
            assert values(await fetched(consumer, 1)) == [b"small"]

    async def test_concurrent_appends(self, log: KafkaEventLog, prefix: str) -> None:
        """Many may append at once, also before there is a connection."""
        async with asyncio.TaskGroup() as tasks:
            for number in range(500):
                tasks.create_task(log.append([NewRecord(prefix, b"%d" % number)]))

        async with log.consume([prefix], group=prefix) as consumer:
            assert Counter(values(await fetched(consumer, 500))) == Counter(values_of(range(500)))

    async def test_closed_log_leaves_nothing_behind(self, kafka_url: str, prefix: str) -> None:
        """When log and consumer are closed, no task of theirs runs on."""
        others = aiokafka_tasks()
        async with KafkaEventLog(Url(kafka_url), SETTINGS) as log:
            await log.append([NewRecord(prefix, b"")])
            async with log.consume([prefix], group=prefix) as consumer:
                await fetched(consumer, 1)

        await until(lambda: aiokafka_tasks() <= others)


class TestSecured:
    """Brokers that want TLS and a password."""

    @pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
    async def test_produce_and_consume(
        self, kafka_secure_url: str, certificates: Certificates, prefix: str, mechanism: Any
    ) -> None:
        """A broker that wants TLS and a password takes and gives records."""
        settings = secured(certificates, mechanism)
        async with KafkaEventLog(Url(kafka_secure_url), settings) as log:
            await log.append([NewRecord(prefix, b"secret")])
            async with log.consume([prefix], group=prefix) as consumer:
                assert values(await fetched(consumer, 1)) == [b"secret"]

    async def test_wrong_password(
        self, kafka_secure_url: str, certificates: Certificates, prefix: str
    ) -> None:
        """A refused login is told as such, without the password."""
        settings = secured(certificates, "SCRAM-SHA-256", password="hunter2-wrong")
        with capture_logs() as logs:
            async with (
                KafkaEventLog(Url(kafka_secure_url), settings) as log,
                log.consume([prefix], group=prefix) as consumer,
            ):
                with pytest.raises(Unavailable):
                    await log.append([NewRecord(prefix, b"refused")])
                await refused(consumer)
                health = await state_of(log.check)

        (lost,) = [entry for entry in logs if entry["event"] == "backend.lost"]
        assert "SaslAuthenticationFailed" in lost["reason"]
        assert "SaslAuthenticationFailed" in health
        assert "hunter2" not in str(logs) + health

    async def test_unknown_authority(self, kafka_secure_url: str, prefix: str) -> None:
        """A broker whose certificate is not trusted gets no password."""
        with capture_logs() as logs:
            async with KafkaEventLog(Url(kafka_secure_url), secured(None, "PLAIN")) as log:
                with pytest.raises(Unavailable):
                    await log.append([NewRecord(prefix, b"refused")])

        (lost,) = [entry for entry in logs if entry["event"] == "backend.lost"]
        assert "CERTIFICATE_VERIFY_FAILED" in lost["reason"]


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
