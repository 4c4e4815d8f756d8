"""
Outages: how a process says that a backend is away, and that it is back.

Whoever talks to a backend keeps an `Outage` and tells it of every failure and every answer.  Each
outage makes two lines in the log, ``backend.lost`` and ``backend.found``, however many calls fail
in between.
"""

import time
from collections.abc import Callable

import structlog

log = structlog.get_logger()


class Outage:
    """
    Whether one backend is away, as far as one of its users can tell.

    Calls that are under way at the same time may share one: none of its methods waits.

    Args:
        backend: The backend's name as in the settings, such as ``bus``; a part follows a slash, as
            in ``identity/jwks``.
        clock: Monotonic seconds.
        facts: Further keys of both lines, which tell several users of one backend apart.

    Attributes:
        backend: The backend's name.
        reason: Why the last call failed, for operators; empty: the backend is there.
        since: The instant of the first failure, in monotonic seconds; None: the backend is there.
    """

    def __init__(
        self, backend: str, clock: Callable[[], float] = time.monotonic, /, **facts: str
    ) -> None:
        self.backend = backend
        self.reason = ""
        self.since: float | None = None
        self._clock = clock
        self._facts = facts

    @property
    def is_away(self) -> bool:
        """Whether the last call failed."""
        return self.since is not None

    @property
    def seconds(self) -> float:
        """For how long the backend has been away; 0: it is there."""
        return 0.0 if self.since is None else self._clock() - self.since

    def lost(self, reason: str) -> None:
        """
        Note that a call failed; the first of several is logged.

        Args:
            reason: Why, as the server or its client library gave it.
        """
        self.reason = reason
        if self.since is None:
            self.since = self._clock()
            log.warning("backend.lost", backend=self.backend, reason=reason, **self._facts)

    def found(self) -> None:
        """Note that the backend answered; logged if it was away."""
        if self.since is None:
            return
        reason, seconds = self.reason, round(self.seconds, 3)
        self.reason, self.since = "", None
        log.info(
            "backend.found", backend=self.backend, reason=reason, seconds=seconds, **self._facts
        )


def reason_of(error: BaseException) -> str:
    """Say in one line why a call failed: what its cause says, or the name of the cause's class."""
    cause = error.__cause__ or error
    return " ".join(str(cause).split()) or type(cause).__name__
