"""
Whose a connection is: of which user, and on which device.

Pure.  It is the user's as whom the client has signed in; else the one whom its channel token names,
the one shown last, for as long as that token counts; else the one whom the grant names that it
showed last for a channel; else nobody's.  Leaving a channel changes nothing: who it is was proven.
"""

from math import inf

import msgspec

from services.gateway.access.verifier import Judgement, Verified
from services.gateway.protocol.device import device_in, device_of
from services.gateway.protocol.effects import NOBODYS, BelongsTo, Effect
from services.gateway.protocol.frames import User


class Whose(msgspec.Struct, eq=False, gc=False):
    """
    What one client has shown of whose it is.

    Attributes:
        carried: The token that the client connected with, while it counts.
    """

    carried: Verified | None = None
    _shown: Verified | None = None
    _granted: BelongsTo = NOBODYS
    _told: BelongsTo = NOBODYS

    def show(self, verified: Verified) -> None:
        """Take a token that the client shows for a channel."""
        self._shown = verified

    def grant(self, user_id: str, info: str) -> None:
        """
        Take a grant that the client shows for a channel.

        Args:
            user_id: Whose it is.
            info: The ``user_info`` that stands in it, as JSON text; empty: none does.
        """
        self._granted = BelongsTo(user_id, device_in(info))

    def end(self, is_over: Judgement) -> None:
        """Forget the tokens of which a judgement is true."""
        if self.carried and is_over(self.carried):
            self.carried = None
        if self._shown and is_over(self._shown):
            self._shown = None

    @property
    def ends_at(self) -> float:
        """When the first of its tokens ends, in monotonic seconds."""
        by_first = self.carried.ends_at if self.carried else inf
        by_last = self._shown.ends_at if self._shown else inf
        return min(by_first, by_last)

    def told(self, user: User | None) -> list[Effect]:
        """
        Say whose the connection is, if that has changed since it was said.

        Args:
            user: As whom the client is signed in.
        """
        now, before = self.now(user), self._told
        if now.user_id == before.user_id and not now.device:
            return []  # What says less of the same user says nothing new.
        self._told = now
        return [now] if now != before else []

    def now(self, user: User | None) -> BelongsTo:
        """Tell whose the connection is; ``user``: as whom the client is signed in."""
        if user is not None:
            return BelongsTo(user.id, device_in(user.info))
        if verified := self._shown or self.carried:
            return BelongsTo(verified.token.user, device_of(verified.token.user_info))
        return self._granted
