"""
A member of a consumer group on Kafka, which outlives the clients that it reads with.

`KafkaConsumer` builds a client, lets a pump read with it, watches it, and replaces it when it is
beyond help.  The pump has a task to itself because ``getmany`` must not be cancelled while its
client lives: it would count as reading for ever after, and no longer be taken for dead when it is.
While the group is rebalanced it does not keep its timeout either (both seen with aiokafka 0.14).
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Self

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError

from libs.common.errors import Unavailable
from libs.common.eventlog.kafka.clients import (
    TROUBLE,
    KafkaClients,
    Link,
    close_consumer,
    ensure_there,
    reason_of,
)
from libs.common.eventlog.kafka.handover import Handover
from libs.common.eventlog.kafka.liveness import ConsumerReading, Liveness
from libs.common.eventlog.kafka.pump import Pump, Unreadable
from libs.common.eventlog.kafka.settings import KafkaSettings
from libs.common.eventlog.records import Partition, Record
from libs.common.retry import Backoff

log = structlog.get_logger()

CLOSE_TIMEOUT = 8.0  # Seconds.  To leave a group that is being rebalanced takes a while.
FIRST_DELAY, LONGEST_DELAY = 0.5, 5.0  # Seconds between two clients.
POSITIONS_TIMEOUT = 1.0  # Seconds.  They are known, but for those that are just being reset.
LONG_LIFE = 60.0  # Seconds.  When such a client dies, it is not of the trouble of the last.


class Stuck(Exception):
    """A client is connected, and nothing comes of it."""


class KafkaConsumer:
    """
    A `Consumer` of a `KafkaEventLog`.

    It is a member of the group while its context is open.  `fetch` takes its whole timeout before
    it says that Kafka is away, so that it may be called again at once.

    Args:
        clients: Builds the clients.
        topics: What to read.
        group: The group's name.

    Attributes:
        group: The same.
        assigned: The partitions that are ours now.
        lag: For each of them, how many offsets lie between what was read last and the end of the
            partition.
        rebalances: How often partitions were assigned.
        restarts: How often the client was replaced.
    """

    def __init__(self, clients: KafkaClients, topics: Collection[str], group: str) -> None:
        self._clients = clients
        self._settings = clients.settings
        self._topics = frozenset(topics)
        self.group = group
        self._handover = Handover()
        self._pump = Pump(self._handover, batch=clients.settings.batch)
        self._link = Link(clients.outage, f"consumer {group}")
        self._backoff = Backoff(FIRST_DELAY, LONGEST_DELAY)
        self._missing: frozenset[str] = frozenset()
        self._client: AIOKafkaConsumer | None = None
        self._task: asyncio.Task[None] | None = None
        self._liveness: Liveness | None = None
        self._is_joined = False
        self.assigned: frozenset[Partition] = frozenset()
        self.lag: dict[Partition, int] = {}
        self.rebalances = 0
        self.restarts = 0

    @property
    def progressed_at(self) -> float:
        """When it last went on, or had nothing to read; on the event loop's clock."""
        return self._liveness.progressed_at if self._liveness else 0.0

    @property
    def blocked(self) -> Mapping[Partition, int]:
        """The partitions that are left out, and the offsets at which they cannot be read."""
        return self._pump.blocked

    @property
    def trouble(self) -> str:
        """What is wrong with Kafka; empty if nothing is."""
        error = self._link.error
        return reason_of(error) if error else ""

    def shares(self) -> Mapping[Partition, int]:
        """See `Consumer.shares`."""
        return {partition: self.lag.get(partition, 0) for partition in self.assigned}

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Self]:
        """Read while the context is open; an error of our own that ended the reading is raised."""
        if not self._topics:
            yield self
            return
        self._task = asyncio.create_task(self._run())
        try:
            yield self
        finally:
            self._handover.reset()
            self._task.cancel()
            await asyncio.wait([self._task])
        if not self._task.cancelled():
            self._task.result()

    async def fetch(self, timeout: float) -> list[Record]:
        """See `Consumer.fetch`."""
        if self._task is not None and self._task.done():
            self._task.result()
        records = await self._handover.take(timeout)
        if not records and self._link.error is not None:
            raise Unavailable("events") from self._link.error
        return records

    async def check(self) -> None:
        """See `Consumer.check`."""
        ensure_there(self._missing)

    async def commit(self, offsets: Mapping[Partition, int]) -> None:
        """See `Consumer.commit`."""
        client = self._client
        if client is None:
            raise Unavailable("events") from self._link.error
        ours = client.assignment()
        kept = {TopicPartition(*key): offset for key, offset in offsets.items() if key in ours}
        lost = len(offsets) - len(kept)
        try:
            async with asyncio.timeout(self._settings.commit_timeout):
                if kept:
                    await client.commit(kept)
        except (IllegalStateError, CommitFailedError):
            lost = len(offsets)
        except TROUBLE as error:
            raise Unavailable("events") from error
        if lost:
            log.info("events.commit_dropped", group=self.group, partitions=lost)
        self._handover.settle(offsets)

    async def _run(self) -> None:
        """Read with one client after the other, until cancelled."""
        now = asyncio.get_running_loop().time
        while True:
            born_at = now()
            try:
                await self._live(self._clients.consumer(self.group))
            except (*TROUBLE, Stuck, Unreadable) as error:
                self._link.lost(error)
            if now() - born_at > LONG_LIFE:
                self._backoff.reset()
            self.restarts += 1
            await asyncio.sleep(self._backoff.delay())

    async def _live(self, client: AIOKafkaConsumer) -> None:
        """
        Read with one client.

        Raises:
            KafkaError: The client must be replaced, for Kafka is away or unwilling.
            Stuck: The client must be replaced, for nothing comes of it.
            Unreadable: The client must be replaced, for a record cannot be read.
        """
        pump = None
        try:
            await client.start()
            client.subscribe([*self._topics], listener=_Rebalances(self))
            self._client = client
            pump = asyncio.create_task(self._pump.run(client))
            await self._watch(client, pump)
        finally:
            self._client = None
            self._forget()
            self._handover.reset()
            await close_consumer(client, timeout=CLOSE_TIMEOUT)
            if pump is not None:
                pump.cancel()  # Only now: see the module.
                await asyncio.wait([pump])
                if not pump.cancelled():
                    pump.exception()  # Looked at, or asyncio complains.

    async def _watch(self, client: AIOKafkaConsumer, pump: asyncio.Task[None]) -> None:
        now = asyncio.get_running_loop().time
        self._liveness = liveness = _liveness(now(), self._settings)
        while True:
            await asyncio.wait([pump], timeout=self._settings.silence_timeout / 3)
            if pump.done():
                pump.result()
            liveness.observe(await self._look(client), now())
            if liveness.is_silent(now()):
                await self._ask(client, liveness)
            elif liveness.is_reading:
                self._link.found()
            complaint = liveness.complaint(now())
            if complaint:
                raise Stuck(complaint)

    async def _look(self, client: AIOKafkaConsumer) -> ConsumerReading:
        """Take a reading, and what else is worth knowing."""
        held_up = not self._handover.is_vacant
        if not self._is_joined:
            return ConsumerReading(None, held_up=held_up)
        self._tell_missing(client)
        polls: dict[tuple[str, int], int | None] = {}
        positions: dict[tuple[str, int], int] = {}
        ends: dict[tuple[str, int], int] = {}
        highs: dict[tuple[str, int], int] = {}
        for partition in client.assignment() - client.paused():
            polls[partition] = client.last_poll_timestamp(partition)
            high, stable = client.highwater(partition), client.last_stable_offset(partition)
            if high is not None:
                highs[partition] = high
                ends[partition] = high if stable is None or stable < 0 else min(high, stable)
        with suppress(IllegalStateError, TimeoutError):
            async with asyncio.timeout(POSITIONS_TIMEOUT):
                for partition in ends:
                    positions[partition] = await client.position(partition)
        self.lag = {Partition(*key): max(0, highs[key] - positions[key]) for key in positions}
        return ConsumerReading(polls, positions, ends, held_up=held_up)

    async def _ask(self, client: AIOKafkaConsumer, liveness: Liveness) -> None:
        """Ask whether anybody is there."""
        try:
            async with asyncio.timeout(self._settings.silence_timeout):
                await client.topics()
        except TROUBLE as error:
            liveness.unheard()
            self._link.lost(error)
        else:
            liveness.heard(asyncio.get_running_loop().time())

    def _tell_missing(self, client: AIOKafkaConsumer) -> None:
        missing = frozenset(
            topic for topic in self._topics if not client.partitions_for_topic(topic)
        )
        for topic in sorted(missing - self._missing):
            log.warning("topic.lost", topic=topic, group=self.group)
        for topic in sorted(self._missing - missing):
            log.info("topic.found", topic=topic, group=self.group)
        self._missing = missing

    def _forget(self) -> None:
        self._is_joined = False
        self.assigned = frozenset()
        self.lag = {}

    async def revoked(self) -> None:
        """Give up what is assigned: the group is being rebalanced."""
        self._forget()
        await self._handover.release(self._settings.release_timeout)

    def assign(self, partitions: Collection[TopicPartition]) -> None:
        """Take over partitions."""
        self._is_joined = True
        self.assigned = frozenset(Partition(*partition) for partition in partitions)
        self.rebalances += 1


def _liveness(now: float, settings: KafkaSettings) -> Liveness:
    return Liveness(
        now,
        silence_timeout=settings.silence_timeout,
        stall_timeout=settings.stall_timeout,
        # The longest that others can keep us waiting for the group, and some more.
        join_timeout=settings.request_timeout + settings.rebalance_timeout + settings.stall_timeout,
        # Longer than our place in the group is kept, there is nothing to be patient for.
        away_timeout=max(3 * settings.session_timeout, settings.stall_timeout),
    )


class _Rebalances(ConsumerRebalanceListener):  # type: ignore[misc]  # It has no types.
    """Tells a consumer what the group decides; raises nothing, as aiokafka would swallow it."""

    def __init__(self, consumer: KafkaConsumer) -> None:
        self._consumer = consumer

    async def on_partitions_revoked(
        self,
        revoked: Collection[TopicPartition],  # noqa: ARG002 - aiokafka calls with it.
    ) -> None:
        await self._consumer.revoked()

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        self._consumer.assign(assigned)
