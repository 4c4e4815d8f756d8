"""What the public address says of itself, whichever services run."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from structlog.testing import capture_logs

from libs.common.config.address import Address
from libs.common.telemetry.metrics.families import Metric, counter
from libs.common.web.door.ways import NO_WAYS, Ways
from libs.common.web.entrance import Entrance, caller_of
from libs.common.web.health import Dependency
from libs.common.web.paths import PREFIX
from libs.common.web.proxies import Proxies
from libs.common.web.server import Schedule, Server, Service
from tests.support.deadline import DEADLINE

LOOPBACK = (Address("127.0.0.1", 0),)
ASKED = counter("fanfare_asked_total", "Times that somebody asked.")


class Mirror:
    """A service that tells who asks, and stops when it is let go."""

    name = "mirror"

    def __init__(self) -> None:
        self.draining = asyncio.Event()
        self.released = asyncio.Event()

    def ways(self) -> Ways:
        return NO_WAYS

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        return [
            web.get("/caller", self._answer),
            web.get(f"{PREFIX}app/{{key}}", self._answer),
            web.post(f"{PREFIX}apps/{{app_id}}/events", self._answer),
        ]

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def drain(self) -> None:
        self.draining.set()
        await self.released.wait()

    def dependencies(self) -> Iterable[Dependency]:
        return []

    def metrics(self) -> Iterable[Metric]:
        return [ASKED.of(3)]

    async def _answer(self, request: web.Request) -> web.Response:
        caller = caller_of(request)
        return web.json_response([caller.address, caller.is_secure])


class Public:
    """
    The public address of a server.

    Attributes:
        stop: Set to stop it.
    """

    def __init__(self, http: aiohttp.ClientSession, url: str, stop: asyncio.Event) -> None:
        self._http = http
        self._url = url
        self.stop = stop

    async def ask(
        self, path: str, *, method: str = "GET", **headers: str
    ) -> tuple[int, str, str | None]:
        """Return an answer's status, text and type."""
        async with (
            asyncio.timeout(DEADLINE),
            self._http.request(method, self._url + path, headers=headers) as response,
        ):
            return response.status, await response.text(), response.headers.get("Content-Type")


@asynccontextmanager
async def served(*services: Service, proxies: Sequence[str] = ()) -> AsyncIterator[Public]:
    """Serve."""
    trusted = Proxies(map(ip_network, proxies))
    server = Server(services, LOOPBACK, LOOPBACK, Schedule(drain_timeout=DEADLINE), proxies=trusted)
    stop, started = asyncio.Event(), asyncio.Event()
    async with asyncio.TaskGroup() as tasks, aiohttp.ClientSession() as http:
        tasks.create_task(server.serve(stop, started=started.set))
        async with asyncio.timeout(DEADLINE):
            await started.wait()
        assert server.bound is not None
        try:
            yield Public(http, f"http://{server.bound.public[0]}", stop)
        finally:
            stop.set()


class TestWrongRequests:
    """What no handler takes is in the log, as all that is refused."""

    @pytest.mark.parametrize(
        "method,path,told",
        [
            ("GET", "/favicon.ico", {"status": 404, "reason": "Not Found"}),
            ("POST", "/up", {"status": 405, "reason": "Method Not Allowed"}),
        ],
    )
    async def test_told(self, method: str, path: str, told: dict[str, object]) -> None:
        with capture_logs() as logs:
            async with served() as public:
                await public.ask(path, method=method)

        (line,) = (line for line in logs if line["event"] == "request.refused")
        assert ({"method": method, "path": path} | told).items() <= line.items()

    @pytest.mark.parametrize(
        "path,meant",
        [
            ("/callerr", "/caller"),
            ("/callers/", "/caller"),
            ("/apps/123456789/event", "/apps/{app_id}/events"),
            ("/app", "/app/{key}"),
            ("/health", "/health/websocket"),
        ],
    )
    async def test_near_miss(self, path: str, meant: str) -> None:
        """Who mistook a path is told the one of this process that is most like it."""
        mirror = Mirror()
        mirror.released.set()
        with capture_logs() as logs:
            async with served(mirror) as public:
                status, text, _ = await public.ask(path)

        assert (status, text) == (404, f'{{"error":"Not Found; did you mean {meant}?"}}')
        assert f"Not Found; did you mean {meant}?" in [line.get("reason") for line in logs]


class TestRoot:
    """``/``: what this is."""

    async def test_words(self) -> None:
        """
        It says what this is and where clients connect, also without any service.
        """
        async with served() as public:
            status, text, kind = await public.ask("/")

            assert (status, kind) == (200, "text/plain; charset=utf-8")
            assert "Pusher protocol" in text
            assert "/app/{key}" in text

    async def test_services(self) -> None:
        """
        It names what runs in this process: who was sent to the wrong one sees it.
        """
        mirror = Mirror()
        mirror.released.set()
        async with served(mirror) as public:
            assert "this process runs: mirror." in (await public.ask("/"))[1]

    async def test_head(self) -> None:
        """
        HEAD has no body.
        """
        async with served() as public:
            assert (await public.ask("/", method="HEAD"))[:2] == (200, "")

    async def test_others(self) -> None:
        """
        What is nowhere is not found, and what may not be done here is refused.
        """
        async with served() as public:
            assert (await public.ask("/up/"))[0] == 404
            assert (await public.ask("/", method="POST"))[0] == 405


class TestUp:
    """``/up``: what load balancers before Laravel Reverb ask."""

    @pytest.mark.parametrize("path", ["/up", "/health/websocket"])
    async def test_up(self, path: str) -> None:
        """
        It answers as Reverb does, and as applications write it that watch their push server.
        """
        mirror = Mirror()
        mirror.released.set()
        async with served(mirror) as public:
            status, text, kind = await public.ask(path)

            said = json.loads(text)
            said["timestamp"] = datetime.fromisoformat(said["timestamp"]).tzinfo
            assert (status, kind) == (200, "application/json")
            assert said == {
                "health": "OK",
                "status": "healthy",
                "service": "mirror",
                "timestamp": UTC,
            }

    async def test_draining(self) -> None:
        """
        A process that is going says so, so that nobody is sent there.
        """
        mirror = Mirror()
        async with served(mirror) as public:
            public.stop.set()
            async with asyncio.timeout(DEADLINE):
                await mirror.draining.wait()

            status, text, _ = await public.ask("/up")
            assert (status, json.loads(text)["error"]) == (503, "draining")
            mirror.released.set()


class TestCaller:
    """A service is told who asks."""

    @pytest.fixture
    async def mirror(self) -> Mirror:
        mirror = Mirror()
        mirror.released.set()
        return mirror

    @pytest.mark.parametrize(
        "proxies,expected",
        [([], ["127.0.0.1", False]), (["127.0.0.1/32"], ["203.0.113.7", True])],
    )
    async def test_headers(self, mirror: Mirror, proxies: list[str], expected: list[Any]) -> None:
        """
        Headers are believed where they come from a trusted proxy, and else not.
        """
        headers = {"X-Forwarded-For": "::ffff:203.0.113.7", "X-Forwarded-Proto": "https"}
        async with served(mirror, proxies=proxies) as public:
            _, text, _ = await public.ask("/caller", **headers)

            assert json.loads(text) == expected

    async def test_untrusted(self, mirror: Mirror) -> None:
        """
        A proxy that is not trusted is told of once in a process, and not for each of its requests.
        """
        forwarded = {"X-Forwarded-For": "203.0.113.7"}
        with capture_logs() as logs:
            async with served(mirror, proxies=["10.0.0.0/8"]) as public:
                for _ in range(3):
                    await public.ask("/caller", **forwarded)

        warned = {
            "event": "proxy.untrusted",
            "log_level": "warning",
            "peer": "127.0.0.1",
            "setting": "server.trusted_proxies",
        }
        assert [line for line in logs if line["event"] == "proxy.untrusted"] == [warned]

    def test_untrusted_by_both_families(self) -> None:
        """
        Where IPv4 comes over a socket of IPv6 the proxy is named as the setting takes it.
        """
        request = make_mocked_request("GET", "/", headers={"X-Forwarded-For": "203.0.113.7"})

        with capture_logs() as logs:
            Entrance(Proxies()).caller(request.clone(remote="::ffff:10.0.0.5"))

        assert [line["peer"] for line in logs] == ["10.0.0.5"]

    @pytest.mark.parametrize(
        "proxies,headers",
        [
            ([], {}),
            ([], {"X-Forwarded-Proto": "https"}),
            (["127.0.0.0/8"], {"X-Forwarded-For": "203.0.113.7"}),
        ],
    )
    async def test_nothing_to_tell(
        self, mirror: Mirror, proxies: list[str], headers: dict[str, str]
    ) -> None:
        """
        Who brings no addresses of others, or is trusted, gives no warning.
        """
        with capture_logs() as logs:
            async with served(mirror, proxies=proxies) as public:
                await public.ask("/caller", **headers)

        assert not [line for line in logs if line["log_level"] == "warning"]


async def test_stopping() -> None:
    """The log says at once that the process was told to stop, what it stops, and within what."""
    mirror = Mirror()
    mirror.released.set()
    with capture_logs() as logs:
        async with served(mirror):
            pass

    (line,) = (line for line in logs if line["event"] == "drain.started")
    assert (line["services"], line["seconds"]) == (["mirror"], DEADLINE)
