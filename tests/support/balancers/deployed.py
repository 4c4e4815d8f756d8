"""A load balancer before real processes: two gateways, and one of all other services."""

import asyncio
import secrets
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from tests.support.balancers.balancer import GATEWAYS, OTHERS, Front, Ports
from tests.support.balancers.stage import FRONTS
from tests.support.clients.pusherjs import Driver, options
from tests.support.deadline import DEADLINE
from tests.support.deployments.fleet import APP, QUICK, said
from tests.support.deployments.program import Program, program
from tests.support.servers import Certificates
from tests.support.servers.ports import free_port
from tests.support.servers.process import eventually
from tests.support.tokens import user_tokens

SETTINGS = f"""
[server]
lb_delay = 3
trusted_proxies = ["127.0.0.1"]

[log]
level = "debug"

[backends]
events = "none"

[[apps]]
id = "{APP.id}"
key = "{APP.key}"
secrets = ["{APP.secrets[0].reveal()}"]
tls_only = @

[[channels]]
pattern = "private-company.{{company_id}}"
allow = "company_id in claims.companies"

[[auth.issuers]]
issuer = "fanfare-dev"
audience = "fanfare"
secret = "fanfare-development-secret-0123456789"
"""


@dataclass(slots=True)
class Deployed:
    """
    A running deployment.

    Attributes:
        front: What clients see.
        config: The settings of all processes.
        environ: What their variables say over them.
        ports: Where all listen.
        gateways: By their address.
    """

    front: Front
    config: Path
    environ: Mapping[str, str]
    ports: Ports
    stack: AsyncExitStack
    gateways: dict[str, Program] = field(default_factory=dict)

    async def start(self, host: str) -> None:
        """Start a gateway at an address."""
        self.gateways[host] = await self.stack.enter_async_context(
            _program("gateway", hosts=[host], among=self)
        )

    async def end(self, host: str) -> int:
        """End a gateway as one does who replaces it, and return its exit status."""
        await self.front.retire(host)
        self.gateways[host].send(signal.SIGTERM)
        async with asyncio.timeout(DEADLINE):
            return await self.gateways[host].process.wait()

    def gateway_of(self, socket_id: str) -> str:
        """Return the address of the gateway that has a connection."""
        (host,) = [host for host in self.gateways if socket_id in self.addresses(host)]
        return host

    def addresses(self, host: str) -> dict[str, str]:
        """Return whose connections a gateway has opened: clients' addresses by socket id."""
        opened = said(self.gateways[host], "connection.opened")
        return {line["socket_id"]: line["address"] for line in opened}

    async def connect(self, node: Driver, name: str, prefix: str) -> str:
        """Connect stock pusher-js below a prefix, subscribe it to a private channel, and return its gateway."""
        socket_id = await node.connect(name, APP.key, **self._options(prefix))
        await node.subscribe(name, "private-company.1")
        return self.gateway_of(socket_id)

    def _options(self, prefix: str) -> dict[str, Any]:
        bearer = user_tokens.token(sub="7", companies=["1"])
        scheme, _, _ = self.front.url.partition(":")
        more = {"wssPort": self.front.port, "forceTLS": scheme == "https", "wsPath": prefix}
        made = options("127.0.0.1", self.front.port, bearer=bearer, **more)
        made["channelAuthorization"]["endpoint"] = f"{self.front.url}{prefix}/broadcasting/auth"
        return made


def _program(
    *services: str, hosts: list[str], among: Deployed
) -> AbstractAsyncContextManager[Program]:
    def listening(port: int) -> str:
        return ",".join(f"{host}:{port}" for host in hosts)

    addresses = {
        "FANFARE_SERVER_LISTEN": listening(among.ports.public),
        "FANFARE_SERVER_INTERNAL_LISTEN": listening(among.ports.health),
    }
    return program(
        *services,
        config=among.config,
        log=among.config.with_suffix(f".{hosts[0]}.log"),
        environ={**among.environ, **addresses},
        host=hosts[0],
        ports=(among.ports.public, among.ports.health),
    )


@asynccontextmanager
async def deployed(
    name: str, directory: Path, certificates: Certificates, *, redis: str
) -> AsyncIterator[Deployed]:
    """
    Run a deployment behind one of `FRONTS`.

    Args:
        name: Of the load balancer.
        directory: For settings and logs.
        certificates: What it shows.
        redis: The URL of its bus and roster.
    """
    environ = {
        **QUICK,
        "FANFARE_BACKENDS_PREFIX": f"t{secrets.token_hex(6)}",
        "FANFARE_BACKENDS_BUS": redis,
        "FANFARE_BACKENDS_ROSTER": redis,
    }
    ports = Ports(public=free_port(), health=free_port())
    config = directory / f"{name}.toml"
    async with FRONTS[name](ports, certificates) as front, AsyncExitStack() as stack:
        config.write_text(SETTINGS.replace("@", "true" if front.trust else "false"))
        running = Deployed(front, config, environ, ports, stack)
        services = ("auth", "dispatcher", "presence")
        others = _program(*services, hosts=list(OTHERS.values()), among=running)
        await asyncio.gather(stack.enter_async_context(others), *map(running.start, GATEWAYS))
        await eventually(lambda: _is_up(front), timeout=DEADLINE)
        yield running


async def _is_up(front: Front) -> bool:
    """Tell whether each service is found: what it says itself is nothing to wait for."""
    statuses = set()
    async with aiohttp.ClientSession() as http:
        for path in ("/up", "/broadcasting/auth", "/apps/1/channels", "/presence/apps/1/online"):
            async with http.get(f"{front.url}{path}", ssl=front.trust or True) as response:
                statuses.add(response.status)
    return 503 not in statuses
