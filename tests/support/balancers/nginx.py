"""nginx with deploy/nginx/fanfare.conf."""

import os
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.balancers.balancer import Front, Ports, moved
from tests.support.deadline import DEADLINE
from tests.support.deployments.machines import amended
from tests.support.deployments.program import ROOT
from tests.support.programs import find_program
from tests.support.servers import Certificates, procfs
from tests.support.servers.ports import free_port
from tests.support.servers.process import Launch, Server, eventually, make_directory, running
from tests.support.servers.web import answers

FILE = ROOT / "deploy" / "nginx" / "fanfare.conf"
WORKERS = 2
MAIN = """
daemon off;
pid {directory}/pid;
error_log stderr;
worker_processes {workers};
events {{}}
http {{
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    include {directory}/fanfare.conf;
}}
"""


@asynccontextmanager
async def nginx_front(ports: Ports, certificates: Certificates) -> AsyncIterator[Front]:
    """Run nginx before services."""
    async with changed_nginx_front(ports, certificates, changes={}) as front:
        yield front


@asynccontextmanager
async def changed_nginx_front(
    ports: Ports, certificates: Certificates, *, changes: Mapping[str, str]
) -> AsyncIterator[Front]:
    """Run nginx before services; ``changes`` are what an operator writes otherwise."""
    public, plain, directory = free_port(), free_port(), make_directory("nginx")
    write(directory, ports, certificates, public=public, plain=plain)
    file = directory / "fanfare.conf"
    file.write_text(amended(file.read_text(), changes))
    url, trust = f"https://127.0.0.1:{public}", certificates.client_context()
    launch = Launch(
        name="nginx",
        url=url,
        command=command(directory),
        directory=directory,
        probe=lambda: answers(url, trust=trust),
    )
    async with running(launch) as server:
        reload = Reload(server, file, ports.public)
        yield Front(
            url,
            ("", "/realtime"),
            directory / "access.log",
            trust,
            plain=f"http://127.0.0.1:{plain}",
            retire=reload.without,
        )


def write(
    directory: Path, ports: Ports, certificates: Certificates, *, public: int, plain: int
) -> None:
    """Write what nginx reads."""
    text = moved(FILE.read_text(), ports, certificates)
    changes = {
        "listen 80;": f"listen 127.0.0.1:{plain};",
        "listen 443 ssl;": f"listen 127.0.0.1:{public} ssl;",
        "/var/log/nginx/fanfare.log": str(directory / "access.log"),
    }
    (directory / "fanfare.conf").write_text(amended(text, changes))
    (directory / "nginx.conf").write_text(MAIN.format(directory=directory, workers=WORKERS))


def command(directory: Path) -> list[str]:
    """Return how nginx is called."""
    configuration = str(directory / "nginx.conf")
    return [str(find_program("nginx")), "-c", configuration, "-p", str(directory)]


@dataclass(frozen=True, slots=True)
class Reload:
    """
    How an operator takes a gateway out: marks it in the file, and has that read.

    Attributes:
        server: nginx.
        file: What it reads.
        port: Of the gateways.
    """

    server: Server
    file: Path
    port: int

    async def without(self, host: str) -> None:
        """Take out the gateway with an address, and take all others in; empty: all are in."""
        old = procfs.children(self.server.pid)
        text = self.file.read_text().replace(" down;", ";")
        line = f"server {host}:{self.port} max_fails=1 fail_timeout=2s"
        changes = {f"{line};": f"{line} down;"} if host else {}
        self.file.write_text(amended(text, changes))
        os.kill(self.server.pid, signal.SIGHUP)

        async def is_read() -> bool:
            # Old workers stay for as long as they have sockets, and accept none.
            return len(set(procfs.children(self.server.pid)) - set(old)) == WORKERS

        await eventually(is_read, timeout=DEADLINE)
