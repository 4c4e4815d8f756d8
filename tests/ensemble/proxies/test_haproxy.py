"""The load balancer, deploy/haproxy/haproxy.cfg: what reaches which service, and what becomes of it on the way."""

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from ipaddress import ip_network
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from libs.common.backends.adapters import opened
from libs.common.web.proxies import Caller, Proxies
from services.program import build, plan
from services.settings import SERVICES, load
from tests.support.deadline import DEADLINE
from tests.support.deployments.haproxy import Balancer, balancer
from tests.support.deployments.program import ROOT
from tests.support.fakes.stubs import Stub, stub
from tests.support.servers.ports import free_port
from tests.support.servers.process import eventually

GATEWAYS = ("127.20.0.1", "127.20.0.2")
OTHERS = {"auth": "127.20.0.3", "dispatcher": "127.20.0.4", "presence": "127.20.0.5"}
COOKIE = "fanfare_gateway"
TRUSTING = Proxies([ip_network("127.0.0.0/8")])  # As services do that stand behind it.


class Stage:
    """HAProxy before stubs of all services, two of them gateways; `stubs` are by their address."""

    def __init__(
        self, running: Balancer, stubs: dict[str, Stub], *, ports: tuple[int, int]
    ) -> None:
        self.balancer = running
        self.stubs = stubs
        self.ports = ports

    async def ask(self, path: str, **headers: str) -> dict[str, Any]:
        """Ask with a client of its own, and return what a stub tells; fails unless one is reached."""
        async with (
            aiohttp.ClientSession() as http,
            http.get(self.balancer.url + path, headers=headers) as response,
        ):
            assert response.status == 200, f"{path} was answered with {response.status}"
            told: dict[str, Any] = await response.json()
            return told | {"set": response.cookies[COOKIE].value if response.cookies else None}

    async def where(self, **headers: str) -> str:
        """Return which gateway a client with these headers comes to."""
        return str((await self.ask("/app/key", **headers))["instance"])

    async def acquainted(self) -> tuple[str, dict[str, str]]:
        """Be a client that comes for the first time: return its gateway, and the headers that make it known."""
        told = await self.ask("/app/key")
        return told["instance"], {"Cookie": f"{COOKIE}={told['set']}"}

    async def open(self, path: str) -> str:
        """Open a socket, and return which service has it."""
        async with (
            aiohttp.ClientSession() as http,
            http.ws_connect(self.balancer.url + path) as websocket,
        ):
            return str((await websocket.receive_json())["service"])


@asynccontextmanager
async def staged(*trusted: str) -> AsyncIterator[Stage]:
    """Run a stage; what stands before it comes from these networks."""
    port, health_port = ports = free_port(), free_port()
    hosts = [*(("gateway", host) for host in GATEWAYS), *OTHERS.items()]
    async with AsyncExitStack() as stack:
        stubs = {
            host: await stack.enter_async_context(
                stub(service, host, port=port, health_port=health_port)
            )
            for service, host in hosts
        }
        instances = {"gateway": GATEWAYS, **{name: (host,) for name, host in OTHERS.items()}}
        before = balancer(instances, port=port, health_port=health_port, trusted=trusted)
        yield Stage(await stack.enter_async_context(before), stubs, ports=ports)


@pytest.fixture(scope="module")
async def stage() -> AsyncIterator[Stage]:
    """Yield a stage that no test changes."""
    async with staged() as running:
        yield running


@pytest.fixture
async def shaky() -> AsyncIterator[Stage]:
    """Yield a stage that the test may change."""
    async with staged() as running:
        yield running


class TestPaths:
    """The route table of docs/architecture.md."""

    @pytest.mark.parametrize(
        "path,service",
        [
            ("/app/key?protocol=7", "gateway"),
            ("/any/where/app/key", "gateway"),
            ("//app/key", "gateway"),
            ("/ws//app/key", "gateway"),
            ("/pusher/app/key", "gateway"),
            ("/s/Ab-_0123456789/app/key", "gateway"),
            ("/broadcasting/auth", "auth"),
            ("/broadcasting/user-auth", "auth"),
            ("/api/broadcasting/auth", "auth"),
            ("/pusher/auth", "auth"),
            ("/pusher/user-auth", "auth"),
            ("/api/pusher/auth?app_key=key", "auth"),
            ("/auth/tokens", "auth"),
            ("/.well-known/jwks.json", "auth"),
            ("/apps/1/events?auth_key=key", "dispatcher"),
            ("/apps/1/batch_events", "dispatcher"),
            ("/apps/1/channels/presence-room/users", "dispatcher"),
            ("/apps/app/events", "dispatcher"),
            ("/some/path/apps/1/events", "dispatcher"),
            ("//apps/1/events", "dispatcher"),
            ("/ws//apps/1/channels", "dispatcher"),
            ("/users/7/terminate_connections", "dispatcher"),
            ("/events", "dispatcher"),
            ("/presence/apps/1/online?prefix=shop", "presence"),
            ("/presence/apps/1/users/7", "presence"),
            ("/ws//presence/apps/1/channels/presence-room/members", "presence"),
            ("/apps/1/channels/presence/users", "dispatcher"),
            ("/", "gateway"),
            ("/up", "gateway"),
        ],
    )
    async def test_public(self, stage: Stage, path: str, service: str) -> None:
        """Each path reaches its service, as it is."""
        told = await stage.ask(path)

        assert told["service"] == service
        assert told["path"] == path

    @pytest.mark.parametrize(
        "prefix", ["", "/", "/s/0123", "/apps/1", "/broadcasting", "/presence"]
    )
    async def test_sockets(self, stage: Stage, prefix: str) -> None:
        """Sockets reach a gateway, whatever stands before /app/."""
        assert await stage.open(f"{prefix}/app/key") == "gateway"

    @pytest.mark.parametrize(
        "path",
        ["/app", "/up/", "/app/", "/app/key/more", "/events/1", "/eventsource", "/users/7", "/presence", "/presence/online",
         "/health/ready", "/health/deps", "/metrics", "/broadcastings/auth"],
    )  # fmt: skip
    async def test_nobody(self, stage: Stage, path: str) -> None:
        """What belongs to no service is not found; operators' addresses are among it."""
        async with aiohttp.ClientSession() as http, http.get(stage.balancer.url + path) as response:
            assert response.status == 404
            assert (await response.json())["error"].startswith("Not Found")

    async def test_all_routes(self, stage: Stage) -> None:
        """Every path that a service declares reaches it."""
        settings = load(path=ROOT / "deploy" / "dev.toml", environ={})
        async with opened(plan(settings)) as backends:
            declared = [
                (service.name, route.path)
                for service in build(settings, SERVICES, backends)
                for route in service.routes()
                if isinstance(route, web.RouteDef)
            ]

        assert {service for service, _ in declared} == {*SERVICES}
        for service, path in declared:
            for prefix in ("", "some/where/"):
                concrete = re.sub(r"\{prefix[^}]*\}", prefix, path)
                concrete = re.sub(r"\{\w+\}", "1", concrete)
                assert (await stage.ask(concrete))["service"] == service


class TestRequests:
    """What a request is when it arrives, and what is written down of it."""

    async def test_who_asks(self, stage: Stage) -> None:
        """The client's address is told, and what a client says of itself is not believed."""
        forged = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https"}

        told = await stage.ask("/events", **forged)

        assert told["headers"]["X-Forwarded-For"] == "127.0.0.1"
        assert told["headers"]["X-Forwarded-Proto"] == "http"

    @pytest.mark.parametrize("networks", [("127.0.0.1",), ("192.0.2.0/24", "127.0.0.0/8")])
    async def test_behind_another(self, networks: tuple[str, ...]) -> None:
        """What stands before it is believed about its clients, and its own address is told after theirs."""
        said = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https"}
        async with staged(*networks) as stage:
            told = await stage.ask("/events", **said)
            silent = await stage.ask("/events")

        caller = TRUSTING.caller("127.0.0.1", told["pairs"])
        assert caller == Caller("203.0.113.7", is_secure=True)
        assert silent["headers"]["X-Forwarded-For"] == "127.0.0.1"
        assert silent["headers"]["X-Forwarded-Proto"] == "http"

    async def test_not_behind_another(self) -> None:
        """Where something else stands before it than what asks, that is a client like others."""
        said = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https"}
        async with staged("192.0.2.0/24") as stage:
            told = await stage.ask("/events", **said)

        caller = TRUSTING.caller("127.0.0.1", told["pairs"])
        assert caller == Caller("127.0.0.1", is_secure=False)

    async def test_no_secrets_in_the_log(self, stage: Stage) -> None:
        """A request is logged without its query."""
        await stage.ask("/apps/1/logged?auth_signature=abc123")

        async def logged() -> bool:
            return any("/apps/1/logged" in line for line in stage.balancer.lines)

        await eventually(logged, timeout=DEADLINE)
        assert not any("abc123" in line for line in stage.balancer.lines)


class TestGateways:
    """Which gateway a client comes to."""

    async def test_spread(self, stage: Stage) -> None:
        """Clients that nobody knows are spread."""
        assert {await stage.where(), await stage.where()} == set(GATEWAYS)

    async def test_sticky(self, stage: Stage) -> None:
        """A client that was here comes to the same gateway, which is not told of the cookie."""
        here, headers = await stage.acquainted()

        again = [await stage.ask("/app/key", **headers) for _ in range(4)]

        assert [told["instance"] for told in again] == [here] * 4
        assert all(told["set"] is None for told in again)
        assert all("Cookie" not in told["headers"] for told in again)

    async def test_sticky_sockets(self, stage: Stage) -> None:
        """A socket's client is given the cookie too, and kept by it."""
        url = f"{stage.balancer.url}/app/key"
        cookies = aiohttp.CookieJar(unsafe=True)  # Safe ones take none from an address.
        async with (
            aiohttp.ClientSession(cookie_jar=cookies) as http,
            http.ws_connect(url) as one,
            http.ws_connect(url) as two,
            http.ws_connect(url) as three,
        ):
            instances = {(await socket.receive_json())["instance"] for socket in (one, two, three)}

        assert len(instances) == 1

    async def test_not_ready(self, shaky: Stage) -> None:
        """A gateway that is not ready gets nobody, not even those who were with it; and all again when it is."""
        here, headers = await shaky.acquainted()
        (other,) = set(GATEWAYS) - {here}

        async def is_at(instance: str) -> bool:
            return await shaky.where(**headers) == instance

        shaky.stubs[here].is_ready = False
        await eventually(lambda: is_at(other), timeout=DEADLINE)
        assert [await shaky.where() for _ in range(4)] == [other] * 4
        shaky.stubs[here].is_ready = True
        await eventually(lambda: is_at(here), timeout=DEADLINE)

    async def test_open_sockets_stay(self, shaky: Stage) -> None:
        """Sockets of a gateway that is not ready stay open: it ends them itself."""
        here, headers = await shaky.acquainted()
        url = f"{shaky.balancer.url}/app/key"

        async def is_elsewhere() -> bool:
            return await shaky.where(**headers) != here

        async with aiohttp.ClientSession(headers=headers) as http, http.ws_connect(url) as socket:
            assert (await socket.receive_json())["instance"] == here
            shaky.stubs[here].is_ready = False
            await eventually(is_elsewhere, timeout=DEADLINE)
            await socket.send_str("still here")
            assert await socket.receive_str(timeout=DEADLINE) == "still here"

    async def test_scaled(self, shaky: Stage) -> None:
        """A gateway that is started later is found, and one that is gone is forgotten."""
        port, health_port = shaky.ports
        more = (*GATEWAYS, "127.20.0.9")

        async def are(hosts: tuple[str, ...]) -> bool:
            return {await shaky.where() for _ in range(6)} == set(hosts)

        async with stub("gateway", more[-1], port=port, health_port=health_port):
            shaky.balancer.names.addresses["gateway"] = more
            await eventually(lambda: are(more), timeout=DEADLINE)
            shaky.balancer.names.addresses["gateway"] = GATEWAYS
            await eventually(lambda: are(GATEWAYS), timeout=DEADLINE)


class TestAbsence:
    """All instances of a service are away."""

    async def test_unavailable(self, shaky: Stage) -> None:
        """Its paths are answered with 503 and when to come again, the others as ever; it is not ready."""
        shaky.stubs[OTHERS["auth"]].is_ready = False
        url = shaky.balancer.url
        async with aiohttp.ClientSession() as http:

            async def is_away() -> bool:
                async with http.get(f"{url}/broadcasting/auth") as response:
                    return response.status == 503 and "Retry-After" in response.headers

            await eventually(is_away, timeout=DEADLINE)
            async with http.get(shaky.balancer.monitor) as response:
                assert response.status == 503

        assert (await shaky.ask("/events"))["service"] == "dispatcher"
