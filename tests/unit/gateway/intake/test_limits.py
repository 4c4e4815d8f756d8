"""What a client of a gateway may send, by the settings."""

from services.gateway.intake.limits import UNREAD, limits_of
from services.gateway.settings import GatewaySettings


def test_settings() -> None:
    limits = limits_of(GatewaySettings(frames=7, frames_burst=9), message_timeout=3, patience=4)

    assert (limits.frames, limits.burst) == (7, 9)
    assert (limits.message_timeout, limits.patience) == (3, 4)
    assert limits.unread == UNREAD


def test_small_buffer() -> None:
    """A client whose answers wait is paused before it counts as too slow."""
    settings = GatewaySettings(max_unsent=4096)

    assert limits_of(settings, message_timeout=3, patience=4).unread < settings.max_unsent
