"""
What a URL is made of, read so strictly that no part of a mistyped one is taken for another.

Pure.  A sign too many or too few makes a password look like a host, a port, a path or a scheme.
So what may be shown of a URL is decided here alone: of a text that does not fit this grammar whole,
nothing but its scheme.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv6Address

# Letters, and a plus as in redis+cluster: a password before the scheme is none.
_SCHEME = r"[A-Za-z]+(?:\+[A-Za-z]+)?"
_NAME = r"[\w*-]+(?:\.[\w*-]+)*\.?"
_GRAMMAR = re.compile(
    rf"(?P<scheme>{_SCHEME})://"
    r"(?:(?P<login>[^/?#]*)@)?"
    r"(?P<hosts>[^@/?#]*)"
    r"(?P<path>(?:/[\w.~%+,!-]*)*)"  # Nothing of which options are made, as after a lost "?".
    r"(?P<query>\?[^#@]*)?",
)
_HOST = re.compile(rf"(?:{_NAME}|\[(?P<ipv6>[^]]+)\])(?::(?P<port>[0-9]{{1,5}}))?")
_USER = re.compile(r"[A-Za-z0-9._~%-]+")
_BEGIN = re.compile(rf"({_SCHEME})://")
_MOST_PORT = 65_535


@dataclass(frozen=True, slots=True)
class UrlParts:
    """
    A URL that reads as one.

    Attributes:
        scheme: What stands before ``://``.
        login: What stands before the last ``@``, as it is written; None: there is no ``@``.
        hosts: One, or several with commas, each with its port if it has one.
        path: From its slash on, or empty.
        query: From its question mark on, or empty.
    """

    scheme: str
    login: str | None
    hosts: str
    path: str
    query: str

    @property
    def user(self) -> str:
        """The user who has a password; empty where it may be the password alone."""
        user, colon, password = (self.login or "").partition(":")
        return user if colon and password and _USER.fullmatch(user) else ""


def parts_of(text: str) -> UrlParts | None:
    """Take a URL apart; None: something is not where a URL has it."""
    found = _GRAMMAR.fullmatch(text) if text.isprintable() else None
    if found is None or (found["login"] is not None and not found["hosts"]):
        return None
    hosts = found["hosts"].split(",") if found["hosts"] else ()
    if not all(is_host(host.strip(" ")) for host in hosts):
        return None
    return UrlParts(
        found["scheme"], found["login"], found["hosts"], found["path"], found["query"] or ""
    )


def is_host(text: str) -> bool:
    """Tell whether a text is a name or an address, an IPv6 one in brackets, and a port if any."""
    found = _HOST.fullmatch(text)
    if found is None or int(found["port"] or 0) > _MOST_PORT:
        return False
    return found["ipv6"] is None or _is_ipv6(found["ipv6"])


def _is_ipv6(text: str) -> bool:
    try:
        return bool(IPv6Address(text))
    except ValueError:
        return False


def scheme_of(text: str) -> str:
    """Return what stands before ``://``; empty if no scheme does."""
    found = _BEGIN.match(text)
    return found[1] if found else ""
