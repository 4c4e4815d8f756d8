"""
Which addresses requests of our own may go to, so that nobody reaches through us what is not theirs.

Pure.  The tables are those of IANA, "IPv4 Special-Purpose Address Registry" and "IPv6
Special-Purpose Address Registry" (RFC 6890), and of clouds' documentation for their metadata.  The
OWASP cheat sheet on server-side request forgery says why.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

from libs.common.config.address import Address, Network

IpAddress = IPv4Address | IPv6Address


def _networks(*texts: str) -> tuple[Network, ...]:
    return tuple(map(ip_network, texts))


LOOPBACK = _networks("127.0.0.0/8", "::1/128")
# What one organisation uses within: RFC 1918, RFC 6598 (carriers' NAT), RFC 4193.
PRIVATE = _networks("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
# What tells a machine its credentials; within PRIVATE or among public addresses.
METADATA = _networks("100.100.100.200/32", "168.63.129.16/32", "fd00:ec2::254/128")
SPECIAL = _networks(
    "0.0.0.0/8",  # This network; Linux takes 0.0.0.0 for itself.
    "169.254.0.0/16",  # Link-local, and most clouds' metadata at 169.254.169.254.
    "192.0.0.0/24",  # IETF protocols; Oracle's metadata at 192.0.0.192.
    "192.0.2.0/24",  # Documentation, as 198.51.100.0/24 and 203.0.113.0/24.
    "192.88.99.0/24",  # Relays from 6to4, of old.
    "198.18.0.0/15",  # Benchmarks.
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",  # Multicast.
    "240.0.0.0/4",  # Reserved, and broadcast.
    "2001::/23",  # IETF protocols, Teredo among them.
    "2001:db8::/32",  # Documentation, as 3fff::/20.
    "2002::/16",  # 6to4, which holds any IPv4 address.
    "3fff::/20",
)
GLOBAL_IPV6 = IPv6Network("2000::/3")  # Beyond, nothing is global unicast (RFC 4291, 2.4).
NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052: IPv4 addresses, as networks without IPv4 see them.


@dataclass(frozen=True, slots=True)
class Egress:
    """
    Which addresses may be called.

    Attributes:
        allow: Networks that may be, whatever is said of them here.
        private: Whether networks that an organisation uses within may be; never metadata.
    """

    allow: Sequence[Network] = ()
    private: bool = False

    def permits(self, address: IpAddress) -> bool:
        """Tell whether an address may be called; one that stands for an IPv4 address, as that."""
        if _is_within(address, self.allow):
            return True
        meant = _meant(address)
        if meant != address:
            return self.permits(meant)
        if _is_within(meant, (*METADATA, *SPECIAL, *LOOPBACK)):
            return False
        if _is_within(meant, PRIVATE):
            return self.private
        return meant.version == 4 or meant in GLOBAL_IPV6

    def with_loopback(self) -> "Egress":
        """Return the same, but for this machine itself, which may be called."""
        return Egress((*self.allow, *LOOPBACK), self.private)

    def check(self, url: str, what: str) -> None:
        """
        Check a URL that names its address by number.

        A name is checked when it is called: only then it is known where it leads.

        Args:
            url: With a host.
            what: The name of the URL in messages.

        Raises:
            ValueError: The address may not be called.
        """
        address = literal(url)
        if address is not None and not self.permits(address):
            raise ValueError(
                f"{what} leads to {address}, which is not public; if it is meant, "
                "name its network in egress.allow"
            )


def literal(url: str) -> IpAddress | None:
    """Return the address that a URL names by number, or as ``localhost``; else None."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host)
    except ValueError:
        return IPv4Address("127.0.0.1") if is_localhost(host) else None


def is_localhost(host: str) -> bool:
    """Tell whether a name is this machine's by RFC 6761, 6.3."""
    name = host.removesuffix(".").lower()
    return name == "localhost" or name.endswith(".localhost")


def names_loopback(url: str) -> bool:
    """Tell whether a URL itself says that it leads to this machine."""
    return Address(urlsplit(url).hostname or "", 0).is_loopback


def _is_within(address: IpAddress, networks: Iterable[Network]) -> bool:
    return any(address.version == network.version and address in network for network in networks)


def _meant(address: IpAddress) -> IpAddress:
    """Return the IPv4 address that an IPv6 address stands for; any other address as it is."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    if address.scope_id is not None:  # fe80::1%eth0 is the same link-local address.
        return IPv6Address(int(address))
    return address
