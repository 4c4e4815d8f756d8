"""What the internal address says of the process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import aiohttp
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from libs.common.bus.memory import MemoryBus
from libs.common.bus.messages import Broadcast
from libs.common.canary.canary import Canary
from libs.common.channels import Channel
from libs.common.config.address import Address
from libs.common.web.door.limits import DoorLimits
from libs.common.web.server import Server
from tests.service.web.test_public import Mirror
from tests.support.deadline import DEADLINE
from tests.support.serving import serving

LOOPBACK = (Address("127.0.0.1", 0),)


@asynccontextmanager
async def internal(canary: Canary | None = None) -> AsyncIterator[aiohttp.ClientSession]:
    """Serve, and ask the internal address."""
    mirror = Mirror()
    mirror.released.set()
    server = Server([mirror], LOOPBACK, LOOPBACK, version="1.2.3", canary=canary)
    async with (
        asyncio.timeout(DEADLINE),
        serving(server) as bound,
        aiohttp.ClientSession(f"http://{bound.internal[0]}") as http,
    ):
        yield http


async def test_limits() -> None:
    """
    What a connection may take until its request is known holds at both addresses.
    """
    server = Server([], LOOPBACK, LOOPBACK, limits=DoorLimits(max_head=100))
    async with asyncio.timeout(DEADLINE), serving(server) as bound:
        for address in (*bound.public, *bound.internal):
            with capture_logs() as logs:
                assert (await said(address, b"GET / HTTP/1.1\r\n" + b"x" * 100))[9:12] == b"431"
                assert (await said(address, b"GET / HTTP/1.1\r\n\r\n"))[9:12] == b"400"
                assert (await said(address, b"\x16\x03\x01"))[9:12] == b"400"
            (line,) = logs
            assert (line["event"], line["port"]) == ("tls.unexpected", address.port)


async def said(address: Address, text: bytes) -> bytes:
    """Send bytes, and return what is said to them."""
    reader, writer = await asyncio.open_connection(address.host, address.port)
    writer.write(text)
    answer = await reader.read()
    writer.close()
    return answer


async def test_about() -> None:
    """
    It tells which release runs, and which services.
    """
    async with internal() as http, http.get("/") as response:
        answer = await response.json()

    assert answer == {"name": "fanfare", "version": "1.2.3", "services": ["mirror"]}


class Deaf(MemoryBus):
    """A bus that takes what is published, and brings it to nobody."""

    async def whisper(self, channel: Channel, broadcast: Broadcast) -> None:
        """See `Bus.whisper`."""


class TestDeps:
    """How all is that the process uses."""

    async def test_without_a_bus(self) -> None:
        """
        It tells whose answer it is, when, and how every backend is; where nothing uses the bus there is no canary.
        """
        async with internal() as http, http.get("/health/deps") as response:
            answer = await response.json()

        assert response.status == 200
        assert datetime.fromisoformat(answer.pop("timestamp")).tzinfo is not None
        assert answer == {"status": "ok", "service": "mirror", "checks": {"mirror": {}}}

    async def test_canary(self) -> None:
        """
        What is published arrives, which is told and counted.
        """
        async with internal(Canary(MemoryBus())) as http:
            answer = await self._told(http, "ok")
            async with http.get("/metrics") as response:
                text = await response.text()

        assert answer["status"] == "ok"
        assert answer["canary"]["seconds"] >= 0
        assert "fanfare_canary_seconds_count 1" in text
        assert "fanfare_canary_lost_total 0" in text

    async def test_lost(self) -> None:
        """
        One that does not arrive makes the answer 503, and the process no less ready.
        """
        async with internal(Canary(Deaf(), deadline=0.01)) as http:
            answer = await self._told(http, "lost")
            async with http.get("/health/ready") as ready:
                pass

        assert answer["status"] == "degraded"
        assert answer["canary"]["reason"] == "not heard within 0.01 s"
        assert ready.status == 200

    async def _told(self, http: aiohttp.ClientSession, status: str) -> dict[str, Any]:
        """Ask until the canary is so."""
        while True:
            async with http.get("/health/deps") as response:
                answer: dict[str, Any] = await response.json()
            if answer["canary"]["status"] == status:
                assert response.status == (200 if answer["status"] == "ok" else 503)
                return answer


class TestMetrics:
    """What is counted, as Prometheus reads it."""

    async def test_text(self) -> None:
        """
        Who names no format gets Prometheus' own.
        """
        async with internal() as http, http.get("/metrics") as response:
            asked, *_ = text_string_to_metric_families(await response.text())

        assert response.content_type == "text/plain"
        assert [(one.name, one.value) for one in asked.samples] == [("fanfare_asked_total", 3.0)]

    async def test_openmetrics(self) -> None:
        """
        Prometheus asks for OpenMetrics first.
        """
        accept = {"Accept": "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"}
        async with internal() as http, http.get("/metrics", headers=accept) as response:
            asked, *_ = openmetrics.text_string_to_metric_families(await response.text())

        assert response.content_type == "application/openmetrics-text"
        assert (asked.name, asked.type) == ("fanfare_asked", "counter")
