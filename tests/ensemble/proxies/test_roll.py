"""Gateways are replaced as deploy/roll.sh does it, one by one behind HAProxy, while pusher-js is connected by wss."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.support.clients.back_ends import BackEnd
from tests.support.clients.pusherjs import Driver, driver, options
from tests.support.deadline import DEADLINE
from tests.support.deployments.fleet import APP, Fleet, Plain
from tests.support.deployments.haproxy import SERVICES, Balancer, balancer
from tests.support.deployments.program import Program, program
from tests.support.servers import Certificates
from tests.support.servers.ports import free_port

OLD = ("127.23.0.1", "127.23.0.2")
NEW = ("127.23.0.3", "127.23.0.4")
OTHERS = "127.23.0.9"  # All other services, in one process.
CLIENTS = ("ann", "bob", "cat", "dan")
JOINED = "pusher:subscription_succeeded"


class Deployment:
    """
    Gateways behind HAProxy, which may come and go.

    Args:
        fleet: Whose processes they are.
        stack: Ends them.
    """

    def __init__(self, fleet: Fleet, stack: AsyncExitStack) -> None:
        self._fleet = fleet
        self._stack = stack
        self._ports = free_port(), free_port()
        self.gateways: dict[str, Program] = {}

    @property
    def url(self) -> str:
        """Where its back ends come."""
        return f"http://{OTHERS}:{self._ports[0]}"

    async def run(self, host: str, *services: str) -> Program:
        """Run services at an address, until they are ready."""
        started = program(
            *services,
            config=self._fleet.write_settings(),
            log=self._fleet.directory / f"{host}.log",
            environ=self._fleet.environ | {"FANFARE_SERVER_LB_DELAY": "3"},
            host=host,
            ports=self._ports,
        )
        return await self._stack.enter_async_context(started)

    async def balance(self, certificate: Path) -> Balancer:
        """Run HAProxy before them."""
        instances = {name: OLD if name == "gateway" else (OTHERS,) for name in SERVICES}
        port, health_port = self._ports
        variables = {"CERTIFICATE": str(certificate)}
        before = balancer(instances, port=port, health_port=health_port, variables=variables)
        return await self._stack.enter_async_context(before)


@pytest.fixture
async def deployment(tmp_path: Path, redis_url: str) -> AsyncIterator[Deployment]:
    async with AsyncExitStack() as stack:
        deployment = Deployment(Plain(tmp_path, redis=redis_url, kafka="none"), stack)
        others = deployment.run(OTHERS, "auth", "dispatcher", "presence")
        _, *gateways = await asyncio.gather(
            others, *(deployment.run(host, "gateway") for host in OLD)
        )
        deployment.gateways = dict(zip(OLD, gateways, strict=True))
        yield deployment


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates.issue(tmp_path / "tls")


@pytest.fixture
async def node(certificates: Certificates) -> AsyncIterator[Driver]:
    async with driver(certificates.ca) as running:
        yield running


def connections(node: Driver, name: str) -> int:
    """Tell how often a client has connected."""
    return len(node.seen(client=name, state="connected"))


async def rejoined(node: Driver, before: dict[str, int]) -> list[str]:
    """Return who has connected again since, once those are in their channel again."""
    moved = [name for name in CLIENTS if connections(node, name) > before[name]]
    for name in moved:
        await node.wait(connections(node, name), client=name, event=JOINED)
    return moved


async def replace(deployment: Deployment, running: Balancer, old: str, *, new: str) -> None:
    """Start a gateway, and end another; HAProxy is told nothing but what its name server knows."""
    deployment.gateways[new] = await deployment.run(new, "gateway")
    running.names.addresses["gateway"] = tuple(deployment.gateways)
    leaving = deployment.gateways.pop(old)
    leaving.send(signal.SIGTERM)
    async with asyncio.timeout(DEADLINE):
        assert await leaving.process.wait() == 0
    running.names.addresses["gateway"] = tuple(deployment.gateways)


async def test_rolled(
    deployment: Deployment,
    certificates: Certificates,
    node: Driver,
    backend: BackEnd,
    tmp_path: Path,
) -> None:
    """
    Each step moves the clients of one gateway alone, and all hear on; HAProxy is told nothing.
    """
    running = await deployment.balance(certificates.mount(tmp_path / "mount"))
    secure = options(running.host, running.port, wssPort=running.secure_port, forceTLS=True)
    for name in CLIENTS:
        await node.connect(name, APP.key, **secure)
        await node.subscribe(name, "news")

    for number, (old, new) in enumerate(zip(OLD, NEW, strict=True), start=1):
        before = {name: connections(node, name) for name in CLIENTS}
        await replace(deployment, running, old, new=new)
        moved = await rejoined(node, before)
        published = await backend.publish(deployment.url, "news", {"n": number})
        assert published.status == 200
        assert len(moved) == 2
        for name in CLIENTS:
            events = await node.wait_for_events(name, "news", number)
            assert events[-1] == ("step", {"n": number})
    assert all(connections(node, name) == 2 for name in CLIENTS)
