"""
When a client that says nothing is pinged, and when it is given up.

Pure.  ``now`` is monotonic seconds.  Source: Pusher, "Channels protocol", "Ping and pong".
"""

from services.gateway.protocol.effects import Close, Ping
from services.gateway.settings import GatewaySettings

PONG_NOT_RECEIVED = Close(4201, "pong reply not received in time")


class Keepalive:
    """
    How long one client has been silent.

    Args:
        settings: ``activity_timeout`` and ``pong_timeout``.
        now: When the client connected.
    """

    __slots__ = ("_heard_at", "_pinged_at", "_settings")

    def __init__(self, settings: GatewaySettings, *, now: float) -> None:
        self._settings = settings
        self._heard_at = now
        self._pinged_at: float | None = None

    def heard(self, now: float) -> None:
        """Note a sign of life."""
        self._heard_at = now
        self._pinged_at = None

    @property
    def due(self) -> float:
        """When the silence must be judged next."""
        if self._pinged_at is not None:
            return self._pinged_at + self._settings.pong_timeout
        return self._heard_at + self._settings.activity_timeout

    def judged(self, now: float) -> list[Ping | Close]:
        """Tell what is to be done about it."""
        if now < self.due:
            return []
        if self._pinged_at is not None:
            return [PONG_NOT_RECEIVED]
        self._pinged_at = now
        return [Ping()]
