"""
Where Redis is: the URLs that the settings may name.

Pure.  Four kinds, each also with TLS (``rediss``), which always verifies the server's certificate
and name:

    ``redis://[user:password@]host[:port][/db]``
    ``redis+sentinel://[user:password@]host[:port],…/service[/db]``
    ``redis+cluster://[user:password@]host[:port],…``

``?ca=/path.pem`` names the authority of a private certificate.
``?sentinel_user=…&sentinel_password=…`` are for sentinels that ask who calls; user and password
before the ``@`` are for the servers.  No message here repeats a part of the URL that may hold a
password.
"""

import re
from dataclasses import dataclass, field
from enum import Enum
from urllib.parse import parse_qsl, unquote

from libs.common.config.address import Url
from libs.common.config.url_parts import is_host
from libs.common.errors import Misconfigured

DEFAULT_PORT = 6379
DEFAULT_SENTINEL_PORT = 26_379

_ENCODED = " (a password with : / ? # or @ must be percent-encoded)"
_SERVICE = re.compile(r"[A-Za-z0-9._%-]+")  # Sentinel's own rule; percent-encoded, it may be more.


class Layout(Enum):
    """How the servers stand together."""

    SINGLE = "redis"
    SENTINEL = "redis+sentinel"
    CLUSTER = "redis+cluster"


_SCHEMES = {
    scheme: (layout, tls)
    for layout in Layout
    for tls in (False, True)
    for scheme in (layout.value.replace("redis", "rediss" if tls else "redis"),)
}


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """
    Where Redis is, and who calls.

    Attributes:
        layout: One server, a master that sentinels know, or a cluster.
        hosts: The server, the sentinels, or some nodes of the cluster.
        tls: Whether connections are encrypted, and certificates verified.
        user: ACL user, or empty.
        password: The user's password, or empty.
        service: What the sentinels call the master.
        database: The number of the database.
        ca: File with the certificate of the authority, or empty for the system's.
        sentinel_user: ACL user of the sentinels, or empty.
        sentinel_password: That user's password, or empty.
    """

    layout: Layout
    hosts: tuple[tuple[str, int], ...]
    tls: bool
    user: str = ""
    password: str = field(default="", repr=False)
    service: str = ""
    database: int = 0
    ca: str = ""
    sentinel_user: str = ""
    sentinel_password: str = field(default="", repr=False)


def parse(url: str) -> RedisAddress:
    """
    Read a URL.

    Raises:
        Misconfigured: It is none of those above; the error says what is wrong.
    """
    scheme, found, rest = url.partition("://")
    if not found or scheme not in _SCHEMES:
        raise Misconfigured(f"a Redis URL begins with one of {', '.join(_SCHEMES)}, and ://")
    layout, tls = _SCHEMES[scheme]
    rest, _, query = rest.partition("?")
    authority, _, path = rest.partition("/")
    login, _, hosts = authority.rpartition("@")
    user, _, password = login.partition(":")
    places = _hosts(layout, hosts)
    service, database = _path(layout, path)
    options = _options(layout, query, tls=tls)
    return RedisAddress(
        layout,
        places,
        tls,
        user=unquote(user),
        password=unquote(password),
        service=service,
        database=database,
        ca=options.get("ca", ""),
        sentinel_user=options.get("sentinel_user", ""),
        sentinel_password=options.get("sentinel_password", ""),
    )


def _hosts(layout: Layout, text: str) -> tuple[tuple[str, int], ...]:
    port = DEFAULT_SENTINEL_PORT if layout is Layout.SENTINEL else DEFAULT_PORT
    hosts = tuple(_host(part, port) for part in text.split(","))
    if layout is Layout.SINGLE and len(hosts) > 1:
        raise Misconfigured("a redis:// URL has one host; several need redis+sentinel or +cluster")
    return hosts


def _host(text: str, default_port: int) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        host, port = text, str(default_port)
    host = host.removeprefix("[").removesuffix("]")
    if not host:
        raise Misconfigured("a Redis URL needs a host after :// (or after the @)")
    if not (port.isascii() and port.isdigit() and 1 <= int(port[:6]) <= 65_535):
        raise Misconfigured(f"the port of a Redis URL is a number up to 65535{_ENCODED}")
    if not is_host(text):
        raise Misconfigured(f"the host of a Redis URL is a name or an address{_ENCODED}")
    return host, int(port)


def _path(layout: Layout, path: str) -> tuple[str, int]:
    """Read what follows the hosts: the service of sentinels, and the database."""
    service, database = "", path
    if layout is Layout.SENTINEL:
        service, _, database = path.partition("/")
        if not _SERVICE.fullmatch(service):
            raise Misconfigured("a redis+sentinel URL names the service: …/service or …/service/db")
    if layout is Layout.CLUSTER and database:
        raise Misconfigured("a redis+cluster URL has no database: a cluster has only one")
    if database and not (database.isascii() and database.isdigit()):
        raise Misconfigured("the database of a Redis URL is a number")
    return unquote(service), int(database or 0)


def _options(layout: Layout, query: str, *, tls: bool) -> dict[str, str]:
    allowed = ["ca"] if tls else []
    if layout is Layout.SENTINEL:
        allowed += ["sentinel_user", "sentinel_password"]
    options = dict(parse_qsl(query, keep_blank_values=True))
    if not options.keys() <= set(allowed) or (query and not options):
        known = " and ".join(allowed) or "none"
        raise Misconfigured(f"a Redis URL of this kind has an unknown option; known: {known}")
    return options


def place_of(url: Url) -> object:
    """Tell where a Redis is, so that two places can be compared; None for all that is none."""
    try:
        address = parse(url.reveal())
    except Misconfigured:
        return None
    return address.layout, frozenset(address.hosts), address.service
