"""
For how long a receiver asks not to be called, by its ``Retry-After``.

Pure.  RFC 9110, 10.2.3: seconds, or a date.  It counts with 429 (RFC 6585) and with whatever says
that the server is in trouble; with a redirection it says when to go elsewhere, where nobody goes.
"""

import re
from datetime import UTC
from email.utils import parsedate_to_datetime

LONGEST = 31_536_000.0  # Seconds, a year: what asks for more is no pause.

_SECONDS = re.compile(r"[0-9]{1,9}")
_LONGEST_DATE = 40  # Characters, and some more.


def asked_pause(status: int, text: str, *, now: float) -> float:
    """
    Return the seconds for which it asks not to be called.

    Args:
        status: Of its answer.
        text: The header; empty: there is none.
        now: UTC epoch seconds, against which a date is read.

    Returns:
        Seconds; 0: it asks for none, or what it says is no pause, or is over.
    """
    if status != 429 and not 500 <= status < 600:
        return 0.0
    said = text.strip()
    asked = float(said) if _SECONDS.fullmatch(said) else _instant(said) - now
    return asked if 0 < asked <= LONGEST else 0.0


def _instant(said: str) -> float:
    """Return a date in UTC epoch seconds; 0: it is none."""
    if len(said) > _LONGEST_DATE:
        return 0.0
    try:
        date = parsedate_to_datetime(said)
    except (ValueError, OverflowError):
        return 0.0
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
