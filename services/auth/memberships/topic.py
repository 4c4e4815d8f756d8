"""
From a topic to the memberships: read, put and remove, commit.

Records come at least once, and to put or remove again changes nothing.  While a backend is away the
same batch is tried again, and nothing more is read.  Records that tell of no membership are
counted, said once for each reason, and skipped.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from functools import partial

import structlog

from libs.common.eventlog.port import Consumer, EventLog
from libs.common.eventlog.records import Partition, Record
from libs.common.memberships.membership import Membership
from libs.common.memberships.port import Memberships
from libs.common.retry import Retry
from services.auth.memberships.topic_records import Malformed, latest, membership_of

FETCH_TIMEOUT = 1.0  # Seconds.
AT_ONCE = 1000  # Memberships that are written together.

log = structlog.get_logger()


class MembershipTopic:
    """
    A reader of the topic; any number may run at once, and share its partitions.

    Args:
        topic: The name of the topic.
        group: The consumer group.
        events: Gives the records of the topic.
        memberships: Where they are put and removed.
    """

    def __init__(
        self, topic: str, *, group: str, events: EventLog, memberships: Memberships
    ) -> None:
        self._topic = topic
        self._group = group
        self._events = events
        self._memberships = memberships
        self._retry = Retry()
        self._consumer: Consumer | None = None
        self._said: set[str] = set()
        self.counts: Counter[str] = Counter()

    async def check(self) -> None:
        """
        See whether the topic is read, or waits.

        Raises:
            Unavailable: It waits, and the cause says for which backend; or it is not there.
        """
        self._retry.ensure()
        if self._consumer is not None:
            await self._consumer.check()

    def shares(self) -> Mapping[Partition, int]:
        """Tell which partitions are read here, and how far behind each is."""
        return self._consumer.shares() if self._consumer else {}

    async def run(self) -> None:
        """Read until cancelled."""
        reading = self._events.consume([self._topic], group=self._group)
        async with reading as self._consumer:
            consumer = self._consumer
            while True:
                records = await self._retry.until_done(lambda: consumer.fetch(FETCH_TIMEOUT))
                if records:
                    await self._adopt(consumer, records)

    async def _adopt(self, consumer: Consumer, records: Sequence[Record]) -> None:
        put, removed = latest(self._read(records))
        await self._write(self._memberships.put, put)
        await self._write(self._memberships.remove, removed)
        offsets = {Partition(r.topic, r.partition): r.offset + 1 for r in records}
        await self._retry.until_done(lambda: consumer.commit(offsets))

    async def _write(
        self,
        work: Callable[[Sequence[Membership]], Awaitable[int]],
        memberships: Sequence[Membership],
    ) -> None:
        for start in range(0, len(memberships), AT_ONCE):
            some = memberships[start : start + AT_ONCE]
            await self._retry.until_done(partial(work, some))

    def _read(self, records: Sequence[Record]) -> Iterator[tuple[Membership, bool]]:
        for record in records:
            try:
                yield membership_of(record)
            except Malformed as error:
                self._skip(record, str(error))
            else:
                self.counts["records.read"] += 1

    def _skip(self, record: Record, reason: str) -> None:
        self.counts["records.malformed"] += 1
        if reason in self._said:
            return
        self._said.add(reason)
        log.warning(
            "membership.skipped",
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            reason=reason,
        )
