"""
From a domain event to broadcasts, by the rules of the settings.

Pure.  Every route that applies is followed, in the order of the settings.  An event that one route cannot
send is not sent by the others either: its record goes to the dead letters whole, and can be replayed whole.
"""

from typing import Any

from libs.common.expressions import Expression
from services.dispatcher.events.event import DomainEvent


def _scope(topic: str, event: DomainEvent) -> dict[str, Any]:
    """Return an event as expressions see it.  No data reads as an empty object, whose fields are absent."""
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


NAMES = frozenset({"data", "type", "source", "subject", "id", "time", "key", "topic"})


def compiled(source: str) -> Expression:
    """
    Compile an expression over a domain event.

    Raises:
        BadRule: See `Expression`.
    """
    return Expression(source, NAMES)
