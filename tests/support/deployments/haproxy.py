"""HAProxy as docker-compose.yml runs it: the real program with the real file, and other addresses."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from tests.support.deployments.program import ROOT
from tests.support.fakes.name_server import Names, names
from tests.support.programs import find_program
from tests.support.servers.ports import free_port
from tests.support.servers.process import Launch, Server, make_directory, running
from tests.support.servers.web import answers

FILE = ROOT / "deploy" / "haproxy" / "haproxy.cfg"
FOREGROUND = ("-W", "-db")  # As its image does: a master, which replaces its worker on SIGUSR2.
SERVICES = ("gateway", "auth", "dispatcher", "presence")


class Balancer:
    """
    A running HAProxy.

    Attributes:
        server: Its process.
        names: Where it looks for the instances of services.
        host: Where clients come.
        port: Where clients come.
        secure_port: Where clients come with TLS, if it has a certificate.
        monitor: Where it says whether it is ready.
    """

    def __init__(
        self, server: Server, names: Names, *, ports: tuple[int, int], monitor: str
    ) -> None:
        self.server = server
        self.names = names
        self.host = "127.0.0.1"
        self.port, self.secure_port = ports
        self.monitor = monitor

    @property
    def url(self) -> str:
        """Where clients come."""
        return f"http://{self.host}:{self.port}"

    @property
    def secure_url(self) -> str:
        """Where clients come with TLS."""
        return f"https://{self.host}:{self.secure_port}"

    @property
    def lines(self) -> list[str]:
        """Return what it has logged."""
        return self.server.log.read_text().splitlines()


@asynccontextmanager
async def balancer(
    instances: Mapping[str, Sequence[str]],
    *,
    port: int,
    health_port: int,
    trusted: Sequence[str] = (),
    variables: Mapping[str, str] | None = None,
) -> AsyncIterator[Balancer]:
    """
    Run HAProxy before services, which must be ready soon.

    Args:
        instances: The addresses of each service's instances.
        port: Where all of them serve the public.
        health_port: Where all of them say whether they are ready.
        trusted: Networks of what stands before it.
        variables: Further ones of its file.
    """
    public, secure, monitor = free_port(), free_port(), f"127.0.0.1:{free_port()}"
    async with names(dict(instances)) as known:
        environ = {
            "LISTEN": f"127.0.0.1:{public}",
            "LISTEN_TLS": f"127.0.0.1:{secure}",
            "MAX_CONNECTIONS": "1000",
            "MONITOR": monitor,
            "RESOLVER": f"127.0.0.1:{known.port}",
            "HEALTH_PORT": str(health_port),
            **({"TRUSTED_PROXIES": " ".join(trusted)} if trusted else {}),
            **{service.upper(): f"{service}:{port}" for service in SERVICES},
            **(variables or {}),
        }
        async with running(_launch(environ)) as server:
            ready = f"http://{monitor}/health/ready"
            yield Balancer(server, known, ports=(public, secure), monitor=ready)


def _launch(environ: Mapping[str, str]) -> Launch:
    variables = [f"{name}={value}" for name, value in environ.items()]
    monitor = f"http://{environ['MONITOR']}/health/ready"
    return Launch(
        name="haproxy",
        url=f"http://{environ['LISTEN']}",
        command=["env", *variables, str(find_program("haproxy")), *FOREGROUND, "-f", str(FILE)],
        directory=make_directory("haproxy"),
        probe=lambda: answers(monitor, status=200),
    )
