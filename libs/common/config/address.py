"""
Where something is: a host and a port to listen on, or a backend's URL.

Pure.  Both read what the settings hold, and neither shows a password.
"""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> "Address":
        """
        Read ``host:port``; an IPv6 address stands in brackets: ``[::1]:6001``.

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

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


class Url:
    """
    Where a backend is: its text may hold a password, and is had only by asking for it.

    ``str`` and ``repr`` show the scheme and the hosts; of a text that does not read as a URL,
    nothing.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text."""
        return self._text

    @property
    def scheme(self) -> str:
        """What stands before ``://``; empty if nothing does."""
        scheme, found, _ = self._text.partition("://")
        return scheme if found else ""

    def __str__(self) -> str:
        if not self.scheme:
            return "…" if self._text else ""
        authority = self._text.partition("://")[2].partition("?")[0].partition("/")[0]
        hosts = authority.rpartition("@")[2]
        # An @ elsewhere means that a password was not percent-encoded: what looks like a host may
        # be part of it.
        shown = hosts if self._text.count("@") == authority.count("@") else "…"
        return f"{self.scheme}://{shown}"

    def __repr__(self) -> str:
        return f"Url({str(self)!r})"

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Url) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)
