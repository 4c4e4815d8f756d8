"""
The event log on Kafka.

Appends wait for all replicas in sync.  What is read was committed by its producer, and offsets are
committed only when the caller says so.  Kafka being away never fails a start: an append says so at
its deadline at the latest, and consumers come back by themselves.
"""

from collections import Counter
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Self

from libs.common.config.address import Url
from libs.common.errors import Unavailable
from libs.common.eventlog.kafka.browser import KafkaBrowser, browsing
from libs.common.eventlog.kafka.clients import KafkaClients, ensure_there
from libs.common.eventlog.kafka.consumer import KafkaConsumer
from libs.common.eventlog.kafka.producer import KafkaProducer
from libs.common.eventlog.kafka.settings import KafkaSettings
from libs.common.eventlog.records import NewRecord, RecordTooLarge, size_of
from libs.common.fairness.turns import in_turns


class KafkaEventLog:
    """
    An event log on Kafka.  See `EventLog`.

    Keys choose partitions as in all of Kafka's clients.  Use it as an asynchronous context; leaving
    it closes the producer.

    Args:
        url: ``kafka://host:port,host:port``.
        settings: Everything else.

    Attributes:
        consumers: Those that read now.

    Raises:
        Misconfigured: The URL cannot work, or a file of certificates cannot be read.
    """

    def __init__(self, url: Url, settings: KafkaSettings | None = None) -> None:
        self._settings = settings or KafkaSettings()
        self._clients = KafkaClients(url, self._settings)
        self.producer = KafkaProducer(self._clients)
        self.consumers: list[KafkaConsumer] = []
        self._former: dict[str, Counter[str]] = {"rebalances": Counter(), "restarts": Counter()}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.producer.close()

    async def check(self, topics: Collection[str] = ()) -> None:
        """See `EventLog.check`; consumers of this log count too."""
        missing: Collection[str] = ()
        with suppress(Unavailable):
            missing = await self.producer.check(topics)
        self._clients.outage.ensure()
        ensure_there(missing)

    async def append(self, records: Sequence[NewRecord]) -> None:
        """See `EventLog.append`."""
        async for record in in_turns(records):
            if size_of(record) > self._settings.max_record:
                raise RecordTooLarge
        await self.producer.append(records)

    def browse(self, topic: str) -> AbstractAsyncContextManager[KafkaBrowser]:
        """See `EventLog.browse`."""
        return browsing(self._clients, topic)

    @asynccontextmanager
    async def consume(self, topics: Collection[str], *, group: str) -> AsyncIterator[KafkaConsumer]:
        """See `EventLog.consume`."""
        consumer = KafkaConsumer(self._clients, topics, group)
        self.consumers.append(consumer)
        try:
            async with consumer.opened():
                yield consumer
        finally:
            self.consumers.remove(consumer)
            self._former["rebalances"][group] += consumer.rebalances
            self._former["restarts"][group] += consumer.restarts

    @property
    def rebalances(self) -> Counter[str]:
        """How often partitions were assigned, by group, since the start."""
        return self._summed("rebalances")

    @property
    def restarts(self) -> Counter[str]:
        """How often the client of a consumer was replaced, by group, since the start."""
        return self._summed("restarts")

    def _summed(self, what: str) -> Counter[str]:
        summed = self._former[what].copy()  # Not with +, which would drop what is 0.
        for each in self.consumers:
            summed[each.group] += getattr(each, what)
        return summed
