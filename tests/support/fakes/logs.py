"""What a test reads in the log."""

from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

from libs.common.telemetry.audit import audit_log

Logs = list[MutableMapping[str, Any]]


def events(logs: Logs, event: str) -> Logs:
    """Return the lines about an event."""
    return [line for line in logs if line["event"] == event]


@contextmanager
def audited() -> Iterator[Logs]:
    """Yield what is written to the audit log while the context is open."""
    lines: Logs = []

    class Lines:
        def info(self, event: str, **facts: Any) -> None:
            lines.append({"event": event, **facts})

    audit_log.open(Lines())
    try:
        yield lines
    finally:
        audit_log.open(None)
