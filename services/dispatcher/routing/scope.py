"""
What expressions see of a domain event: the names that the rules of the settings may use.

Pure.  Source: docs/events.md, "Expressions".
"""

from typing import Any

from libs.common.expressions import Expression
from services.dispatcher.events.event import DomainEvent

NAMES = frozenset({"data", "type", "source", "subject", "id", "time", "key", "topic"})


def compiled(source: str) -> Expression:
    """
    Compile an expression over a domain event.

    Raises:
        BadRule: See `Expression`.
    """
    return Expression(source, NAMES)


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
