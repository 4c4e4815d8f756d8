"""What a test reads in the log."""

from collections.abc import MutableMapping
from typing import Any

Logs = list[MutableMapping[str, Any]]


def events(logs: Logs, event: str) -> Logs:
    """Return the lines about an event."""
    return [line for line in logs if line["event"] == event]
