"""The sinks of read receipts: one stores what clients say, one tells what was stored."""

from collections.abc import Iterable, Iterator, Sequence

import structlog

from libs.common.channels import Channel, is_user_id
from libs.common.errors import Unavailable
from libs.common.lifecycle.facts import Kind, Recorded
from libs.common.marks.mark import BadMark, mark_of
from libs.common.marks.port import Reading, TooManyMarks
from services.presence.lifecycle.sinks import Sink
from services.presence.receipts.announcer import ReadAnnouncer
from services.presence.receipts.receipts import Receipts
from services.presence.receipts.requests import rule_of

DEPTH = 20  # Calls of one stream that may be under way: marks need no order.

log = structlog.get_logger()


class ClientReadSink:
    """
    Stores how far clients say that their users have read.

    See `lifecycle.sinks.Sink`.

    Args:
        receipts: Stores it.
    """

    name = "receipts"
    depth = DEPTH
    room = None

    def __init__(self, receipts: Receipts) -> None:
        self._receipts = receipts

    def wants(self, kind: Kind) -> bool:
        """See `Sink.wants`."""
        return kind == "client_read"

    async def take(self, records: Sequence[Recorded]) -> None:
        """See `Sink.take`: returns when marks are stored, and recorded to be told."""
        readings = list(readings_of(records, self._receipts))
        moved = await self._receipts.move(readings) if readings else ()
        for each in moved:
            if isinstance(each, Unavailable):
                raise each
        if refused := sum(isinstance(each, TooManyMarks) for each in moved):
            app = records[0].fact.app
            log.warning("marks.refused", app=app, number=refused, pace_by=app)


class MessageReadSink:
    """
    Tells subscribers of marks that are stored; the place where they are may be away meanwhile.

    See `lifecycle.sinks.Sink`.

    Args:
        receipts: Whose rules say what marks are.
        announcer: Tells subscribers.
    """

    name = "receipts.told"
    depth = DEPTH
    room = None

    def __init__(self, receipts: Receipts, announcer: ReadAnnouncer) -> None:
        self._receipts = receipts
        self._announcer = announcer

    def wants(self, kind: Kind) -> bool:
        """See `Sink.wants`."""
        return kind == "message_read"

    async def take(self, records: Sequence[Recorded]) -> None:
        """See `Sink.take`: returns when subscribers were told."""
        await self._announcer.tell(list(readings_of(records, self._receipts)))


class ReceiptSinks:
    """
    The sinks of apps that have receipts.  See `lifecycle.sinks.Sinks`.

    There are two, so that neither waits for what only the other one needs.

    Args:
        receipts: Whose rules say which apps.
        announcer: Tells subscribers.
    """

    def __init__(self, receipts: Receipts, announcer: ReadAnnouncer) -> None:
        self._receipts = receipts
        self._sinks: Sequence[Sink] = (
            ClientReadSink(receipts),
            MessageReadSink(receipts, announcer),
        )

    def of(self, app: str) -> Sequence[Sink]:
        """See `Sinks.of`."""
        return self._sinks if self._receipts.rules.selects(app) else ()


def readings_of(records: Iterable[Recorded], receipts: Receipts) -> Iterator[Reading]:
    """Read how far users have read; what is no mark of its channel by now says nothing."""
    for fact in (record.fact for record in records):
        channel = Channel(fact.app, fact.channel)
        rule = rule_of(channel, receipts.rules)
        if rule is None or not is_user_id(fact.user):
            continue
        try:
            mark = mark_of(fact.data, is_position=rule.are_positions)
        except BadMark:  # The rule was another one when it was said.
            continue
        yield Reading(channel, fact.user, mark)
