"""
Whose pages may use an app: the origin that a browser names, against the app's list.

Pure.  An origin is compared as browsers write it (RFC 6454, 6.2): scheme, host and, unless it is
the scheme's own, port, in lower case and without a path.  ``https://*.example.org`` covers every
host below ``example.org``, at any depth, and not ``example.org`` itself, as in CSP (W3C,
"Matching").  ``null``, the origin of what has none, is covered only where it stands in the list.

To be allowed is not to be named.  What a browser sends by itself, a cookie, counts only for origins
that are named: ``*``, ``null`` and ``file://`` are anybody's pages, and so are those of
``https://*.org``.
"""

import json
import re
from collections.abc import Collection

EXPECTED = (
    "*, null, or scheme://host[:port] in lower case, without a path, spaces or the scheme's own "
    "port; "
    "the host may begin with *."
)

_LABELS = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")
_SHAPE = re.compile(
    rf"""(?P<scheme>[a-z][a-z0-9+.-]*)://
    (?:(?:\*\.)?{_LABELS.pattern}\.?|\[[0-9a-f:.]+\])
    (?::(?P<port>[1-9][0-9]{{0,4}}))?""",
    re.VERBOSE,
)
_ANYBODYS = frozenset({"*", "null"})
_OWN_PORTS = {("http", "80"), ("https", "443")}
_SOCKETS = {"ws", "wss"}  # Of connections; pages have others.
_FILES = "file://"  # What web views of Android and desktop shells write for pages of the device.


def check(origins: Collection[str]) -> None:
    """
    Check that each entry of a list can match what a browser writes.

    Raises:
        ValueError: An entry can match nothing.
    """
    for entry in origins:
        if not _can_match(entry):
            raise ValueError(f"expected {EXPECTED}; found {json.dumps(entry[:64])}")


def _can_match(entry: str) -> bool:
    if entry in {"*", "null", _FILES}:
        return True
    found = _SHAPE.fullmatch(entry)
    if found is None or found["scheme"] in _SOCKETS:
        return False
    port = found["port"] or ""
    return (found["scheme"], port) not in _OWN_PORTS and int(port or 0) < 1 << 16


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


def names(origins: Collection[str], origin: str) -> bool:
    """
    Tell whether an origin is named, so that what its pages send by themselves counts.

    Args:
        origins: The app's ``allowed_origins``; empty: none is named.
        origin: As the browser wrote it; empty: it wrote none.
    """
    if origin in {*_ANYBODYS, _FILES}:
        return False
    if origin in origins:
        return True
    return any(_covers(pattern, origin) for pattern in origins if _has_domain(pattern))


def unnamed(origins: Collection[str]) -> list[str]:
    """Return the entries that name nobody and stand for anybody's pages, in their order."""
    return [entry for entry in origins if entry in _ANYBODYS]


def _has_domain(pattern: str) -> bool:
    """Tell whether a pattern is of hosts below a domain that somebody can own."""
    return "." in pattern.partition("://*.")[2].strip(".")


def _covers(pattern: str, origin: str) -> bool:
    scheme, wild, host = pattern.partition("://*.")
    start, end = f"{scheme}://", f".{host}"
    if not wild or not host or not (origin.startswith(start) and origin.endswith(end)):
        return False
    return _LABELS.fullmatch(origin, len(start), len(origin) - len(end)) is not None
