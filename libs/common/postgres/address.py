"""
Where PostgreSQL is: the URLs that the settings may name.

Pure.  They are libpq's:
``postgresql://user:password@host:5432/database?sslmode=verify-full&sslrootcert=/ca.pem``; several
hosts may stand there, joined by commas.  No message here repeats a part that may hold a password.
"""

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

from libs.common.config.url_parts import is_host
from libs.common.errors import Misconfigured

SCHEMES = ("postgresql", "postgres")
MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl")
OPTIONS = ("sslmode", *FILES, "options", "target_session_attrs")

_NAME = re.compile(r"[a-z_]{1,32}")
_SOCKET = "%2F"  # Where a host begins with a slash it is the directory of a socket.


def options(url: str) -> Mapping[str, str]:
    """
    Check a URL, and read its options.

    Raises:
        Misconfigured: The URL cannot work; the error says why.
    """
    scheme, found, rest = url.partition("://")
    if not found or scheme not in SCHEMES:
        raise Misconfigured("a PostgreSQL URL begins with postgresql://")
    try:
        parts = urlsplit(url)
        named = dict(
            parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
        )
    except ValueError as error:
        raise Misconfigured("the PostgreSQL URL is malformed") from error
    if parts.fragment or "@" in rest[len(parts.netloc) :] or set(":/") & set(parts.path[1:]):
        raise Misconfigured(
            "in a PostgreSQL URL a password with : / ? # or @ must be percent-encoded"
        )
    for host in parts.netloc.rpartition("@")[2].split(","):
        _check_host(host)
    _check_options(named)
    return named


def _check_host(host: str) -> None:
    port = host.rpartition("]")[2].partition(":")[2]
    if port and not (port.isascii() and port.isdigit() and 1 <= int(port) <= 65_535):
        raise Misconfigured("the port of a PostgreSQL URL is a number up to 65535")
    if host and not is_host(host) and not host.upper().startswith(_SOCKET):
        raise Misconfigured("the host of a PostgreSQL URL is a name or an address")


def _check_options(named: Mapping[str, str]) -> None:
    for name in named:
        if name not in OPTIONS:
            which = f"option {name!r}" if _NAME.fullmatch(name) else "such option"
            raise Misconfigured(
                f"a PostgreSQL URL has no {which}: it may have {', '.join(OPTIONS)}"
            )
    mode = named.get("sslmode", "prefer")
    if mode not in MODES:
        raise Misconfigured(f"sslmode is one of {', '.join(MODES)}")
    if mode.startswith("verify-") and not named.get("sslrootcert"):
        raise Misconfigured(
            f"sslmode={mode} needs sslrootcert=, the file with the authority's certificate "
            "(those of the system are often in /etc/ssl/certs/ca-certificates.crt)"
        )
