"""
From a domain event to broadcasts, by the rules of the settings.

Pure.  Every route that applies is followed, in the order of the settings.  An event that one route
cannot send is not sent by the others either: its record goes to the dead letters whole, and can be
replayed whole.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import msgspec

from libs.common.apps.limits import Limits
from services.dispatcher.events.event import DomainEvent
from services.dispatcher.routing.rules import BadRoute, Reason, Routed, Rule, Unroutable
from services.dispatcher.routing.scope import scope_of
from services.dispatcher.settings import DispatcherSettings, Route


@dataclass(frozen=True, slots=True)
class Skipped:
    """
    A route that would have applied to an event, and why it does not.

    Attributes:
        route: The name of the route.
        reason: ``absent``: its condition needs a field that the event lacks; ``disabled``;
            ``too_old``.
    """

    route: str
    reason: Reason


class Routing(msgspec.Struct, frozen=True):
    """What becomes of an event.  Nothing in either field: no route is for it."""

    broadcasts: tuple[Routed, ...] = ()
    skipped: tuple[Skipped, ...] = ()


REMEMBERED = 1024  # Types of events of which it is remembered which routes are for them.
LONGEST_REMEMBERED = 200  # Characters of such a type: producers may write anything.
_NOWHERE = Routing()


class Router:
    """
    All routes, compiled.

    Args:
        routes: As in the settings.
        topics: App id to the topic that takes what is posted to the app's ``/events``.
        settings: Bounds of what a record may cause.
        limits: App id to the bounds of what its routes may send; an app that is absent has the
            defaults.

    Raises:
        BadRoute: A route cannot work; the error says where.
    """

    def __init__(
        self,
        routes: Iterable[Route],
        *,
        topics: Mapping[str, str],
        settings: DispatcherSettings,
        limits: Mapping[str, Limits] | None = None,
    ) -> None:
        self._max_broadcasts = settings.max_broadcasts
        self._rules: dict[str, list[Rule]] = {}
        self._remembered = lru_cache(REMEMBERED)(self._found)
        names: set[str] = set()
        for route in routes:
            if route.name in names:
                raise BadRoute(route.name, "name", "another route has the same name")
            names.add(route.name)
            app = _app_of(route, topics)
            rule = Rule(route, app=app, limits=(limits or {}).get(app, Limits()))
            self._rules.setdefault(route.topic or topics[app], []).append(rule)

    @property
    def topics(self) -> frozenset[str]:
        """The topics that routes read."""
        return frozenset(self._rules)

    def rules(self, topic: str) -> Sequence[Rule]:
        """Return the routes that read a topic, in the order of the settings."""
        return self._rules.get(topic, ())

    def route(self, record_topic: str, event: DomainEvent, *, now: float) -> Routing:
        """
        Decide what an event is worth.

        Args:
            record_topic: The topic that it was read from.
            event: What happened.
            now: UTC epoch seconds.

        Raises:
            Unroutable: A route applies and cannot send the event, or it causes too many broadcasts.
        """
        rules = self._fitting(record_topic, event.type)
        if not rules:
            return _NOWHERE
        scope = scope_of(record_topic, event)
        broadcasts: list[Routed] = []
        skipped: list[Skipped] = []
        for rule in rules:
            answer = rule.applies(event, scope, now=now)
            if answer is True:
                broadcasts += rule.broadcasts(event, scope)
                self._check_number(rule, broadcasts)
            elif answer:
                skipped.append(Skipped(rule.name, answer))
        return Routing(tuple(broadcasts), tuple(skipped))

    def _fitting(self, topic: str, type_: str) -> tuple[Rule, ...]:
        """Return the routes for a type of events of a topic."""
        find = self._remembered if len(type_) <= LONGEST_REMEMBERED else self._found
        return find(topic, type_)

    def _found(self, topic: str, type_: str) -> tuple[Rule, ...]:
        return tuple(rule for rule in self.rules(topic) if rule.has_type(type_))

    def _check_number(self, rule: Rule, broadcasts: list[Routed]) -> None:
        if len(broadcasts) > self._max_broadcasts:
            raise Unroutable(
                rule.name, f"more than {self._max_broadcasts} broadcasts of one record"
            )


def _app_of(route: Route, topics: Mapping[str, str]) -> str:
    if route.app:
        if route.app not in topics:
            raise BadRoute(route.name, "app", f"there is no app {route.app!r}")
        return route.app
    if len(topics) != 1:
        raise BadRoute(route.name, "app", f"must be named, as there are {len(topics)} apps")
    return next(iter(topics))
