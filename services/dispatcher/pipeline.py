"""
From the event log to the bus: read, route, publish, commit.

A batch is committed once the bus has all its broadcasts and the dead-letter topic all that could
not be sent.  While a backend is away the same batch is tried again, and nothing more is read.  A
batch may be published more than once; the bus knows each record's broadcasts by their source and
appends them once.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from logging import DEBUG

import structlog

from libs.common.bus.messages import Broadcast, Publication, Source, event_frame
from libs.common.bus.port import Bus
from libs.common.channels import Channel
from libs.common.errors import Unavailable
from libs.common.eventlog.port import Consumer, EventLog
from libs.common.eventlog.records import NewRecord, Partition, Record, RecordTooLarge
from libs.common.retry import Retry
from services.dispatcher.counters import DispatcherCounters
from services.dispatcher.events.dead_letters import bare, dead_letter
from services.dispatcher.events.decoding import decode
from services.dispatcher.events.event import DomainEvent, Undecodable
from services.dispatcher.routing.outlook import unrouted
from services.dispatcher.routing.router import Router, Routing
from services.dispatcher.routing.rules import Routed, Unroutable
from services.dispatcher.senders import Sender, Senders
from services.dispatcher.settings import MAX_BROADCASTS, DispatcherSettings

log = structlog.get_logger()

FETCH_TIMEOUT = 1.0  # Seconds.
MAX_REASON = 500  # Characters of an error that a dead letter carries.
LONGEST = 200  # Characters of an event's type or id in the log: they may be anything.
MOST_CHANNELS = 10  # Of one event in the log.


class Pipeline:
    """
    One consumer of the event log.

    Args:
        settings: The consumer group, the dead-letter topic and bounds.
        router: The routes, compiled.
        events: Where records come from, and where dead letters go.
        bus: Where broadcasts go.
        senders: Told which users have sent something.
        counters: What became of records and broadcasts.
        decode: Reads a record as a domain event, or as nothing to tell.
    """

    def __init__(
        self,
        settings: DispatcherSettings,
        router: Router,
        *,
        events: EventLog,
        bus: Bus,
        senders: Senders,
        counters: DispatcherCounters,
        decode: Callable[[Record], DomainEvent | None] = decode,
    ) -> None:
        self._settings = settings
        self._router = router
        self._events = events
        self._bus = bus
        self._senders = senders
        self._counters = counters
        self._decode = decode
        self._log = log.bind()  # Found anew for each line, a logger takes two microseconds.
        self._consumer: Consumer | None = None
        self._retry = Retry(first=settings.retry_min, longest=settings.retry_max)

    async def check(self) -> None:
        """
        See whether it works, or waits, and whether all topics are there.

        Raises:
            Unavailable: It waits, and the cause says for which backend; or a topic is missing that
                it reads, or that takes dead letters.
        """
        self._retry.ensure()
        if self._consumer is not None:
            await self._consumer.check()
            await self._events.check([self._settings.dead_letter_topic])

    @property
    def is_waiting(self) -> bool:
        """Whether a backend is waited for."""
        return self._retry.is_waiting

    def shares(self) -> Mapping[Partition, int]:
        """Tell which partitions are read here, and how far behind each is."""
        return self._consumer.shares() if self._consumer else {}

    async def run(self) -> None:
        """Work until cancelled."""
        async with self._events.consume(
            self._router.topics, group=self._settings.group
        ) as self._consumer:
            consumer = self._consumer
            while True:
                records = await self._retry.until_done(lambda: consumer.fetch(FETCH_TIMEOUT))
                if records:
                    await self._process(consumer, records)

    async def _process(self, consumer: Consumer, records: Sequence[Record]) -> None:
        began, counters = time.monotonic(), self._counters
        counters.batches.record(len(records))
        await self._pass_on(records)
        offsets = {Partition(r.topic, r.partition): r.offset + 1 for r in records}
        await self._retry.until_done(lambda: self._commit(consumer, offsets))
        counters.batch_seconds.record(time.monotonic() - began)
        oldest = min(record.timestamp for record in records)
        counters.age.record(max(0.0, time.time() - oldest))

    async def _commit(self, consumer: Consumer, offsets: Mapping[Partition, int]) -> None:
        try:
            await consumer.commit(offsets)
        except Unavailable:
            self._counters.commits_failed += 1
            raise

    async def _pass_on(self, records: Sequence[Record]) -> None:
        """Publish what records say, and put aside those that say nothing that can be sent."""
        publications: list[Publication] = []
        senders: list[Sender] = []
        dead: list[NewRecord] = []
        for record in records:
            try:
                made, user_id = self._publications(record)
                publications += made
                if user_id:
                    senders += (Sender(each.channel, user_id) for each in made)
            except (Undecodable, Unroutable) as error:
                dead.append(self._dead_letter(record, error))
            except Exception as error:
                # Our own fault; yet one record must not stop all that come after it.
                log.exception(
                    "record.failed",
                    topic=record.topic,
                    partition=record.partition,
                    offset=record.offset,
                )
                dead.append(self._dead_letter(record, error))
        if publications:
            await self._retry.until_done(lambda: self._publish(publications))
            self._counters.broadcasts += len(publications)
            await self._senders.sent(senders)
        if dead:
            await self._bury(dead)

    async def _publish(self, publications: Sequence[Publication]) -> None:
        began = time.monotonic()
        await self._bus.publish(publications)
        self._counters.publish_seconds.record(time.monotonic() - began)

    def _publications(self, record: Record) -> tuple[list[Publication], str]:
        """Decode and route a record; tell which user has sent it, or none."""
        event = self._decode(record)
        if event is None:
            self._counters.records[record.topic, "empty"] += 1
            return [], ""
        routing = self._router.route(record.topic, event, now=time.time())
        for skipped in routing.skipped:
            self._counters.skipped[skipped.reason] += 1
        self._note(record, event, routing)
        publications = [
            _publication(record, event, routed, index)
            for index, routed in enumerate(routing.broadcasts)
        ]
        return publications, event.user_id

    def _note(self, record: Record, event: DomainEvent, routing: Routing) -> None:
        """Count and tell what becomes of an event, without its content."""
        if not routing.broadcasts:
            self._counters.records[record.topic, "unrouted"] += 1
            log.info(
                "event.unrouted",
                type=event.type[:LONGEST],
                topic=record.topic,
                reason=unrouted(self._router, record.topic, event, routing),
                pace_by=event.type[:LONGEST],
            )
            return
        self._counters.records[record.topic, "routed"] += 1
        if self._log.is_enabled_for(DEBUG):
            self._log.debug(
                "event.routed",
                topic=record.topic,
                partition=record.partition,
                offset=record.offset,
                id=event.id[:LONGEST],
                type=event.type[:LONGEST],
                channels=[routed.channel for routed in routing.broadcasts[:MOST_CHANNELS]],
                broadcasts=len(routing.broadcasts),
            )

    def _dead_letter(self, record: Record, error: Exception) -> NewRecord:
        kind, reason = type(error).__name__, _worded(error)
        self._counters.records[record.topic, "dead"] += 1
        self._counters.dead[kind] += 1
        log.warning(
            "record.dead_lettered",
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            kind=kind,
            reason=reason,
            route=getattr(error, "route", ""),
            place=getattr(error, "place", ""),
        )
        return dead_letter(record, self._settings.dead_letter_topic, kind=kind, reason=reason)

    async def _bury(self, letters: Sequence[NewRecord]) -> None:
        """Append dead letters; one that is too large only says where its content lies."""
        try:
            await self._retry.until_done(lambda: self._events.append(letters))
        except RecordTooLarge:
            for letter in letters:
                await self._bury_alone(letter)

    async def _bury_alone(self, letter: NewRecord) -> None:
        try:
            await self._retry.until_done(lambda: self._events.append([letter]))
        except RecordTooLarge:
            await self._retry.until_done(lambda: self._events.append([bare(letter)]))


def _worded(error: Exception) -> str:
    """Say why a record is put aside; what a fault of ours says may quote what is in the event."""
    if isinstance(error, Undecodable | Unroutable):
        return str(error)[:MAX_REASON]
    return "a fault of ours: record.failed in the log tells more"


def _publication(record: Record, event: DomainEvent, routed: Routed, index: int) -> Publication:
    source = Source(
        f"{record.topic}/{record.partition}",
        record.offset * MAX_BROADCASTS + index,
        record.timestamp,
    )
    broadcast = Broadcast(
        event_frame(routed.channel, routed.event, routed.data),
        time.time(),
        (event.socket_id,) if event.socket_id else (),
        event.trace,
    )
    return Publication(Channel(routed.app, routed.channel), broadcast, source)
