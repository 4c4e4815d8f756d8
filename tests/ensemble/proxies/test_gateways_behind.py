"""Real gateways behind HAProxy, nginx and Apache, with stock pusher-js: one ends, is replaced, and one dies."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from tests.support.balancers.balancer import GATEWAYS
from tests.support.balancers.deployed import Deployed, deployed
from tests.support.balancers.stage import FRONTS
from tests.support.clients.back_ends import BackEnd, back_end
from tests.support.clients.pusherjs import Driver, driver
from tests.support.deadline import DEADLINE
from tests.support.deployments.fleet import APP
from tests.support.servers import Certificates
from tests.support.servers.process import eventually

CHANNEL = "private-company.1"


@pytest.fixture(scope="module", params=list(FRONTS))
async def deployment(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    certificates: Certificates,
    redis_url: str,
) -> AsyncIterator[Deployed]:
    """Yield a deployment; its gateways are there until the last test ends them."""
    directory = tmp_path_factory.mktemp("deployed")
    async with deployed(request.param, directory, certificates, redis=redis_url) as running:
        yield running


@pytest.fixture
async def node(certificates: Certificates) -> AsyncIterator[Driver]:
    async with driver(certificates.ca) as running:
        yield running


@pytest.fixture
async def back(deployment: Deployed) -> AsyncIterator[BackEnd]:
    async with back_end(APP, trust=deployment.front.trust) as running:
        yield running


async def test_who_comes(deployment: Deployed) -> None:
    """
    Fanfare is told from where a client comes, and believes nothing that it says of that.
    """
    forged = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https"}
    connector = aiohttp.TCPConnector(
        local_addr=("127.0.0.5", 0), ssl=deployment.front.trust or True
    )
    url = f"{deployment.front.url}/app/{APP.key}?protocol=7"
    async with (
        aiohttp.ClientSession(connector=connector) as http,
        http.ws_connect(url, headers=forged) as websocket,
    ):
        greeting = await websocket.receive_json(timeout=DEADLINE)

    assert greeting["event"] == "pusher:connection_established", greeting
    addresses = [address for host in GATEWAYS for address in deployment.addresses(host).values()]
    assert addresses == ["127.0.0.5"]


async def test_replaced(deployment: Deployed, node: Driver, back: BackEnd) -> None:
    """
    Clients of a gateway that ends or dies go on at another, those of the other notice nothing, and all hear all.
    """
    places = await _fill(deployment, node)
    await _tell(1, deployment, node, back, clients=places)
    first, second = GATEWAYS

    assert await deployment.end(first) == 0
    moved = [name for name, host in places.items() if host == first]
    await _wait_for_return(node, moved, times=2)
    assert await deployment.connect(node, "newcomer", "") == second
    await _tell(2, deployment, node, back, clients=places)
    stayed = places.keys() - moved
    assert all(len(node.seen(client=name, state="connected")) == 1 for name in stayed)

    await deployment.start(first)
    await deployment.front.retire("")
    deployment.gateways[second].kill()
    await _wait_for_return(node, moved, times=3)
    await _wait_for_return(node, [*stayed, "newcomer"], times=2)
    await _tell(3, deployment, node, back, clients=places)


async def _fill(deployment: Deployed, node: Driver) -> dict[str, str]:
    """Connect clients until there are some at each gateway; return the gateway of each."""
    places: dict[str, str] = {}
    prefixes = deployment.front.prefixes
    while set(places.values()) != set(GATEWAYS):
        assert len(places) < 20, f"all are at {places}"
        name = f"client-{len(places)}"
        prefix = prefixes[len(places) % len(prefixes)]
        places[name] = await deployment.connect(node, name, prefix)
    return places


async def _tell(n: int, deployment: Deployed, node: Driver, back: BackEnd, *, clients: Any) -> None:
    """Publish the event with a number, and see that all clients hear it as their n-th."""

    async def is_published() -> bool:
        return (await back.publish(deployment.front.url, CHANNEL, {"n": n})).status == 200

    await eventually(is_published, timeout=DEADLINE)
    for name in clients:
        events = await node.wait_for_events(name, CHANNEL, n)
        assert events == [("step", {"n": k}) for k in range(1, n + 1)]


async def _wait_for_return(node: Driver, clients: Any, *, times: int) -> None:
    """Wait until clients have joined the channel for so many times."""
    succeeded = "pusher:subscription_succeeded"
    for name in clients:
        await node.wait(times, client=name, channel=CHANNEL, event=succeeded)
