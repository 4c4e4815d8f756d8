"""What deploy/haproxy/haproxy.cfg does beside what all load balancers do: test_balancers.py."""

from collections.abc import AsyncIterator

import pytest

from libs.common.web.proxies import Caller
from tests.support.balancers.balancer import GATEWAYS, OTHERS
from tests.support.balancers.haproxied import BEHIND, Haproxied, staged
from tests.support.deadline import DEADLINE
from tests.support.fakes.stubs import stub
from tests.support.servers.process import eventually


@pytest.fixture
async def stage() -> AsyncIterator[Haproxied]:
    async with staged() as running:
        yield running


class TestBehindAnother:
    """Something stands before it, to speak TLS for one."""

    @pytest.mark.parametrize("networks", [("127.0.0.1",), ("192.0.2.0/24", "127.0.0.0/8")])
    async def test_behind_another(self, networks: tuple[str, ...]) -> None:
        """What stands before it is believed about its clients, and its own address is told after theirs."""
        said = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https"}
        async with staged(*networks) as stage:
            told = await stage.ask("/events", **said)
            silent = await stage.ask("/events")

        caller = BEHIND.caller("127.0.0.1", told["pairs"])
        assert caller == Caller("203.0.113.7", is_secure=True)
        assert silent["headers"]["X-Forwarded-For"] == "127.0.0.1"
        assert silent["headers"]["X-Forwarded-Proto"] == "http"

    async def test_not_behind_another(self) -> None:
        """Where something else stands before it than what asks, that is a client like others."""
        said = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https"}
        async with staged("192.0.2.0/24") as stage:
            told = await stage.ask("/events", **said)

        caller = BEHIND.caller("127.0.0.1", told["pairs"])
        assert caller == Caller("127.0.0.1", is_secure=False)


class TestGateways:
    """Which gateway a client comes to."""

    async def test_cookie(self, stage: Haproxied) -> None:
        """The gateway is not told of the cookie."""
        _, headers = await stage.acquainted()

        assert "Cookie" not in (await stage.ask("/app/key", **headers))["headers"]

    async def test_not_ready(self, stage: Haproxied) -> None:
        """A gateway that was not ready, and is again, gets those again who were with it."""
        here, headers = await stage.acquainted()
        (other,) = set(GATEWAYS) - {here}

        async def is_at(instance: str) -> bool:
            return await stage.where(**headers) == instance

        stage.stubs[here].is_ready = False
        await eventually(lambda: is_at(other), timeout=DEADLINE)
        stage.stubs[here].is_ready = True
        await eventually(lambda: is_at(here), timeout=DEADLINE)

    async def test_scaled(self, stage: Haproxied) -> None:
        """A gateway that is started later is found, and one that is gone is forgotten."""
        more = (*GATEWAYS, "127.20.0.9")

        async def are(hosts: tuple[str, ...]) -> bool:
            return {await stage.where() for _ in range(6)} == set(hosts)

        ports = stage.ports
        async with stub("gateway", more[-1], port=ports.public, health_port=ports.health):
            stage.balancer.names.addresses["gateway"] = more
            await eventually(lambda: are(more), timeout=DEADLINE)
            stage.balancer.names.addresses["gateway"] = GATEWAYS
            await eventually(lambda: are(GATEWAYS), timeout=DEADLINE)


async def test_monitor(stage: Haproxied) -> None:
    """It is not ready where a service has no instance that is."""
    stage.stubs[OTHERS["auth"]].is_ready = False

    async def says(status: int) -> bool:
        async with stage.session() as http, http.get(stage.balancer.monitor) as response:
            return response.status == status

    await eventually(lambda: says(503), timeout=DEADLINE)
    stage.stubs[OTHERS["auth"]].is_ready = True
    await eventually(lambda: says(200), timeout=DEADLINE)
