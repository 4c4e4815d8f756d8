"""What the internal address says of the process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from libs.common.config.address import Address
from libs.common.web.server import Server
from tests.service.web.test_public import Mirror
from tests.support.deadline import DEADLINE

LOOPBACK = (Address("127.0.0.1", 0),)


@asynccontextmanager
async def internal() -> AsyncIterator[aiohttp.ClientSession]:
    """Serve, and ask the internal address."""
    mirror = Mirror()
    mirror.released.set()
    server = Server([mirror], LOOPBACK, LOOPBACK, version="1.2.3")
    stop, started = asyncio.Event(), asyncio.Event()
    async with asyncio.timeout(DEADLINE), asyncio.TaskGroup() as tasks:
        tasks.create_task(server.serve(stop, started=started.set))
        await started.wait()
        assert server.bound is not None
        async with aiohttp.ClientSession(f"http://{server.bound.internal[0]}") as http:
            yield http
        stop.set()


async def test_about() -> None:
    """
    It tells which release runs, and which services.
    """
    async with internal() as http, http.get("/") as response:
        answer = await response.json()

    assert answer == {"name": "fanfare", "version": "1.2.3", "services": ["mirror"]}


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
