"""
Instants in words, as RFC 3339 has them.

Pure.  Stricter than what Python reads: a ``T`` between date and time, a colon in the offset.  And
more lenient: a leap second is a time (RFC 3339, 5.6 and 5.7), and is the same instant as the second
that follows it.
"""

import re
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# RFC 3339, 5.6: "T" and "Z" may be in lower case, and a fraction has any number of digits.
_INSTANT = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d:)(\d\d)((?:\.\d+)?)(Z|[+-]\d\d:\d\d)", re.ASCII | re.IGNORECASE
)


def instant(text: str) -> float:
    """
    Read an instant.

    Returns:
        UTC epoch seconds.

    Raises:
        ValueError: The text is no instant of RFC 3339.
    """
    found = _INSTANT.fullmatch(text)
    if found is None:
        raise ValueError("not an RFC 3339 time with a zone")
    before, second, fraction, zone = found.groups()
    if second != "60":
        return datetime.fromisoformat(text.upper()).timestamp()
    return _leap(f"{before}59{zone}".upper()) + float(f"0{fraction}")


def _leap(before: str) -> float:
    """Return the instant of a leap second, given the second before it."""
    epoch = datetime.fromisoformat(before).timestamp() + 1
    if epoch % 86_400 or datetime.fromtimestamp(epoch, tz=UTC).day != 1:
        raise ValueError("no leap second can be then")
    return epoch


def text_of(seconds: float) -> str:
    """
    Write an instant as JavaScript's ``toISOString`` does: ``2026-01-02T03:04:05.006Z``.

    Args:
        seconds: UTC epoch seconds.

    Raises:
        ValueError: It is beyond the year 9999, before the year 1, or no number.
    """
    try:
        moment = _EPOCH + timedelta(milliseconds=round(seconds * 1000))
    except OverflowError as error:
        raise ValueError("no instant of the years 1 to 9999") from error
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
