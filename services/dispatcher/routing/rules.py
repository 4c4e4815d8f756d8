"""
A route, compiled: whether it applies to an event, and what it sends.

Pure.  See `Route` for what its texts mean.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import translate
from typing import Any, Literal, get_args

import msgspec

from libs.common.apps.limits import Limits, exceeds
from libs.common.channels import BadChannelName, BadEventName
from libs.common.errors import Invalid, Misconfigured
from libs.common.expressions import AbsentField, BadRule, Expression, Unevaluable, kind
from libs.common.findings.words import kinds_read
from libs.common.json_text import write
from services.dispatcher.events.event import DomainEvent
from services.dispatcher.routing.kinds import BOOL, Kind
from services.dispatcher.routing.names import ChannelTemplate, EventTemplate
from services.dispatcher.routing.scope import Purpose, fitted
from services.dispatcher.settings import Route

Reason = Literal["absent", "disabled", "too_old"]
Failure = AbsentField | Unevaluable | BadChannelName | BadEventName

LONGEST = 200  # Characters of a text of the settings that an error quotes.

# As fnmatch reads it: a bracket that comes first is a member.
_CLASS = re.compile(r"\[!?+\]?+[^]]*\]")


class BadRoute(Misconfigured):
    """
    A route of the settings cannot work.

    Attributes:
        route: The name of the route.
        field: The field that is wrong, such as ``channels[0]``.
        position: The character of the field's text, counted from 1; 0 where it is the text as a
            whole.
    """

    def __init__(self, route: str, field: str, reason: str, *, position: int = 0) -> None:
        where = f" at character {position}" if position else ""
        super().__init__(f"route {route!r}, {field}{where}: {reason}")
        self.route = route
        self.field = field
        self.position = position


class Unroutable(Invalid):
    """
    A route applies to an event and cannot send it, so that nothing of its record is sent.

    The words quote the settings alone, and nothing of the event.

    Attributes:
        route: The name of the route.
        place: The field of the route that fails, such as ``when`` or ``channels[0]``; empty: it is
            the route as a whole.
        reason: What is wrong with it, or with what it makes of the event.
    """

    def __init__(self, route: str, reason: str, *, place: "RouteText | None" = None) -> None:
        where = f", {place}" if place else ""
        super().__init__(f"route {route!r}{where}: {reason}")
        self.route = route
        self.place = place.field if place else ""
        self.reason = reason


@dataclass(frozen=True, slots=True)
class RouteText:
    """
    A text of a route.

    Attributes:
        field: Where it stands, such as ``data.price``.
        text: What stands there; empty: nothing to quote.
    """

    field: str
    text: str = ""

    def __str__(self) -> str:
        if not self.text:
            return self.field
        text = self.text if len(self.text) <= LONGEST else f"{self.text[:LONGEST]}…"
        return f"{self.field} = {text!r}"


class Routed(msgspec.Struct, frozen=True, gc=False):
    """
    A broadcast to make.

    Attributes:
        route: The name of the route that says so.
        app: The id of the app whose channel it is.
        channel: The channel's name.
        event: The event's name.
        data: The event's data, as JSON text.
        audit: Whether the audit log has a line for it.
    """

    route: str
    app: str
    channel: str
    event: str
    data: str
    audit: bool = False


class Rule:
    """
    A compiled route.

    Args:
        route: As in the settings.
        app: The id of the app whose channels are meant.
        limits: Bounds of names and payloads.

    Raises:
        BadRoute: A text of it cannot be compiled, or can never give an allowed name.
    """

    def __init__(self, route: Route, *, app: str, limits: Limits) -> None:
        self.name = route.name
        self.type = route.type
        self._texts = route
        self._app = app
        self._enabled = route.enabled
        self._max_age = route.max_age
        self._max_payload = limits.payload_bytes
        with self._compiling("type"):
            self._is_type = _glob(route.type)
        with self._compiling("when"):
            self.when = fitted(route.when, _CONDITION) if route.when else None
        self._channels: list[ChannelTemplate] = []
        for number, source in enumerate(route.channels):
            with self._compiling(f"channels[{number}]"):
                self._channels.append(ChannelTemplate(source, longest=limits.longest_channel_name))
        with self._compiling("event"):
            self._event = EventTemplate(route.event, longest=limits.longest_event_name)
        self._projection: list[tuple[str, Expression]] = []
        for name, source in route.data.items():
            with self._compiling(f"data.{name}"):
                self._projection.append((name, fitted(source, _IN_DATA)))

    @contextmanager
    def _compiling(self, field: str) -> Iterator[None]:
        """Say in errors which route and which field it is."""
        try:
            yield
        except BadRule as error:
            position = error.position
            raise BadRoute(self.name, field, error.reason, position=position) from error
        except (BadChannelName, BadEventName) as error:
            raise BadRoute(self.name, field, str(error)) from error

    def applies(self, event: DomainEvent, scope: dict[str, Any], *, now: float) -> bool | Reason:
        """
        Tell whether the route applies to an event of its topic.

        Args:
            event: What happened.
            scope: The same, as expressions see it.
            now: UTC epoch seconds.

        Returns:
            Yes, no, or why not where an operator may want to count it.

        Raises:
            Unroutable: The condition cannot be evaluated.
        """
        if not self._is_type(event.type):
            return False
        if not self._enabled:
            return "disabled"
        if self._max_age and now - event.time > self._max_age:
            return "too_old"
        return self._holds(self.when, scope, gap=event.gap) if self.when else True

    def has_type(self, type_: str) -> bool:
        """Tell whether the route is for events of a type."""
        return bool(self._is_type(type_))

    def _holds(self, when: Expression, scope: dict[str, Any], *, gap: str) -> bool | Reason:
        try:
            result = when.evaluate(scope)
        except AbsentField as error:
            if gap:  # Whether the condition holds is not known, and nothing may vanish.
                place = RouteText("when", when.source)
                raise self._unroutable(error, scope, place=place, gap=gap) from error
            return "absent"
        except Unevaluable as error:
            place = RouteText("when", when.source)
            raise self._unroutable(error, scope, place=place) from error
        try:
            return _decided(result)
        except TypeError as error:
            place = RouteText("when", when.source)
            raise Unroutable(self.name, str(error), place=place) from error

    def broadcasts(self, event: DomainEvent, scope: dict[str, Any]) -> list[Routed]:
        """
        Make the broadcasts for an event that the route applies to, one for each channel.

        Raises:
            Unroutable: A template or the projection fails, or gives something out of bounds.
        """
        try:
            data = self._data(event, scope)
            name = self._event.render(scope)
            channels = dict.fromkeys([template.render(scope) for template in self._channels])
        except (AbsentField, Unevaluable, BadChannelName, BadEventName) as error:
            place = self._failing(scope)
            raise self._unroutable(error, scope, place=place, gap=event.gap) from error
        audit = self._texts.audit
        return [Routed(self.name, self._app, channel, name, data, audit) for channel in channels]

    def _failing(self, scope: dict[str, Any]) -> RouteText:
        """Find the text that fails, by making each part once more: the first fails again."""
        for place, make in self._parts():
            try:
                make(scope)
            except (AbsentField, Unevaluable, BadChannelName, BadEventName):
                return place
        return RouteText("data")  # The same parts fail on the same scope; this is never reached.

    def _parts(self) -> Iterator[tuple[RouteText, Callable[[dict[str, Any]], object]]]:
        """Yield what is made of an event, in the order in which `broadcasts` makes it."""
        texts = self._texts
        for name, field in self._projection:
            yield RouteText(f"data.{name}", texts.data[name]), field.evaluate
        yield RouteText("event", texts.event), self._event.render
        for number, template in enumerate(self._channels):
            yield RouteText(f"channels[{number}]", texts.channels[number]), template.render

    def _unroutable(
        self, error: Failure, scope: dict[str, Any], *, place: RouteText, gap: str = ""
    ) -> Unroutable:
        reason = worded(error, scope, text=place.text)
        if gap and isinstance(error, AbsentField):
            reason = f"{reason}: {gap}"
        return Unroutable(self.name, reason, place=place)

    def _data(self, event: DomainEvent, scope: dict[str, Any]) -> str:
        if event.changed and not self._projection:
            reason = "a route must list the fields of a change event that it sends"
            raise Unroutable(self.name, reason, place=RouteText("data"))
        value = event.data
        if self._projection:
            value = {name: field.evaluate(scope) for name, field in self._projection}
        try:
            text = write(value)
        except TypeError as error:  # A map whose keys are true and false, for one.
            reason = f"it cannot be told in JSON: {error}"
            raise Unroutable(self.name, reason, place=RouteText("data")) from error
        if exceeds(len(text), self._max_payload):
            reason = f"it has {len(text)} bytes, more than {self._max_payload}"
            raise Unroutable(self.name, reason, place=RouteText("data"))
        return text.decode()


def _decided(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise TypeError(f"expected true or false, got {kind(value)}")


_CONDITION = Purpose(
    frozenset({BOOL}), "a condition is true or false: compare it with something", _decided
)
_IN_DATA = Purpose(frozenset(get_args(Kind)), "", write)


def worded(error: Failure, scope: dict[str, Any], *, text: str) -> str:
    """
    Say what is wrong, without a value of the event.

    Args:
        error: What an expression or a template of a route met.
        scope: What it was evaluated on, of which the kinds of values are told.
        text: What stands in the settings; an expression that is all of it is not named again.
    """
    if isinstance(error, BadChannelName):
        return f"invalid channel name: {error.rule}"
    if isinstance(error, BadEventName):
        return f"invalid event name: {error.rule}"
    named = "" if error.source == text else f"{error.source!r}: "
    # What tells more by itself is of a class of its own.
    found = kinds_read(error.source, scope) if type(error) is Unevaluable else ""
    return f"{named}{error.reason}" + (f": {found}" if found else "")


def _glob(pattern: str) -> Callable[[str], object]:
    """Compile a glob, case-sensitive."""
    rest = _CLASS.sub(lambda found: " " * len(found[0]), pattern)
    if "[" in rest:
        raise BadRule("an opening bracket without a closing one", rest.index("[") + 1)
    return re.compile(translate(pattern)).fullmatch
