"""
What a connection may take until its request is known.

Pure.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DoorLimits:
    """
    What a connection may take until its request is known.

    Attributes:
        max_head: Bytes of a request's line and headers.
        handshake_timeout: Seconds from the first byte that could be sent to the end of the head.
        keep_alive: Seconds that a connection may be silent between two requests.
    """

    max_head: int = 16 * 1024
    handshake_timeout: float = 10.0
    keep_alive: float = 75.0


LIMITS = DoorLimits()
