"""
What expressions see of a domain event: the names that the rules of the settings may use.

Pure.  Source: docs/events.md, "Expressions".
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from libs.common.errors import Invalid
from libs.common.expressions import BadRule, Expression
from services.dispatcher.events.event import DomainEvent
from services.dispatcher.routing.kinds import NUMBER, TEXT, Kind, NeverGiven, kind_of

NAMES = frozenset({"data", "type", "source", "subject", "id", "time", "key", "topic"})
# Of the others it depends on the event: also `key` may be an object.
_KNOWN: dict[str, Kind] = dict.fromkeys(("type", "source", "subject", "id", "topic"), TEXT)
_KNOWN["time"] = NUMBER


@dataclass(frozen=True, slots=True)
class Purpose:
    """
    What an expression is for.

    Attributes:
        takes: What it may give.
        otherwise: What is said where it gives something else.
        check: What is done with its value; raises Invalid or TypeError where that cannot be done.
    """

    takes: Collection[Kind]
    otherwise: str
    check: Callable[[Any], object]


def compiled(source: str) -> Expression:
    """
    Compile an expression over a domain event.

    Raises:
        BadRule: See `Expression`.
    """
    return Expression(source, NAMES)


def fitted(source: str, purpose: Purpose) -> Expression:
    """
    Compile an expression that serves a purpose.

    Raises:
        BadRule: See `Expression`; or it fails, or serves no such purpose, whatever the event.
    """
    expression = compiled(source)
    try:
        kind = kind_of(source, _KNOWN)
        if kind and kind not in purpose.takes:
            raise BadRule(f"it gives {kind}, and {purpose.otherwise}")
        if not expression.names:
            purpose.check(expression.evaluate({}))
    except (NeverGiven, Invalid, TypeError) as error:
        raise BadRule(f"it fails on any event: {error}") from error
    return expression


def scope_of(topic: str, event: DomainEvent) -> dict[str, Any]:
    """
    Give each of the names its value.

    Args:
        topic: The topic that the event was read from.
        event: What happened.  Where it has no data, ``data`` is an empty object, whose fields are
            absent.
    """
    return {
        "data": {} if event.data is None else event.data,
        "type": event.type,
        "source": event.source,
        "subject": event.subject,
        "id": event.id,
        "time": event.time,
        "key": event.key,
        "topic": topic,
    }
