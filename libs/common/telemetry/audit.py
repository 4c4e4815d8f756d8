"""
The audit log: who was refused, what was revoked, ended or sent again, and what was told to whom.

It is off unless ``log.audit`` says where it goes, and has no level.  Lines of it have
``log: audit``.  No line holds a secret, a token or the content of an event, and none waits for its
reader (`line_writer`).  What strangers can cause is paced by its kind: a line a minute of each,
with the number of those between.
"""

from typing import Any


class AuditLog:
    """What writes audit lines; nothing does until `open` is called."""

    def __init__(self) -> None:
        self._logger: Any = None

    @property
    def is_on(self) -> bool:
        """Whether anybody wants to know: who must gather facts first asks before."""
        return self._logger is not None

    def open(self, logger: Any) -> None:
        """Write by a logger of structlog's from now on; None: nothing is written."""
        self._logger = logger

    def info(self, event: str, **facts: object) -> None:
        """
        Write a line.

        Args:
            event: What happened.
            facts: Its keys; ``pace_by`` is none, but the kind by which such lines are paced, and
                stands with all that strangers can cause.
        """
        if self._logger is not None:
            self._logger.info(event, **facts)


audit_log = AuditLog()
