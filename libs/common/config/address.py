"""
Where something is: a host and a port to listen on, or a backend's URL.

Pure.  Both read what the settings hold, and neither shows a password.
"""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address

from libs.common.config.url_parts import parts_of, scheme_of

Network = IPv4Network | IPv6Network

_ALL_IPV4 = "0.0.0.0"


@dataclass(frozen=True, slots=True)
class Address:
    """
    Where to listen.

    Attributes:
        host: An address of this machine or a name of it; ``*`` is all addresses of both families.
        port: From 0, which is one that is free, to 65,535.
    """

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> "Address":
        """
        Read ``host:port``; an IPv6 address stands in brackets: ``[::1]:6001``.

        All addresses of both families are ``*:6001``, or ``[::]:6001``.

        Raises:
            ValueError: The text is something else.
        """
        host, colon, port = text.rpartition(":")
        bracketed = host.startswith("[") and host.endswith("]")
        host = host[1:-1] if bracketed else host
        if not colon or not host or bracketed != (":" in host):
            raise ValueError("an address is host:port")
        if not (port.isascii() and port.isdigit() and int(port) <= 65_535):
            raise ValueError("a port is a number up to 65535")
        return cls(host, int(port))

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def is_dual(self) -> bool:
        """Whether it stands for all addresses of both families."""
        return self.host in {"*", "::"}

    @property
    def is_wildcard(self) -> bool:
        """Whether it stands for all addresses, of one family or of both."""
        return self.is_dual or self.host == _ALL_IPV4

    @property
    def from_here(self) -> "Address":
        """Where this machine itself reaches it: all addresses are not one to connect to."""
        loopback = "::1" if self.host == "::" else "127.0.0.1"
        return Address(loopback, self.port) if self.is_wildcard else self

    def clashes(self, other: "Address") -> bool:
        """Tell whether nobody can listen on both: they share a port, and one has the other."""
        if self.port != other.port or not self.port:
            return False
        if self.host == other.host or self.is_dual or other.is_dual:
            return True
        both = {self.host, other.host}
        return _ALL_IPV4 in both and not any(":" in host for host in both)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


class Url:
    """
    Where a backend is: its text may hold a password, and is had only by asking for it.

    ``str`` and ``repr`` show the scheme and the hosts; of a text that does not read as a URL, the
    scheme at most.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text."""
        return self._text

    @property
    def scheme(self) -> str:
        """What stands before ``://``; empty if no scheme does."""
        return scheme_of(self._text)

    def __str__(self) -> str:
        if not self.scheme:
            return "…" if self._text else ""
        parts = parts_of(self._text)
        return f"{self.scheme}://{'…' if parts is None else parts.hosts}"

    def __repr__(self) -> str:
        return f"Url({str(self)!r})"

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Url) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)
