"""The sink of read receipts: stores what clients say, and tells subscribers what was stored."""

from collections.abc import Iterable, Iterator, Sequence

import structlog

from libs.common.channels import Channel, is_user_id
from libs.common.errors import Unavailable
from libs.common.lifecycle.facts import Fact, Kind, Recorded, Stream
from libs.common.marks.mark import BadMark, mark_of
from libs.common.marks.port import Reading, TooManyMarks
from services.presence.lifecycle.sinks import Sink
from services.presence.receipts.announcer import ReadAnnouncer
from services.presence.receipts.receipts import Receipts
from services.presence.receipts.requests import rule_of

DEPTH = 20  # Calls of one stream that may be under way: marks need no order.

log = structlog.get_logger()


class ReceiptSink:
    """
    Stores how far clients say that their users have read, and tells subscribers what was stored.

    See `lifecycle.sinks.Sink`.

    Args:
        receipts: Stores it.
        announcer: Tells subscribers.
    """

    name = "receipts"
    depth = DEPTH
    room = None

    def __init__(self, receipts: Receipts, announcer: ReadAnnouncer) -> None:
        self._receipts = receipts
        self._announcer = announcer

    def wants(self, kind: Kind) -> bool:
        """See `Sink.wants`."""
        return kind in {"client_read", "message_read"}

    async def take(self, records: Sequence[Recorded]) -> None:
        """See `Sink.take`: returns when marks are stored, and subscribers were told."""
        facts = [record.fact for record in records]
        await self._store([fact for fact in facts if fact.kind == "client_read"])
        read = [fact for fact in facts if fact.kind == "message_read"]
        await self._announcer.tell(list(readings_of(read, self._receipts)))

    async def _store(self, facts: Sequence[Fact]) -> None:
        readings = list(readings_of(facts, self._receipts))
        moved = await self._receipts.move(readings) if readings else ()
        for each in moved:
            if isinstance(each, Unavailable):
                raise each
        if refused := sum(isinstance(each, TooManyMarks) for each in moved):
            log.warning("marks.refused", app=facts[0].app, number=refused)

    async def missed(self, stream: Stream, lost: int) -> None:
        """See `Sink.missed`: the next mark of each reader counts for all before."""


class ReceiptSinks:
    """
    The sink of apps that have receipts.  See `lifecycle.sinks.Sinks`.

    Args:
        receipts: Whose rules say which apps.
        announcer: Tells subscribers.
    """

    def __init__(self, receipts: Receipts, announcer: ReadAnnouncer) -> None:
        self._receipts = receipts
        self._sinks: Sequence[Sink] = [ReceiptSink(receipts, announcer)]

    def of(self, app: str) -> Sequence[Sink]:
        """See `Sinks.of`."""
        return self._sinks if self._receipts.rules.selects(app) else ()


def readings_of(facts: Iterable[Fact], receipts: Receipts) -> Iterator[Reading]:
    """Read of facts how far users have read; what is no mark of its channel by now says nothing."""
    for fact in facts:
        channel = Channel(fact.app, fact.channel)
        rule = rule_of(channel, receipts.rules)
        if rule is None or not is_user_id(fact.user):
            continue
        try:
            mark = mark_of(fact.data, is_position=rule.are_positions)
        except BadMark:  # The rule was another one when it was said.
            continue
        yield Reading(channel, fact.user, mark)
