"""HAProxy with deploy/haproxy/haproxy.cfg before stubs of all services."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network

from libs.common.web.proxies import Proxies
from tests.support.balancers.balancer import INSTANCES, Ports, front_of
from tests.support.balancers.stage import Stage, stubs
from tests.support.deployments.haproxy import Balancer, balancer
from tests.support.servers.ports import free_port

BEHIND = Proxies([ip_network("127.0.0.0/8")])  # Whom services trust that stand behind it.


class Haproxied(Stage):
    """HAProxy before stubs; see `Stage` and `Balancer`."""

    balancer: Balancer
    ports: Ports


@asynccontextmanager
async def staged(*trusted: str, **variables: str) -> AsyncIterator[Haproxied]:
    """
    Run a stage.

    Args:
        trusted: Networks of what stands before it.
        variables: Further ones of its file.
    """
    ports = Ports(public=free_port(), health=free_port())
    before = balancer(
        INSTANCES,
        port=ports.public,
        health_port=ports.health,
        trusted=trusted,
        variables=variables,
    )
    async with stubs(ports) as running, before as front:
        stage = Haproxied(front_of(front), running)
        stage.balancer, stage.ports = front, ports
        yield stage
