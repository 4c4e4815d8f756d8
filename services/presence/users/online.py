"""
Who is online, and how: what the roster knows, and the sightings where it knows nobody.

Nothing is guessed: what cannot be known now is `Unavailable`, and says since when.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from libs.common.channels import online_channel
from libs.common.roster.port import Roster, Seated
from libs.common.sightings.port import Sightings
from services.presence.absences import Absences
from services.presence.answers import told_user
from services.presence.queries import Listing

BATCH = 500  # Users of one round trip.


class UserReports:
    """
    Answers who is online.

    Args:
        roster: Knows who is online now.
        sightings: Knows when the others were last seen; None: that is not kept.
        absences: Told which of them is away.
        clock: UTC epoch seconds.
    """

    def __init__(
        self,
        roster: Roster,
        sightings: Sightings | None,
        *,
        absences: Absences,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._roster = roster
        self._sightings = sightings
        self._absences = absences
        self._clock = clock

    async def listed(self, listing: Listing) -> dict[str, Any]:
        """
        Answer with a page of those who are online.

        Raises:
            Unavailable: The roster is away.
        """
        with self._absences.watched("roster"):
            users = await self._roster.online(
                listing.app, prefix=listing.prefix, after=listing.after, limit=listing.limit + 1
            )
        return listing.page(users)

    async def told(self, app: str, users: Sequence[str]) -> list[dict[str, Any]]:
        """
        Tell how users of an app are, in their order.

        Raises:
            Unavailable: The roster is away; or the sightings are, and not all of them are online.
        """
        seated: list[Seated] = []
        for start in range(0, len(users), BATCH):
            channels = [online_channel(app, user) for user in users[start : start + BATCH]]
            with self._absences.watched("roster"):
                seated += await self._roster.seated(channels)
        now, known = self._clock(), dict(zip(users, seated, strict=True))
        last = await self._last_seen(app, [user for user in users if not known[user].members])
        return [
            told_user(user, each, last_seen=now if each.members else last.get(user))
            for user, each in known.items()
        ]

    async def _last_seen(self, app: str, users: Sequence[str]) -> Mapping[str, float]:
        if not users or self._sightings is None:
            return {}
        with self._absences.watched("sightings"):
            return await self._sightings.last_seen(app, users)
