"""HAProxy, nginx and Apache with the files of deploy/: what reaches which service, and what becomes of it on the way."""

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import aiohttp
import pytest
from aiohttp import web

from libs.common.backends.adapters import opened
from services.program import build, plan
from services.settings import SERVICES, load
from tests.support.balancers.balancer import GATEWAYS
from tests.support.balancers.paths import NOBODYS, PUBLIC
from tests.support.balancers.stage import FRONTS, Stage, staged
from tests.support.deadline import DEADLINE
from tests.support.deployments.program import ROOT
from tests.support.servers import Certificates
from tests.support.servers.process import eventually

PREFIX = "/realtime"


@pytest.fixture(scope="module", params=list(FRONTS))
async def stage(request: pytest.FixtureRequest, certificates: Certificates) -> AsyncIterator[Stage]:
    """Yield a stage that no test changes."""
    async with staged(request.param, certificates) as running:
        yield running


@pytest.fixture(params=list(FRONTS))
async def shaky(request: pytest.FixtureRequest, certificates: Certificates) -> AsyncIterator[Stage]:
    """Yield a stage that the test may change."""
    async with staged(request.param, certificates) as running:
        yield running


class TestPaths:
    """The route table of docs/operations.md, "Behind proxies"."""

    @pytest.mark.parametrize("path,service", PUBLIC)
    async def test_public(self, stage: Stage, path: str, service: str) -> None:
        """Each path reaches its service, as it is; below a prefix without that."""
        for prefix in stage.front.prefixes:
            told = await stage.ask(prefix + path)

            assert told["service"] == service
            assert told["path"] == path

    @pytest.mark.parametrize(
        "prefix", ["", "/", "/s/0123", "/apps/1", "/broadcasting", "/presence", PREFIX]
    )
    async def test_sockets(self, stage: Stage, prefix: str) -> None:
        """Sockets reach a gateway, whatever stands before /app/."""
        assert (await stage.open(f"{prefix}/app/key?protocol=7"))["service"] == "gateway"

    @pytest.mark.parametrize("path", NOBODYS)
    async def test_nobody(self, stage: Stage, path: str) -> None:
        """What belongs to no service is not found; operators' addresses are among it."""
        async with stage.session() as http:
            for prefix in stage.front.prefixes:
                async with http.get(stage.front.url + prefix + path) as response:
                    assert response.status == 404
                    assert "Not Found" in await response.text()

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

    @pytest.mark.parametrize("more", [{}, {"Connection": "close, X-Forwarded-For"}])
    async def test_who_asks(self, stage: Stage, more: dict[str, str]) -> None:
        """The client's address is told, and what a client says of itself is not believed."""
        forged = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "wss", **more}

        told = await stage.ask("/events", **forged)

        pairs = [(name.lower(), text) for name, text in told["pairs"]]
        assert [text for name, text in pairs if name == "x-forwarded-for"] == ["127.0.0.1"]
        scheme = stage.front.url.partition(":")[0]
        assert [text for name, text in pairs if name == "x-forwarded-proto"] == [scheme]

    async def test_without_tls(self, stage: Stage) -> None:
        """Where there is TLS, who comes without is sent there, with the whole path."""
        path = "/realtime/apps/1/events?auth_key=key"
        places = []
        if stage.front.plain:
            async with (
                stage.session() as http,
                http.get(stage.front.plain + path, allow_redirects=False) as response,
            ):
                places.append((response.status, response.headers["Location"]))

        wanted = (308, f"https://127.0.0.1{path}")
        assert places == ([wanted] if stage.front.trust else [])

    async def test_no_secrets_in_the_log(self, stage: Stage) -> None:
        """A request is logged without its query."""
        await stage.ask("/apps/1/logged?auth_signature=abc123")

        async def is_logged() -> bool:
            return "/apps/1/logged" in stage.front.log.read_text()

        await eventually(is_logged, timeout=DEADLINE)
        assert "abc123" not in stage.front.log.read_text()


class TestGateways:
    """Which gateway a client comes to."""

    async def test_spread(self, stage: Stage) -> None:
        """Clients that nobody knows are spread."""
        assert {await stage.where() for _ in range(20)} == set(GATEWAYS)

    async def test_sticky(self, stage: Stage) -> None:
        """A client that was here comes to the same gateway."""
        here, headers = await stage.acquainted()

        again = [await stage.ask("/app/key", **headers) for _ in range(4)]

        assert [told["instance"] for told in again] == [here] * 4
        assert all(told["set"] == {} for told in again)

    async def test_sticky_sockets(self, stage: Stage) -> None:
        """A client that was here is kept, whatever it asks."""
        here, headers = await stage.acquainted()
        url = f"{stage.front.url}/app/key"
        async with stage.session(headers=headers) as http, AsyncExitStack() as stack:
            sockets = [await stack.enter_async_context(http.ws_connect(url)) for _ in range(4)]
            instances = [(await socket.receive_json())["instance"] for socket in sockets]

        assert instances == [here] * 4

    async def test_acquainted_by_a_socket(self, stage: Stage) -> None:
        """A client whose first word is a socket is known from then on; not with Apache, which says nothing in a 101."""
        cookies = aiohttp.CookieJar(unsafe=True)  # Safe ones take none from an address.
        url = f"{stage.front.url}/app/key"
        async with stage.session(cookie_jar=cookies) as http, http.ws_connect(url):
            pass

        assert bool(cookies) is stage.front.knows_sockets

    async def test_going(self, shaky: Stage) -> None:
        """A gateway that goes gets nobody, not even those who were with it; its open sockets stay: it ends them itself."""
        here, headers = await shaky.acquainted()
        (other,) = set(GATEWAYS) - {here}

        async def are_elsewhere() -> bool:
            places = [await shaky.where(**each) for each in (headers, {}, {}, {}, {})]
            return set(places) == {other}

        async with (
            shaky.session(headers=headers) as http,
            http.ws_connect(f"{shaky.front.url}/app/key") as socket,
        ):
            assert (await socket.receive_json())["instance"] == here
            await shaky.retire(here)
            await eventually(are_elsewhere, timeout=DEADLINE)
            await socket.send_str("still here")
            assert await socket.receive_str(timeout=DEADLINE) == "still here"


class TestAbsence:
    """All instances of a service are away."""

    async def test_unavailable(self, shaky: Stage) -> None:
        """Its paths are answered with 503 and when to come again, the others as ever."""
        auth = next(each for each in shaky.stubs.values() if each.service == "auth")
        await auth.leave()
        async with shaky.session() as http:

            async def is_away() -> bool:
                async with http.get(f"{shaky.front.url}/broadcasting/auth") as response:
                    return response.status == 503 and "Retry-After" in response.headers

            await eventually(is_away, timeout=DEADLINE)

        assert (await shaky.ask("/events"))["service"] == "dispatcher"
