"""
The pump: reads batches with a client of Kafka and hands them over.

aiokafka decodes a batch when it is read.  What it cannot decode (a header's name that is no UTF-8,
a broken compression) makes that partition unreadable, and the error takes with it what was read of
other partitions.  So after such an error the client is replaced, partitions are read one by one,
and what stands before the bad record is read record by record.  Then the partition is left out, and
the others go on.
"""

import asyncio
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import (
    ConsumerStoppedError,
    CorruptRecordException,
    KafkaError,
    TopicAuthorizationFailedError,
    UnsupportedCodecError,
)
from aiokafka.structs import ConsumerRecord

from libs.common.eventlog.kafka.handover import Handover
from libs.common.eventlog.records import Partition, Record

log = structlog.get_logger()

POLL = 0.2  # Seconds that one read waits.
RETRY_INTERVAL = 60.0  # Seconds after which partitions that were left out are tried again.

_OF_ONE_PARTITION = (CorruptRecordException, TopicAuthorizationFailedError, UnsupportedCodecError)
_Batches = Mapping[TopicPartition, Sequence[ConsumerRecord]]


class Unreadable(Exception):
    """A partition holds something that cannot be decoded, or may not be read."""


class Pump:
    """
    Reads for a consumer, with one client after the other.

    Args:
        handover: Takes the batches.
        batch: The most records of one.

    Attributes:
        blocked: The partitions that are left out, and the offsets at which they cannot be read.
    """

    def __init__(self, handover: Handover, *, batch: int) -> None:
        self._handover = handover
        self._batch = batch
        self._is_careful = False
        self._suspects: set[TopicPartition] = set()
        self._retry_at: float | None = None  # None: nothing was read carefully since.
        self.blocked: dict[Partition, int] = {}

    async def run(self, client: AIOKafkaConsumer) -> None:
        """
        Read until cancelled, which is for who has closed the client.

        Raises:
            KafkaError: The client must be replaced.
            Unreadable: The same.
        """
        while True:
            await self._handover.vacancy()
            read = self._read_carefully if self._is_careful else self._read
            batches = await read(client)
            if batches:
                self._handover.offer(*converted(batches))

    async def _read(self, client: AIOKafkaConsumer) -> _Batches:
        try:
            with decoding():
                batches: _Batches = await client.getmany(
                    timeout_ms=round(POLL * 1000), max_records=self._batch
                )
        except Unreadable:
            self._is_careful = True
            self._retry_at = None
            raise
        return batches

    async def _read_carefully(self, client: AIOKafkaConsumer) -> _Batches:
        self._retry(client)
        partitions = [*(client.assignment() - client.paused())]
        random.shuffle(partitions)  # None shall always be the last.
        found: dict[TopicPartition, Sequence[ConsumerRecord]] = {}
        free, is_any_blamed = self._batch, False
        for partition in partitions:
            most = 1 if partition in self._suspects else free
            try:
                with decoding():
                    found |= await client.getmany(partition, timeout_ms=0, max_records=most)
            except Unreadable as error:
                is_any_blamed = True
                await self._blame(client, partition, error)
            if partition in found:
                self.blocked.pop(Partition(*partition), None)
                free -= len(found[partition])
            if not free:
                break
        if self._retry_at is None and (found or is_any_blamed):
            # Not before: to join the group again may take longer than that.
            self._retry_at = _now() + RETRY_INTERVAL
        if not found:
            await asyncio.sleep(POLL / 4)
        return found

    def _retry(self, client: AIOKafkaConsumer) -> None:
        """Trust all partitions from time to time, and be careful no more when none has failed."""
        if self._retry_at is None or _now() < self._retry_at:
            return
        self._retry_at = None
        self._is_careful = bool(self._suspects)
        self._suspects.clear()
        client.resume(*client.paused())
        ours = client.assignment()
        self.blocked = {key: offset for key, offset in self.blocked.items() if key in ours}

    async def _blame(
        self, client: AIOKafkaConsumer, partition: TopicPartition, error: Unreadable
    ) -> None:
        """Read a partition record by record from now on, or leave it out if that was tried."""
        if partition not in self._suspects:
            self._suspects.add(partition)
            return
        offset = await client.position(partition)
        client.pause(partition)
        key = Partition(*partition)
        if self.blocked.get(key) != offset:
            self.blocked[key] = offset
            log.error(
                "events.partition_blocked",
                topic=key.topic,
                partition=key.number,
                offset=offset,
                exc_info=error,
            )


def _now() -> float:
    return asyncio.get_running_loop().time()


@contextmanager
def decoding() -> Iterator[None]:
    """Tell what is wrong with a partition from what is wrong with the client."""
    try:
        yield
    except _OF_ONE_PARTITION as error:
        raise Unreadable(str(error)) from error
    except (KafkaError, ConsumerStoppedError):
        raise
    except Exception as error:  # What decoders of all kinds make of bytes that strangers wrote.
        raise Unreadable(f"{type(error).__name__}: {error}") from error


def converted(batches: _Batches) -> tuple[list[Record], dict[Partition, int]]:
    """Turn what aiokafka gives into records and the offsets after them."""
    records = [
        Record(
            record.topic,
            record.partition,
            record.offset,
            record.timestamp / 1000,
            record.key,
            record.value,
            # A header may have no value in Kafka; nobody means anything else than an empty one.
            tuple([(name, value or b"") for name, value in record.headers]),
        )
        for batch in batches.values()
        for record in batch
    ]
    ends = {Partition(*partition): batch[-1].offset + 1 for partition, batch in batches.items()}
    return records, ends
