"""
What will become of an event, in words: for who posts it, and for who looks for it in vain.

Pure.  The words name routes, and hold nothing of the event.
"""

from collections.abc import Iterator, Sequence

from libs.common.eventlog.records import NewRecord, Record
from services.dispatcher.events.decoding import decode
from services.dispatcher.events.event import DomainEvent, Undecodable
from services.dispatcher.routing.router import Router, Routing
from services.dispatcher.routing.rules import Reason, Rule, Unroutable

MOST_EVENTS = 10  # That are looked at of one request: each is routed twice then.
MOST_ROUTES = 3  # That one sentence names.

_SKIPPED: dict[Reason, str] = {
    "absent": "needs a field for `when` that is absent",
    "disabled": "is disabled",
    "too_old": "has a max_age, and the event is older",
}


def warnings(router: Router, records: Sequence[NewRecord], *, now: float) -> list[str]:
    """
    Say which of the first events that are posted will not be sent, and why.

    Args:
        router: The routes.
        records: What is appended to the log.
        now: UTC epoch seconds.
    """
    looks = (_outlook(router, record, now=now) for record in records[:MOST_EVENTS])
    if len(records) == 1:
        return list(filter(None, looks))
    return [f"event {number}: {words}" for number, words in enumerate(looks) if words]


def _outlook(router: Router, appended: NewRecord, *, now: float) -> str:
    record = Record(appended.topic, 0, 0, now, appended.key, appended.value, appended.headers)
    try:
        event = decode(record)
        if event is None:  # A row that a snapshot reads, for one.
            return ""
        routing = router.route(record.topic, event, now=now)
    except (Undecodable, Unroutable) as error:
        return f"it becomes a dead letter: {error}"
    if routing.broadcasts:
        return ""
    return f"nobody gets it: {unrouted(router, record.topic, event, routing)}"


def unrouted(router: Router, topic: str, event: DomainEvent, routing: Routing) -> str:
    """Say why no route sends an event of a topic."""
    rules = router.rules(topic)
    if not rules:
        return f"no route reads the topic {topic!r}"
    if routing.skipped:
        first = routing.skipped[0]
        return f"route {first.route!r} {_SKIPPED[first.reason]}"
    names = list(_names(rules, event))
    if not names:
        return f"no route of the topic {topic!r} is for its type"
    more = f" and {len(names) - MOST_ROUTES} more" if len(names) > MOST_ROUTES else ""
    return f"`when` does not hold of {', '.join(names[:MOST_ROUTES])}{more}"


def _names(rules: Sequence[Rule], event: DomainEvent) -> Iterator[str]:
    return (repr(rule.name) for rule in rules if rule.has_type(event.type))
