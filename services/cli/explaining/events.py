"""
Where an event goes: which routes take it, on what the others do not, and what is sent.

It compiles and asks the routes of the settings as a dispatcher does; nothing else is needed.
Values are shown: it is the operator who asks.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from libs.common.apps.limits import Limits
from libs.common.channels import BadChannelName, BadEventName
from libs.common.config.environment import did_you_mean
from libs.common.errors import Misconfigured
from libs.common.eventlog.records import NewRecord, Record
from libs.common.expressions import AbsentField, Unevaluable
from libs.common.findings.findings import found
from libs.common.findings.words import mismatches, shown, told
from services.cli.client import app_of
from services.cli.explaining.explanation import Explanation
from services.cli.explaining.records import PrintedRecord, UnreadableRecord, printed
from services.dispatcher.events.cloudevents import BATCH, STRUCTURED, records_of
from services.dispatcher.events.decoding import decode
from services.dispatcher.events.event import DomainEvent, Undecodable
from services.dispatcher.routing.outlook import unrouted
from services.dispatcher.routing.router import Router, Routing
from services.dispatcher.routing.rules import Routed, Rule, Unroutable
from services.dispatcher.routing.scope import scope_of
from services.settings import Settings


@dataclass(frozen=True, slots=True)
class Origin:
    """
    Where an event comes from.

    Attributes:
        topic: The topic that it is read from; None: it is posted to ``/events``.
        key: The key of its record; None: it has none, or it is made of what is posted.
        app: The app to whose ``/events`` it is posted; empty: the only one.
    """

    topic: str | None
    key: str | None
    app: str


def explained(
    settings: Settings, document: bytes, origin: Origin, *, now: float
) -> list[Explanation]:
    """
    Tell what becomes of an event, or of several that are posted together, and why.

    Args:
        settings: With the routes.
        document: The event in JSON, or what else the value of a record holds.
        origin: Where it comes from.
        now: UTC epoch seconds.

    Raises:
        Misconfigured: A route cannot work; or it is not clear which app's topic is meant.
    """
    try:
        records = _records(settings, document, origin)
    except Undecodable as error:
        hint = "; what stands in Kafka is explained with --topic"
        return [
            Explanation(is_good=False, lines=[f"POST /events refuses it with 400: {error}{hint}"])
        ]
    router = _router(settings)
    return [
        _explained(
            router,
            Record(each.topic, 0, 0, now, each.key, each.value, each.headers),
            now=now,
        )
        for each in records
    ]


def explained_records(
    settings: Settings, text: bytes, form: str, topic: str | None, *, now: float
) -> list[Explanation]:
    """
    Tell what becomes of records as another tool has printed them; else as `explained`.

    Args:
        settings: With the routes.
        text: What was printed.
        form: Of `records.FORMS`.
        topic: Where they stood; None: as they say.
        now: UTC epoch seconds.
    """
    router = _router(settings)
    found = list(printed(text, form, topic, now=now))
    if not found:
        return [Explanation(is_good=False, lines=["there is no record"])]
    return [_of_line(router, each, now=now) for each in found]


def _of_line(router: Router, found: PrintedRecord | UnreadableRecord, *, now: float) -> Explanation:
    if isinstance(found, UnreadableRecord):
        words = f"line {found.line}: no record that can be read: {found.reason}"
        return Explanation(is_good=False, lines=[words], facts={"line": found.line})
    record, whole = found.record, _explained(router, found.record, now=now)
    place = {"line": found.line, "partition": record.partition, "offset": record.offset}
    lines = [f"line {found.line}: {_about(record)}", *whole.lines]
    return Explanation(is_good=whole.is_good, lines=lines, facts={**place, **whole.facts})


def _about(record: Record) -> str:
    """Name a record's place, key and headers."""
    key = "no key" if record.key is None else f"key {shown(record.key.decode(errors='replace'))}"
    names = ", ".join(name for name, _ in record.headers) or "none"
    return f"{record.topic}/{record.partition} at {record.offset}, {key}, headers: {names}"


def _router(settings: Settings) -> Router:
    """Compile the routes; of an app in PostgreSQL topic and limits are taken to be the defaults."""
    unknown = {route.app for route in settings.routes if route.app and not settings.apps}
    topics = {app: f"fanfare.events.{app}" for app in unknown}
    topics |= {app.id: app.events_topic for app in settings.apps}
    limits: Mapping[str, Limits] = {app.id: app.limits for app in settings.apps}
    return Router(settings.routes, topics=topics, settings=settings.dispatcher, limits=limits)


def _records(settings: Settings, document: bytes, origin: Origin) -> Sequence[NewRecord]:
    key = None if origin.key is None else origin.key.encode()
    if origin.topic is not None:
        return [NewRecord(origin.topic, document, key)]
    media_type = BATCH if document.lstrip().startswith(b"[") else STRUCTURED
    topic = _posted_topic(settings, origin.app)
    records = records_of(topic, content_type=media_type, headers={}, body=document)
    return [NewRecord(each.topic, each.value, key or each.key, each.headers) for each in records]


def _posted_topic(settings: Settings, app: str) -> str:
    if settings.apps:
        return app_of(settings, app or None).events_topic
    if not app:
        raise Misconfigured("--app: name the app to whose /events it is posted, or --topic")
    return f"fanfare.events.{app}"


def _explained(router: Router, record: Record, *, now: float) -> Explanation:
    try:
        event = decode(record)
        words = "nothing to tell: a tombstone, or what a database tells beside its changes"
    except Undecodable as error:
        event, words = None, f"dead letter: {error}"
    if event is None:
        lines = [f"a record of topic {record.topic}", words]
        return Explanation(is_good=False, lines=lines, facts={"topic": record.topic})
    lines = [
        f"event of type {event.type}, id {event.id}, source {event.source}",
        f"  read from topic {record.topic}",
        *_elsewhere(router, record.topic, event),
    ]
    rules = router.rules(record.topic)
    fitting = [rule for rule in rules if rule.has_type(event.type)]
    for rule in fitting:
        lines += _of_rule(rule, record.topic, event, now=now)
    lines += _others([rule for rule in rules if rule not in fitting], "" if fitting else event.type)
    broadcasts, verdict = _verdict(router, record.topic, event, now=now)
    facts = {
        "topic": record.topic,
        "event": {"type": event.type, "id": event.id, "source": event.source},
        "broadcasts": [_plain(each) for each in broadcasts],
    }
    return Explanation(is_good=bool(broadcasts), lines=[*lines, verdict], facts=facts)


def _elsewhere(router: Router, topic: str, event: DomainEvent) -> Iterator[str]:
    """Name the routes that would fit if they read this topic, where no other does."""
    if any(rule.has_type(event.type) for rule in router.rules(topic)):
        return
    for other in sorted(router.topics - {topic}):
        for rule in router.rules(other):
            if rule.has_type(event.type):
                yield f"  {rule.name}: fits the type {rule.type}, and reads the topic {other}"


def _others(rules: Sequence[Rule], unfit: str) -> Iterator[str]:
    """Say which types the other routes are for if a type fits none, or only how many they are."""
    if unfit:
        for rule in rules:
            yield f"  {rule.name}: the type does not fit {rule.type}{_meant(unfit, rule.type)}"
    elif rules:
        yield f"  {_counted(len(rules), 'other route')} for other types"


def _meant(given: str, wanted: str) -> str:
    """Suggest a type that a route takes where the one of an event is nearly it."""
    words, places = given.lower().split("."), wanted.split(".")
    if len(words) != len(places):
        return ""
    near = [word if "*" in place else place for word, place in zip(words, places, strict=True)]
    return did_you_mean(given.lower(), [".".join(near)], likeness=0.8)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _of_rule(rule: Rule, topic: str, event: DomainEvent, *, now: float) -> Iterator[str]:
    """Say what one route makes of an event."""
    scope = scope_of(topic, event)
    try:
        answer = rule.applies(event, scope, now=now)
        sent = rule.broadcasts(event, scope) if answer is True else []
    except Unroutable as error:
        yield f"  {rule.name}: cannot send it, {_without_route(error)}"
        yield from (f"      {words}" for words in _causes(error, topic, event))
        return
    match answer:
        case True:
            yield f"  {rule.name}: sends"
            yield from (f"      {_sent(routed)}" for routed in sent)
        case "disabled":
            yield f"  {rule.name}: is disabled"
        case "too_old":
            yield f"  {rule.name}: max_age, the event is {now - event.time:.0f} s old"
        case _:
            yield f"  {rule.name}: when does not hold"
            yield from (f"      {words}" for words in _why(rule, topic, event))


def _without_route(error: Unroutable) -> str:
    return str(error).removeprefix(f"route {error.route!r}, ")


def _why(rule: Rule, topic: str, event: DomainEvent) -> Iterator[str]:
    """Say on what a condition does not hold."""
    if rule.when is not None:
        yield from _shown(rule.when.source, topic, event)


def _causes(error: Unroutable, topic: str, event: DomainEvent) -> Iterator[str]:
    """Show the values on which an expression fails, or the name that cannot be one."""
    match error.__cause__:
        case AbsentField() | Unevaluable() as cause:
            yield from _shown(cause.source, topic, event)
        case BadChannelName() | BadEventName() as cause:
            yield f"it would be {shown(cause.name)}"


def _shown(source: str, topic: str, event: DomainEvent) -> Iterator[str]:
    """Say which parts of an expression decided, with their values."""
    scope = scope_of(topic, event)
    yield from map(told, found(source, scope))
    yield from (f"hint: {words}" for words in mismatches(source, scope, shows=True))


def _sent(routed: Routed) -> str:
    size = len(routed.data.encode())
    return (
        f"app {routed.app}, channel {routed.channel}, event {routed.event}, "
        f"{size} bytes: {routed.data}"
    )


def _plain(routed: Routed) -> dict[str, str]:
    return {
        "app": routed.app,
        "channel": routed.channel,
        "event": routed.event,
        "data": routed.data,
    }


def _verdict(
    router: Router, topic: str, event: DomainEvent, *, now: float
) -> tuple[Sequence[Routed], str]:
    try:
        routing: Routing = router.route(topic, event, now=now)
    except Unroutable as error:
        return (), f"dead letter, of which no route sends anything: {error}"
    if routing.broadcasts:
        number = _counted(len(routing.broadcasts), "broadcast")
        return routing.broadcasts, f"would be sent: {number}"
    return (), f"would not be sent: {unrouted(router, topic, event, routing)}"
