"""
From the event log to the bus: read, route, publish, commit.

A batch is committed once the bus has all its broadcasts and the dead-letter topic all that could
not be sent.  While a backend is away the same batch is tried again, and nothing more is read.  A
batch may be published more than once; the bus knows each record's broadcasts by their source and
appends them once.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from logging import DEBUG

import structlog
from msgspec.structs import asdict
from opentelemetry.trace import Span

from libs.common.bus.messages import Audited, Broadcast, Publication, Source, event_frame
from libs.common.bus.port import Bus
from libs.common.channels import Channel, ChannelUser
from libs.common.errors import Unavailable
from libs.common.eventlog.port import Consumer, EventLog
from libs.common.eventlog.records import NewRecord, Partition, Record, RecordTooLarge
from libs.common.fairness.turns import in_turns
from libs.common.retry import Retry
from libs.common.telemetry.audit import audit_log
from libs.common.telemetry.texts import LONGEST
from libs.common.telemetry.tracing.current import current
from libs.common.telemetry.tracing.names import processing
from libs.common.telemetry.tracing.tracer import UNTRACED, Tracer, failed, onward
from services.dispatcher.counters import DispatcherCounters
from services.dispatcher.events.dead_letters import bare, dead_letter, put_aside
from services.dispatcher.events.decoding import decode
from services.dispatcher.events.event import DomainEvent, Undecodable, coordinates
from services.dispatcher.routing.outlook import unrouted
from services.dispatcher.routing.router import Router, Routing
from services.dispatcher.routing.rules import Routed, Unroutable
from services.dispatcher.senders import Senders
from services.dispatcher.settings import MAX_BROADCASTS, DispatcherSettings

log = structlog.get_logger()

FETCH_TIMEOUT = 1.0  # Seconds.
MAX_REASON = 500  # Characters of an error that a dead letter carries.
MOST_CHANNELS = 10  # Of one event in the log.


@dataclass(slots=True)
class _Work:
    """
    What is to be done about a batch.

    Attributes:
        publications: What to publish.
        audited: What the audit log is to tell of some of it, once it is published.
        senders: Which users have sent some of it.
        dead: Records to put aside.
        spans: Those of records that are watched; they end with the work.
    """

    publications: list[Publication] = field(default_factory=list)
    audited: list[dict[str, object]] = field(default_factory=list)
    senders: list[ChannelUser] = field(default_factory=list)
    dead: list[NewRecord] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)


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
        tracer: Makes spans of records that are watched.
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
        tracer: Tracer = UNTRACED,
        decode: Callable[[Record], DomainEvent | None] = decode,
    ) -> None:
        self._settings = settings
        self._router = router
        self._events = events
        self._bus = bus
        self._senders = senders
        self._counters = counters
        self._tracer = tracer
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
        work = _Work()
        async for record in in_turns(records):
            self._read(record, work)
        try:
            if work.publications:
                await self._retry.until_done(lambda: self._publish(work.publications))
                self._counters.broadcasts += len(work.publications)
                for facts in work.audited:
                    audit_log.info("audit.published", **facts)
                await self._senders.sent(work.senders)
            if work.dead:
                await self._bury(work.dead)
        finally:
            for span in work.spans:
                span.end()

    def _read(self, record: Record, work: _Work) -> None:
        """Find out what is to be done about a record."""
        span = None
        try:
            event = self._decode(record)
            if event is None:
                self._counters.records[record.topic, "empty"] += 1
                return
            if self._tracer.wants(event.trace):
                span = self._begin(record, event.trace, event_id=event.id)
                work.spans.append(span)
            with current(span):
                routing = self._routed(record, event)
            trace = onward(span, event.trace)
            made = [
                _publication(record, event, routed, index=index, trace=trace)
                for index, routed in enumerate(routing.broadcasts)
            ]
            work.publications += made
            if audit_log.is_on:
                work.audited += _audited(record, event, routing.broadcasts)
            if event.user_id:
                work.senders += (ChannelUser(each.channel, event.user_id) for each in made)
        except (Undecodable, Unroutable) as error:
            if span is None and (span := self._unread(record)) is not None:
                work.spans.append(span)
            work.dead += self._put_aside(record, error, span)
        except Exception as error:
            # Our own fault; yet one record must not stop all that come after it.
            with current(span):
                log.exception(
                    "record.failed",
                    topic=record.topic,
                    partition=record.partition,
                    offset=record.offset,
                )
            work.dead += self._put_aside(record, error, span)

    def _begin(self, record: Record, trace: str, *, event_id: str) -> Span:
        group = self._settings.group
        step = processing(
            record.topic, record.partition, record.offset, group=group, event_id=event_id
        )
        return self._tracer.begin(step, trace)

    def _unread(self, record: Record) -> Span | None:
        """Begin the span of a record that is no event, if its header says that it is watched."""
        headers = {name.lower(): value for name, value in record.headers}
        trace = headers.get("traceparent", b"").decode(errors="replace")
        if not self._tracer.wants(trace, may_begin=False):
            return None
        return self._begin(record, trace, event_id=coordinates(record))

    async def _publish(self, publications: Sequence[Publication]) -> None:
        began = time.monotonic()
        await self._bus.publish(publications)
        self._counters.publish_seconds.record(time.monotonic() - began)

    def _routed(self, record: Record, event: DomainEvent) -> Routing:
        """Route an event, and say what becomes of it."""
        routing = self._router.route(record.topic, event, now=time.time())
        for skipped in routing.skipped:
            self._counters.skipped[skipped.reason] += 1
        self._note(record, event, routing)
        return routing

    def _note(self, record: Record, event: DomainEvent, routing: Routing) -> None:
        """Count and tell what becomes of an event, without its content."""
        if not routing.broadcasts:
            self._counters.records[record.topic, "unrouted"] += 1
            log.info(
                "event.unrouted",
                type=event.type,
                topic=record.topic,
                reason=unrouted(self._router, record.topic, event, routing),
                pace_by=event.type,
            )
            return
        self._counters.records[record.topic, "routed"] += 1
        self._counters.fanout.record(len(routing.broadcasts))
        if self._log.is_enabled_for(DEBUG):
            self._log.debug(
                "event.routed",
                topic=record.topic,
                partition=record.partition,
                offset=record.offset,
                id=event.id,
                type=event.type,
                channels=[routed.channel for routed in routing.broadcasts[:MOST_CHANNELS]],
                broadcasts=len(routing.broadcasts),
            )

    def _put_aside(self, record: Record, error: Exception, span: Span | None) -> list[NewRecord]:
        """Make a dead letter of a record; nothing of one that is a dead letter already."""
        if record.topic != self._settings.dead_letter_topic and put_aside(record) is None:
            return [self._dead_letter(record, error, span)]
        self._counters.records[record.topic, "dropped"] += 1
        log.warning(
            "record.dropped",
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            kind=type(error).__name__,
            reason=_worded(error),
            pace_by=record.topic,
        )
        return []

    def _dead_letter(self, record: Record, error: Exception, span: Span | None) -> NewRecord:
        kind, reason = type(error).__name__, _worded(error)
        self._counters.records[record.topic, "dead"] += 1
        self._counters.dead[kind] += 1
        if span is not None:
            failed(span, kind)
        with current(span):
            log.warning(
                "record.dead_lettered",
                topic=record.topic,
                partition=record.partition,
                offset=record.offset,
                kind=kind,
                reason=reason,
                route=getattr(error, "route", ""),
                place=getattr(error, "place", ""),
                pace_by=f"{kind} {getattr(error, 'route', '')}",
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


def _audited(
    record: Record, event: DomainEvent, broadcasts: Iterable[Routed]
) -> Iterator[dict[str, object]]:
    """Say what the audit log is to tell, without the content."""
    for routed in broadcasts:
        if routed.audit:
            yield {
                **asdict(_mark(record, event, routed)),
                "source": event.source,
                "type": event.type,
                "route": routed.route,
                "app": routed.app,
                "channel": routed.channel,
            }


def _mark(record: Record, event: DomainEvent, routed: Routed) -> Audited:
    """Say what gateways are to tell beside, in texts that any envelope takes, short enough."""
    texts = event.id[:LONGEST], routed.event
    event_id, name = (text.encode(errors="replace").decode() for text in texts)
    size = len(routed.data.encode(errors="surrogatepass"))
    return Audited(event_id, coordinates(record), name, size)


def _publication(
    record: Record, event: DomainEvent, routed: Routed, *, index: int, trace: str
) -> Publication:
    source = Source(
        f"{record.topic}/{record.partition}",
        record.offset * MAX_BROADCASTS + index,
        record.timestamp,
    )
    broadcast = Broadcast(
        event_frame(routed.channel, routed.event, routed.data),
        time.time(),
        (event.socket_id,) if event.socket_id else (),
        trace,
        _mark(record, event, routed) if routed.audit else None,
        event.time,
    )
    return Publication(Channel(routed.app, routed.channel), broadcast, source)
