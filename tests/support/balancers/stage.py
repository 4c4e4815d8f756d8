"""A load balancer before stubs of all services, two of them gateways."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
from yarl import URL

from tests.support.balancers.apache import apache_front
from tests.support.balancers.balancer import GATEWAYS, OTHERS, Front, Ports, haproxy_front
from tests.support.balancers.nginx import nginx_front
from tests.support.fakes.stubs import Stub, stub
from tests.support.servers import Certificates
from tests.support.servers.ports import free_port

FRONTS = {"haproxy": haproxy_front, "nginx": nginx_front, "apache": apache_front}


class Stage:
    """
    A stage.

    Args:
        front: What clients see.
        stubs: By their address.
    """

    def __init__(self, front: Front, stubs: dict[str, Stub]) -> None:
        self.front = front
        self.stubs = stubs

    def session(self, **options: Any) -> aiohttp.ClientSession:
        """Open connections of a client of its own, who trusts what the front shows."""
        connector = aiohttp.TCPConnector(ssl=self.front.trust or True)
        return aiohttp.ClientSession(connector=connector, **options)

    async def ask(self, path: str, **headers: str) -> dict[str, Any]:
        """Ask with a client of its own, and return what a stub tells; fails unless one is reached."""
        async with (
            self.session() as http,
            http.get(URL(self.front.url + path, encoded=True), headers=headers) as response,
        ):
            assert response.status == 200, f"{path} was answered with {response.status}"
            told: dict[str, Any] = await response.json()
            return told | {"set": {name: each.value for name, each in response.cookies.items()}}

    async def where(self, **headers: str) -> str:
        """Return which gateway a client with these headers comes to."""
        return str((await self.ask("/app/key", **headers))["instance"])

    async def acquainted(self) -> tuple[str, dict[str, str]]:
        """Be a client that comes for the first time: return its gateway, and the headers that make it known."""
        told = await self.ask("/app/key")
        ((name, value),) = told["set"].items()
        return told["instance"], {"Cookie": f"{name}={value}"}

    async def open(self, path: str) -> dict[str, Any]:
        """Open a socket, and return what the stub tells that has it."""
        async with self.session() as http, http.ws_connect(self.front.url + path) as websocket:
            told: dict[str, Any] = await websocket.receive_json()
            return told

    async def retire(self, host: str) -> None:
        """Let a gateway say that it is not ready, and take it out where that is not seen."""
        self.stubs[host].is_ready = False
        await self.front.retire(host)


@asynccontextmanager
async def stubs(ports: Ports) -> AsyncIterator[dict[str, Stub]]:
    """Run stubs of all services, by their address."""
    hosts = [*(("gateway", host) for host in GATEWAYS), *OTHERS.items()]
    async with AsyncExitStack() as stack:
        yield {
            host: await stack.enter_async_context(
                stub(service, host, port=ports.public, health_port=ports.health)
            )
            for service, host in hosts
        }


@asynccontextmanager
async def staged(name: str, certificates: Certificates) -> AsyncIterator[Stage]:
    """Run a stage with one of `FRONTS`."""
    ports = Ports(public=free_port(), health=free_port())
    async with stubs(ports) as running, FRONTS[name](ports, certificates) as front:
        yield Stage(front, running)
