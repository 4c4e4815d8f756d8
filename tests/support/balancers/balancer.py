"""A running load balancer, whichever it is."""

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.deployments.haproxy import Balancer as HAProxy
from tests.support.deployments.haproxy import balancer as haproxy
from tests.support.deployments.machines import amended
from tests.support.servers import Certificates

GATEWAYS = ("127.20.0.1", "127.20.0.2")
OTHERS = {"auth": "127.20.0.3", "dispatcher": "127.20.0.4", "presence": "127.20.0.5"}
INSTANCES = {"gateway": GATEWAYS, **{name: (host,) for name, host in OTHERS.items()}}
# Where the files of deploy/ have the services, and where the tests have them.
PLACES = dict(
    zip(
        ("127.0.0.1:6001", "127.0.0.1:6002", "127.0.0.1:6101", "127.0.0.1:6201", "127.0.0.1:6301"),
        (*GATEWAYS, *OTHERS.values()),
        strict=True,
    )
)
TLS = "/etc/fanfare/tls"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """
    Where all instances listen.

    Attributes:
        public: For clients.
        health: Where they say whether they are ready.
    """

    public: int
    health: int


async def _nothing(_: str) -> None:
    """Do nothing: it asks gateways for their health."""


@dataclass(frozen=True, slots=True)
class Front:
    """
    What clients see.

    Attributes:
        url: Where they come.
        prefixes: Below which paths; empty: the address is Fanfare's own.
        log: Where it writes what it was asked.
        trust: What they trust; None: it speaks plain HTTP.
        knows_sockets: Whether it gives its cookie to who opens a socket, too.
        plain: Where those come who speak no TLS; empty: nowhere else.
        retire: Takes the gateway with an address out of rotation, and takes all others in, where it does not see by
            itself that that is going.
    """

    url: str
    prefixes: tuple[str, ...]
    log: Path
    trust: ssl.SSLContext | None = None
    knows_sockets: bool = True
    plain: str = ""
    retire: Callable[[str], Awaitable[None]] = _nothing

    @property
    def port(self) -> int:
        """Where they come."""
        return int(self.url.rpartition(":")[2])


@asynccontextmanager
async def haproxy_front(ports: Ports, _: Certificates) -> AsyncIterator[Front]:
    """Run HAProxy before services, which must be ready soon."""
    async with haproxy(INSTANCES, port=ports.public, health_port=ports.health) as running:
        yield front_of(running)


def front_of(running: HAProxy) -> Front:
    """Tell how clients see HAProxy."""
    return Front(running.url, ("",), running.server.log)


def moved(text: str, ports: Ports, certificates: Certificates) -> str:
    """Change where a file of deploy/ looks for services and for its certificate."""
    places = {place: f"{host}:{ports.public}" for place, host in PLACES.items()}
    tls = {
        f"{TLS}/tls.crt": str(certificates.certificate),
        f"{TLS}/tls.key": str(certificates.key),
    }
    return amended(text, places | tls)
