"""Clients at a wrong path, and plain HTTP, which must not notice that they are looked after."""

from collections.abc import AsyncIterator, Iterable

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from structlog.testing import capture_logs

from libs.common.backends.adapters import opened
from services.gateway.connections.wrong_paths import WrongPaths
from services.program import build, plan
from services.settings import SERVICES, load
from tests.support.clients.raw_client import CLOSE, TEXT, RawClient
from tests.support.deployments.program import ROOT
from tests.support.services.gateway import Place, place

UPGRADE = {
    "Upgrade": "WebSocket",
    "Connection": "keep-alive, Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
}
NOWHERE = (
    "/nowhere",
    "/",
    "/app",
    "/app/",
    "/app/app-key/more",
    "/apps/1/nothing",
    "/%2e%2e/x",
    "/%c3%bc",
    "/%ff",
    "/%ed%a0%80",
    "/%00",
)
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS")


@pytest.fixture
async def declared() -> AsyncIterator[list[web.AbstractRouteDef]]:
    """Yield the routes of all services, as one process has them."""
    settings = load(path=ROOT / "deploy" / "dev.toml", environ={})
    async with opened(plan(settings)) as backends:
        services = build(settings, SERVICES, backends)
        yield [route for service in services for route in service.routes()]


async def found(
    routes: Iterable[web.AbstractRouteDef], method: str, path: str, headers: dict[str, str]
) -> tuple[object, ...]:
    """Tell what a request meets: an error and what it allows, or a handler."""
    app = web.Application()
    app.add_routes(routes)
    match = await app.router.resolve(make_mocked_request(method, path, headers=headers, app=app))
    if match.http_exception is None:
        return (match.handler,)
    return match.http_exception.status, match.http_exception.headers.get("Allow")


async def refused(here: Place, path: str) -> bytes:
    """Connect, be refused, and return the wording."""
    client = await RawClient.connect(here.port, path)
    told, closed = await client.frame(), await client.frame()
    assert (told.opcode, closed.opcode, closed.code) == (TEXT, CLOSE, 4005)
    assert b'"code":4005' in told.payload
    client.close()
    return told.payload


class TestUpgrades:
    """Pusher, "Error codes": 4005."""

    @pytest.mark.parametrize("path", NOWHERE)
    async def test_refused(self, path: str) -> None:
        """
        Who asks for a WebSocket where there is none is told where there is one.
        """
        async with place() as here:
            assert b"/app/{key}" in await refused(here, path)

    async def test_counted(self) -> None:
        """
        It is counted and logged as other refusals are, and its path only as far as anybody reads it.
        """
        async with place() as here:
            with capture_logs() as logs:
                await refused(here, "/" + "x" * 5000)

            assert here.gateway.counters.refused == {4005: 1}
            assert [(line["event"], line["code"]) for line in logs] == [
                ("connection.refused", 4005)
            ]
            assert len(logs[0]["reason"]) < 200

    @pytest.mark.parametrize(
        "prefix", ["", "/nowhere", "/a/b", "/", "//", "/a//", "/apps/1", "/app", "/p%C3%A9"]
    )
    async def test_clients_at_the_right_path(self, prefix: str) -> None:
        """
        Who comes to where clients come is greeted.
        """
        async with place() as here:
            await here.connect(f"{prefix}/app/app-key")

    @pytest.mark.parametrize("prefix", ["/x/..", "/.", "/%2e%2e"])
    async def test_dot_segments(self, prefix: str) -> None:
        """
        A path that not everybody reads alike is none.
        """
        async with place() as here:
            await refused(here, f"{prefix}/app/app-key")


class TestPlainHttp:
    """What is no upgrade is answered as it was."""

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"Upgrade": "websocket"},
            {"Connection": "Upgrade"},
            {"Upgrade": "h2c", "Connection": "Upgrade"},
        ],
    )
    @pytest.mark.parametrize("path", NOWHERE[2:])
    async def test_not_found(self, path: str, headers: dict[str, str]) -> None:
        """
        An unknown path is not found; one that is nearly right is told the right one.
        """
        async with place() as here:
            response = await here.ask(path, headers=headers)

            hint = "; did you mean /app/{key}?" if path.split("/")[1] == "app" else ""
            expected = (404, {"error": "Not Found" + hint})
            assert (response.status, await response.json()) == expected

    @pytest.mark.parametrize("method", ["HEAD", "POST"])
    async def test_other_methods(self, method: str) -> None:
        """
        So is an upgrade by another method than GET, as RFC 6455 has it.
        """
        async with place() as here:
            assert (await here.ask("/nowhere", method=method, headers=UPGRADE)).status == 404

    @pytest.mark.parametrize("headers", [{}, UPGRADE])
    async def test_method_not_allowed(self, headers: dict[str, str]) -> None:
        """
        A wrong method is told which ones are right.
        """
        async with place() as here:
            response = await here.ask("/app/app-key", method="POST", headers=headers)

            assert (response.status, response.headers["Allow"]) == (405, "GET,HEAD")

    @pytest.mark.parametrize("method", METHODS)
    async def test_one_process(self, declared: list[web.AbstractRouteDef], method: str) -> None:
        """
        Where all services share the address, every path meets what it met before.
        """
        others = [route for route in declared if not isinstance(route, WrongPaths)]
        paths = {route.path for route in others if isinstance(route, web.RouteDef)}
        assert len(others) == len(declared) - 1

        for path in sorted(paths | {"/some" + path for path in paths} | {*NOWHERE}):
            concrete = path.replace("{prefix:(?:.*/)?}", "").replace("{", "").replace("}", "")
            expected = await found(others, method, concrete, {})
            assert await found(declared, method, concrete, {}) == expected, concrete

    async def test_other_services(self, declared: list[web.AbstractRouteDef]) -> None:
        """
        What another service answers is not taken from it, whoever asks for an upgrade there.
        """
        others = [route for route in declared if not isinstance(route, WrongPaths)]

        for path in ("/apps/1/channels", "/apps/1/channels/news", "/apps/1/connections"):
            expected = await found(others, "GET", path, UPGRADE)
            assert await found(declared, "GET", path, UPGRADE) == expected
            assert len(expected) == 1
