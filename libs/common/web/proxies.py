"""
Who asks, when proxies stand between: a client's address, and whether its connection is encrypted.

Pure.  Headers are believed as far as those who wrote them are trusted, and no further.  Read are
``X-Forwarded-For`` and ``X-Forwarded-Proto``; ``X-Real-IP`` and ``Forwarded`` never are: proxies
that do not know them pass on what a client wrote there.

``X-Forwarded-For`` has an entry for each hop, the last by the nearest proxy.  It is walked from
there: the first entry that is no trusted proxy is the client.  What is no address ends the walk at
the proxy that passed it on.  ``X-Forwarded-Proto`` mostly has one entry, and that counts; of
several the one of the hop at which the client was found, so that what a client wrote before it does
not.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from libs.common.config.address import Network

FORWARDED_FOR, FORWARDED_PROTO = "x-forwarded-for", "x-forwarded-proto"

REMEMBERED = 4096  # Addresses that are read once, as those of proxies and of clients who return.
LONGEST = 100  # Characters of an address, with the zone that it may have.

_SECURE = frozenset({"https", "wss"})
_HOST = 64  # Bits of an IPv6 address that tell machines of a link apart.
_MAPPED = IPv6Network("::ffff:0:0/96")
_BRACKETED = re.compile(r"\[([^\]]*)\](?::[0-9]{1,5})?")
_WITH_PORT = re.compile(r"([^:]+):[0-9]{1,5}")


@dataclass(frozen=True, slots=True)
class Caller:
    """
    Who asks.

    Attributes:
        address: The client's, without port and zone, IPv4 where it is one that is mapped into IPv6:
            the same client is always written the same way.  What the connection says of itself
            where that is no address.
        is_secure: Whether the client's own connection is encrypted.
    """

    address: str
    is_secure: bool

    @property
    def site(self) -> str:
        """What limits by address count; of IPv6 the /64 (RFC 4291, 2.5.4)."""
        address = _address(self.address)
        if not isinstance(address, IPv6Address):
            return self.address
        return str(IPv6Network((int(address) >> _HOST << _HOST, 128 - _HOST)))


class Proxies:
    """
    The proxies that are trusted.

    Args:
        networks: Where they are.
    """

    def __init__(self, networks: Iterable[Network] = ()) -> None:
        self._networks = tuple(map(_unmapped, networks))

    def caller(
        self, peer: str, headers: Iterable[tuple[str, str]], *, is_secure: bool = False
    ) -> Caller:
        """
        Tell who asks.

        Args:
            peer: The address at the other end of the connection.
            headers: Of the request, in order; a name may stand there several times.
            is_secure: Whether that connection is encrypted.
        """
        nearest = _address(peer)
        if nearest is None or not self._trusts(nearest):
            return Caller(str(nearest or peer), is_secure=is_secure)
        lowered = [(name.lower(), text) for name, text in headers]
        client, hop = self._walk(nearest, _entries(lowered, FORWARDED_FOR))
        schemes = _entries(lowered, FORWARDED_PROTO)
        if schemes:
            is_secure = schemes[-min(hop, len(schemes))].lower() in _SECURE
        return Caller(str(client), is_secure=is_secure)

    def has(self, peer: str) -> bool:
        """Tell whether an address is a trusted proxy's."""
        address = _address(peer)
        return address is not None and self._trusts(address)

    def _walk(
        self, nearest: IPv4Address | IPv6Address, entries: Sequence[str]
    ) -> tuple[IPv4Address | IPv6Address, int]:
        """Return the client's address, and at which hop it was found, counted from 1."""
        client, hop = nearest, 1
        for hop, entry in enumerate(reversed(entries), start=1):  # noqa: B007 - told at the end.
            found = _address(_without_port(entry))
            client = found or client
            if found is None or not self._trusts(found):
                break
        return client, hop

    def _trusts(self, address: IPv4Address | IPv6Address) -> bool:
        return any(address in network for network in self._networks)


def _entries(headers: Iterable[tuple[str, str]], name: str) -> list[str]:
    """Read a list that several headers may hold (RFC 9110, 5.3), without empty entries (5.6.1)."""
    parts = (part.strip() for key, text in headers if key == name for part in text.split(","))
    return [part for part in parts if part]


def _without_port(entry: str) -> str:
    found = _BRACKETED.fullmatch(entry) or _WITH_PORT.fullmatch(entry)
    return found[1] if found else entry


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """
    Read an address; None for what is none.

    A zone is dropped: it means something on one machine alone.
    """
    return _read(text) if len(text) <= LONGEST else None


@lru_cache(maxsize=REMEMBERED)
def _read(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv4Address):
        return address
    return address.ipv4_mapped or IPv6Address(int(address))


def _unmapped(network: Network) -> Network:
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        first = int(network.network_address) & 0xFFFF_FFFF
        return IPv4Network((first, network.prefixlen - 96))
    return network
