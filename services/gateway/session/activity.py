"""
Whether the user of a connection is active, or away.

Pure.  ``now`` is monotonic seconds.  Away is who says so with a client event, until it says the
contrary; and who gives no sign of life for long, until the next one.  Pings and pongs are no such
sign: SDKs send them by themselves.
"""

from math import inf

import msgspec

from services.gateway.protocol.effects import Away, Effect

AWAY_AFTER = 300.0  # Seconds.


class Activity(msgspec.Struct, eq=False, gc=False):
    """
    What is known of one client.

    Attributes:
        after: Seconds without a sign of life after which the user is away; 0: never.
        heard_at: When the last sign of life came; at first, when the client connected.
    """

    after: float
    heard_at: float
    _is_silent: bool = False
    _says_away: bool = False

    @property
    def is_away(self) -> bool:
        """Whether the user is away, by its word or by its silence."""
        return self._says_away or self._is_silent

    def heard(self, now: float) -> list[Effect]:
        """Note a sign of life."""
        self.heard_at = now
        return self._changed(is_silent=False) if self._is_silent else []

    def says(self, *, is_away: bool) -> list[Effect]:
        """Take the user's own word."""
        return self._changed(says_away=is_away)

    def judged(self, now: float) -> list[Effect]:
        """Tell whether the client has been silent for too long."""
        return self._changed(is_silent=True) if now >= self.due else []

    @property
    def due(self) -> float:
        """When the silence must be judged next."""
        if self.after <= 0 or self._is_silent:
            return inf
        return self.heard_at + self.after

    def _changed(
        self, *, is_silent: bool | None = None, says_away: bool | None = None
    ) -> list[Effect]:
        before = self.is_away
        if is_silent is not None:
            self._is_silent = is_silent
        if says_away is not None:
            self._says_away = says_away
        return [Away(self.is_away)] if self.is_away != before else []
