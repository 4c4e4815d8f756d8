"""
How many frames a client may send.

Pure.  Times are monotonic seconds.  The rule is the generic cell rate algorithm, of which one
number a connection is kept: until when all that it has sent will have been earned.
"""

from functools import lru_cache
from math import inf
from typing import NamedTuple

from libs.common.apps.limits import Limits

SIGNED = 5  # Frames that one with a signature counts for: to check it takes as long.
SHORT = 40  # Bytes: a text with a signature is longer.
MANY = 1000  # Channels of a connection to reckon with where its app sets no limit.


class Allowance(NamedTuple):
    """
    What one connection may send.

    Each frame adds a ``gap`` to when all of them will have been earned, ``now`` at least; while
    that is more than ``span`` ahead, none may come.

    Attributes:
        gap: Seconds in which one frame is earned; 0: any number may come.
        span: Seconds that what was sent may be ahead of what is earned.
    """

    gap: float
    span: float


UNLIMITED = Allowance(0.0, inf)


def allowance_of(limits: Limits, frames: float, burst: int) -> Allowance:
    """
    Tell what a connection of an app may send.

    A client that returns must not be held for what its app allows: it subscribes to as many
    channels as it may, signs in, and goes on with its client events.

    Args:
        limits: Those of the app.
        frames: Frames a second, whatever the app; 0 or less: any number.
        burst: Frames at once, so too.
    """
    return _allowance(limits.channels, limits.client_events, frames=frames, burst=burst)


@lru_cache(maxsize=1024)
def _allowance(channels: int, client_events: float, *, frames: float, burst: int) -> Allowance:
    if frames <= 0:
        return UNLIMITED
    events = max(0.0, client_events)
    rate = max(frames, 2 * SIGNED * events)
    returning = SIGNED * ((channels if channels > 0 else MANY) + 1) + 2 * SIGNED * events
    return Allowance(1 / rate, max(burst, returning) / rate)


def is_signed(text: bytes) -> bool:
    """
    Tell whether a text has a signature, without parsing it.

    A client event may look as if it had one: rates allow for that.
    """
    # An escape of an ASCII letter, which no serialiser writes, may hide the name.
    return b'"auth' in text or b"\\u00" in text
