"""
Whose pages may use an app: the origin that a browser names, against the app's list.

Pure.  An origin is compared as browsers write it (RFC 6454, 6.2): scheme, host and, unless it is the scheme's own,
port, in lower case and without a path.  ``https://*.example.org`` covers every host below ``example.org``, at any
depth, and not ``example.org`` itself, as in CSP (W3C, "Matching").  ``null``, the origin of what has none, is
covered only where it stands in the list.
"""

import re
from collections.abc import Collection

_LABELS = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")


def allows(origins: Collection[str], origin: str) -> bool:
    """
    Tell whether pages of an origin may use an app.

    Args:
        origins: The app's ``allowed_origins``; empty: anybody's pages may.
        origin: As the browser wrote it.
    """
    if is_open(origins) or origin in origins:
        return True
    return any(_covers(pattern, origin) for pattern in origins)


def is_open(origins: Collection[str]) -> bool:
    """Tell whether anybody's pages may: the list is empty, or has Reverb's ``*``."""
    return not origins or "*" in origins


def _covers(pattern: str, origin: str) -> bool:
    scheme, wild, host = pattern.partition("://*.")
    start, end = f"{scheme}://", f".{host}"
    if not wild or not host or not (origin.startswith(start) and origin.endswith(end)):
        return False
    return _LABELS.fullmatch(origin, len(start), len(origin) - len(end)) is not None
