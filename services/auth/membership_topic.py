"""
From a topic to the memberships: read, put and remove, commit.

Records come at least once, and to put or remove again changes nothing.  While a backend is away the same batch is
tried again, and nothing more is read.  Records that tell of no membership are counted, said once for each reason, and
skipped.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from typing import TypeVar

import structlog

from libs.common.belonging import Membership
from libs.common.errors import Unavailable
from libs.common.eventlog import Consumer, EventLog, Partition
from libs.common.memberships import Memberships
from libs.common.records import Record
from libs.common.retry import Backoff
from services.auth.membership_records import Malformed, latest, membership_of

FETCH_TIMEOUT = 1.0  # Seconds.
AT_ONCE = 1000  # Memberships that are written together.

log = structlog.get_logger()
T = TypeVar("T")


class MembershipTopic:
    """
    A reader of the topic; any number may run at once, and share its partitions.

    Args:
        topic: Its name.
        group: The consumer group.
        events: Gives records.
        memberships: Take what they say.
    """

    def __init__(
        self, topic: str, *, group: str, events: EventLog, memberships: Memberships
    ) -> None:
        self._topic = topic
        self._group = group
        self._events = events
        self._memberships = memberships
        self._is_waiting = False
        self._said: set[str] = set()
        self.counts: Counter[str] = Counter()

    @property
    def is_waiting(self) -> bool:
        """Whether a backend is away."""
        return self._is_waiting

    async def run(self) -> None:
        """Read until cancelled."""
        async with self._events.consume([self._topic], group=self._group) as consumer:
            while True:
                records = await self._insist(lambda: consumer.fetch(FETCH_TIMEOUT))
                if records:
                    await self._adopt(consumer, records)

    async def _adopt(self, consumer: Consumer, records: Sequence[Record]) -> None:
        put, removed = latest(self._read(records))
        await self._write(self._memberships.put, put)
        await self._write(self._memberships.remove, removed)
        offsets = {Partition(r.topic, r.partition): r.offset + 1 for r in records}
        await self._insist(lambda: consumer.commit(offsets))

    async def _write(
        self,
        work: Callable[[Sequence[Membership]], Awaitable[int]],
        memberships: Sequence[Membership],
    ) -> None:
        for start in range(0, len(memberships), AT_ONCE):
            some = memberships[start : start + AT_ONCE]
            await self._insist(partial(work, some))

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

    async def _insist(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Try until a backend is back; it is said once that it is away, and once that it is back."""
        backoff = Backoff()
        while True:
            try:
                result = await attempt()
            except Unavailable as error:
                self._note(error)
                await asyncio.sleep(backoff.delay())
            else:
                self._note(None)
                return result

    def _note(self, error: Unavailable | None) -> None:
        if (error is not None) == self._is_waiting:
            return
        self._is_waiting = error is not None
        if error:
            log.warning("memberships.waiting", backend=error.backend, reason=str(error.__cause__))
        else:
            log.info("memberships.going_on")
