"""
Sightings: when users were last seen, and from when to when they were online.

`Sightings` is the port, `MemorySightings` its reference implementation for a single process;
`sightings.postgres` is the other.  Who is online now the roster knows, not this.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from libs.common.sightings.summary import Span, Summary

AT_ONCE = 10_000  # Users whose summaries one call takes.


@dataclass(frozen=True, slots=True)
class Trail:
    """
    What is kept of a user.

    Attributes:
        last_seen: When the user last came online or went offline, in UTC epoch seconds.
        online_since: When the user came, if nobody has heard since then that they went; else None.
        spans: The newest times of being online that are over, newest first.
    """

    last_seen: float
    online_since: float | None = None
    spans: tuple[Span, ...] = ()


class Sightings(Protocol):
    """
    What is kept of users who were online.

    Summaries of a user are noted in order.  What was noted may be noted again, also from any
    transition on that it was folded from, and changes nothing then.
    """

    async def check(self) -> None:
        """
        Ask the backend whether it can be used now; an operator's question, which costs a little.

        Raises:
            Unavailable: It is away, or refuses what this process asks of it; the cause says why.
        """

    async def note(self, summaries: Sequence[Summary]) -> None:
        """
        Keep what became of users.

        Args:
            summaries: Of each user one, and of at most `AT_ONCE` users.

        Raises:
            Unavailable: The backend is away; some may have been kept, and all may be noted again.
        """

    async def last_seen(self, app: str, users: Collection[str]) -> Mapping[str, float]:
        """
        Tell when users last came or went, in UTC epoch seconds; who was never seen is missing.

        Raises:
            Unavailable: The backend is away.
        """

    async def trail(self, app: str, user: str, *, limit: int) -> Trail | None:
        """
        Tell all that is kept of a user, with at most ``limit`` spans; None: nothing is.

        Raises:
            Unavailable: The backend is away.
        """

    async def erase(self, app: str, user: str) -> bool:
        """
        Forget a user, and tell whether anything was kept; what is noted later is kept again.

        Raises:
            Unavailable: The backend is away; the user may have been forgotten.
        """

    async def forget(self, *, seen_before: float, spans_before: float, limit: int) -> int:
        """
        Forget what is old, a part at a time, and one process of a deployment at a time.

        Args:
            seen_before: Users who neither came nor went since then are forgotten, but for their
                spans; UTC epoch seconds.
            spans_before: Spans that were over by then are forgotten.
            limit: The most users, and the most spans, of one call.

        Returns:
            How many users and spans were forgotten.  0 when nothing old is left, or another process
            is forgetting just now.

        Raises:
            Unavailable: The backend is away; a part may have been forgotten.
        """
