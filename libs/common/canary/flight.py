"""
What is known of a process's canaries: whether the last one came, how fast, and since when none did.

Pure.
"""

from dataclasses import dataclass, replace
from typing import Any

from libs.common.rfc3339 import text_of


@dataclass(frozen=True, slots=True)
class Flight:
    """
    How the canaries of a process fared.

    Attributes:
        heard_at: When the last one came that did; UTC epoch seconds; None: none has yet.
        seconds: How long that one took from being published to being heard.
        lost: How many did not come, since the start.
        lost_since: When the first was found missing of those that did not come since the last
            that did; UTC epoch seconds.
        reason: Why the last one did not come; None: it came, or none was sent yet.
    """

    heard_at: float | None = None
    seconds: float = 0.0
    lost: int = 0
    lost_since: float = 0.0
    reason: str | None = None

    def arrived(self, seconds: float, *, now: float) -> "Flight":
        """Note one that came after so many seconds; ``now`` is in UTC epoch seconds."""
        return Flight(heard_at=now, seconds=seconds, lost=self.lost)

    def failed(self, reason: str, *, now: float) -> "Flight":
        """Note one that did not come; ``now`` is in UTC epoch seconds."""
        since = now if self.reason is None else self.lost_since
        return replace(self, lost=self.lost + 1, lost_since=since, reason=reason)

    def json(self) -> dict[str, Any]:
        """Return it for ``/health/deps``; instants are RFC 3339."""
        told: dict[str, Any] = {"status": self._status, "lost": self.lost}
        if self.heard_at is not None:
            told |= {"seconds": round(self.seconds, 6), "heard_at": text_of(self.heard_at)}
        if self.reason is not None:
            told |= {"reason": self.reason, "lost_since": text_of(self.lost_since)}
        return told

    @property
    def _status(self) -> str:
        if self.reason is not None:
            return "lost"
        return "awaited" if self.heard_at is None else "ok"
