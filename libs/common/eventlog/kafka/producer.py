"""
The producer of records: one for the process, started when needed, replaced when broken.

It is idempotent, so aiokafka never gives a record up by itself, and loses count when a broker
refuses one (aiokafka, issue 1017).  Therefore every append has a deadline, and a producer that
failed to deliver, or delivers nothing any more, is thrown away with all that is in it.
"""

import asyncio
from collections.abc import Collection, Sequence

from aiokafka import AIOKafkaProducer
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)

from libs.common.errors import Unavailable
from libs.common.eventlog.kafka.clients import (
    TROUBLE,
    KafkaClients,
    Link,
    discard_producer,
    reason_of,
)
from libs.common.eventlog.records import NewRecord, RecordTooLarge
from libs.common.fairness.turns import in_turns
from libs.common.retry import Backoff

CHECK_TIMEOUT = 3.0  # Seconds that brokers have to answer an operator's question.
MAKING, LOOK = 1.0, 0.1  # Seconds that a topic takes which the asking makes; between two looks.
AT_ONCE = 1000  # Records that are on their way together.
LONGEST_DELAY = 1.0  # Seconds between attempts to start.

# These say something of a topic, and nothing of Kafka or of the producer.
_ABOUT_A_TOPIC = (UnknownTopicOrPartitionError, TopicAuthorizationFailedError)
_TOO_LATE = (TimeoutError, KafkaTimeoutError)


class KafkaProducer:
    """
    Appends records to Kafka.

    Args:
        clients: Builds the producers.

    Attributes:
        restarts: How many producers were thrown away.
    """

    def __init__(self, clients: KafkaClients) -> None:
        self._clients = clients
        self._link = Link(clients.outage, "producer")
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()
        self._start_error: BaseException | None = None
        self._next_start_at = 0.0
        self._backoff = Backoff(longest=LONGEST_DELAY)
        self._delivered_at = 0.0
        self._refusing: set[str] = set()  # Topics; bounded by those that apps and settings name.
        self.restarts = 0

    async def append(self, records: Sequence[NewRecord]) -> None:
        """Append records.  See `EventLog.append`."""
        producer, began_at = None, _now()
        try:
            async with asyncio.timeout(self._clients.settings.delivery_timeout):
                producer = await self._started()
                await self._deliver(producer, records)
        except MessageSizeTooLargeError as error:
            raise RecordTooLarge from error
        except _ABOUT_A_TOPIC as error:
            self._refused(records, error)
            raise Unavailable("events") from error
        except TROUBLE as error:
            self._link.lost(error)
            if isinstance(error, _TOO_LATE) and self._delivered_at < began_at:
                await self._discard(producer)
            raise Unavailable("events") from error
        self._delivered_at = _now()
        self._link.found()
        if self._refusing:
            self._taken({record.topic for record in records})

    async def check(self, topics: Collection[str] = ()) -> Collection[str]:
        """
        Ask the brokers what they know of the topics.  See `EventLog.check`.

        Returns:
            Those of the topics that are not there.

        Raises:
            Unavailable: Kafka is away.
        """
        try:
            async with asyncio.timeout(CHECK_TIMEOUT):
                client = (await self._started()).client
                await _looked_up(client, topics)
        except TROUBLE as error:
            self._link.lost(error)
            raise Unavailable("events") from error
        self._link.found()
        self._taken(self._refusing - _missing(client, self._refusing))
        return _missing(client, topics)

    def _refused(self, records: Sequence[NewRecord], error: KafkaError) -> None:
        """Note that one of the records' topics cannot be appended to; which one is not told."""
        for topic in {record.topic for record in records}:
            self._refusing.add(topic)
            self._clients.outage.lost(f"{topic}: {reason_of(error)}", by=f"topic {topic}")

    def _taken(self, topics: Collection[str]) -> None:
        for topic in self._refusing.intersection(topics):
            self._refusing.discard(topic)
            self._clients.outage.found(by=f"topic {topic}")

    async def close(self) -> None:
        """Close the connections; what is being appended fails."""
        await self._discard(self._producer)

    async def _started(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._producer is None:
                if self._start_error is not None and _now() < self._next_start_at:
                    raise KafkaConnectionError("not tried again yet") from self._start_error
                self._producer = await self._start()
            return self._producer

    async def _start(self) -> AIOKafkaProducer:
        producer = self._clients.producer()
        try:
            await producer.start()
        except BaseException as error:
            self._start_error = error
            self._next_start_at = _now() + self._backoff.delay()
            await discard_producer(producer)
            raise
        self._start_error = None
        self._backoff.reset()
        return producer

    async def _deliver(self, producer: AIOKafkaProducer, records: Sequence[NewRecord]) -> None:
        # All at once, ten thousand futures would be waited for, and looked at, in one turn.
        for start in range(0, len(records), AT_ONCE):
            await self._deliver_some(producer, records[start : start + AT_ONCE])

    async def _deliver_some(self, producer: AIOKafkaProducer, records: Sequence[NewRecord]) -> None:
        sent: list[asyncio.Future[object]] = []
        try:
            async for record in in_turns(records):
                headers = [*record.headers]
                sent.append(
                    await producer.send(record.topic, record, key=record.key, headers=headers)
                )
            await asyncio.gather(*sent)
        except (*_ABOUT_A_TOPIC, KafkaTimeoutError):
            raise
        except KafkaError:
            await self._discard(producer)
            raise
        finally:
            for future in sent:
                future.cancel()

    async def _discard(self, producer: AIOKafkaProducer | None) -> None:
        """Throw a producer away; the next append starts another."""
        if producer is not None and producer is self._producer:
            self._producer = None
            self.restarts += 1
            await discard_producer(producer)


async def _looked_up(client: AIOKafkaClient, topics: Collection[str]) -> None:
    """
    Have a client ask the brokers what they know, of these topics, too.

    Raises:
        KafkaConnectionError: Nobody answers.
    """
    until = _now() + MAKING
    for topic in topics:
        await client.add_topic(topic)
    while True:
        if not await client.force_metadata_update():
            raise KafkaConnectionError("no broker answers")
        if not _missing(client, topics) or _now() > until:
            return
        await asyncio.sleep(LOOK)  # Brokers that make topics say for a while that there is none.


def _missing(client: AIOKafkaClient, topics: Collection[str]) -> set[str]:
    return {topic for topic in topics if not client.cluster.partitions_for_topic(topic)}


def _now() -> float:
    return asyncio.get_running_loop().time()
