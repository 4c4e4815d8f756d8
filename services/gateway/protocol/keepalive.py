"""
When a client that says nothing is pinged, and when it is given up.

Pure.  ``now`` is monotonic seconds.  Source: Pusher, "Channels protocol", "Ping and pong".
"""

import msgspec

from services.gateway.protocol.effects import Close, Ping
from services.gateway.settings import GatewaySettings

PONG_NOT_RECEIVED = Close(4201, "pong reply not received in time")


class Keepalive(msgspec.Struct, eq=False, gc=False):
    """
    How long one client has been silent.

    Attributes:
        settings: ``activity_timeout`` and ``pong_timeout``.
        heard_at: When the client was heard last; at first, when it connected.
    """

    settings: GatewaySettings
    heard_at: float
    _pinged_at: float | None = None

    def heard(self, now: float) -> None:
        """Note a sign of life."""
        self.heard_at = now
        self._pinged_at = None

    @property
    def due(self) -> float:
        """When the silence must be judged next."""
        if self._pinged_at is not None:
            return self._pinged_at + self.settings.pong_timeout
        return self.heard_at + self.settings.activity_timeout

    def judged(self, now: float) -> list[Ping | Close]:
        """Tell what is to be done about it."""
        if now < self.due:
            return []
        if self._pinged_at is not None:
            return [PONG_NOT_RECEIVED]
        self._pinged_at = now
        return [Ping()]
