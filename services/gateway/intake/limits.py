"""
What a client of a gateway may send.

Pure.
"""

from dataclasses import dataclass
from math import inf

from services.gateway.settings import GatewaySettings

UNREAD = 64 * 1024  # Bytes that asyncio lets wait before it calls a transport full.


@dataclass(frozen=True, slots=True)
class IntakeLimits:
    """
    What a client may send.

    Attributes:
        frames: Frames a second, at least; 0: any number.
        burst: Frames at once, at least.
        message_timeout: Seconds that a message may take from its first byte to its last.
        unread: Bytes that may wait for a client that is worked for.
        patience: Seconds for which a client may go on sending more than it may.
        sweep: Seconds between two looks at those who wait.
    """

    frames: float = 0.0
    burst: int = 0
    message_timeout: float = inf
    unread: int = UNREAD
    patience: float = inf
    sweep: float = 0.1


def limits_of(
    settings: GatewaySettings, *, message_timeout: float, patience: float
) -> IntakeLimits:
    """
    Take from the settings what a client may send.

    It is no longer worked for well before it would be too slow; see `Socket.write`.
    """
    return IntakeLimits(
        frames=settings.frames,
        burst=settings.frames_burst,
        message_timeout=message_timeout,
        unread=min(UNREAD, settings.max_unsent // 2),
        patience=patience,
    )
