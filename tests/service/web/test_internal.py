"""What the internal address says of the process."""

import asyncio

import aiohttp

from libs.common.config.address import Address
from libs.common.web.server import Server
from tests.service.web.test_public import Mirror
from tests.support.deadline import DEADLINE

LOOPBACK = (Address("127.0.0.1", 0),)


async def test_about() -> None:
    """
    It tells which release runs, and which services.
    """
    mirror = Mirror()
    mirror.released.set()
    server = Server([mirror], LOOPBACK, LOOPBACK, version="1.2.3")
    stop, started = asyncio.Event(), asyncio.Event()
    async with (
        asyncio.timeout(DEADLINE),
        asyncio.TaskGroup() as tasks,
        aiohttp.ClientSession() as http,
    ):
        tasks.create_task(server.serve(stop, started=started.set))
        await started.wait()
        assert server.bound is not None

        async with http.get(f"http://{server.bound.internal[0]}/") as response:
            answer = await response.json()

        stop.set()

    assert answer == {"name": "fanfare", "version": "1.2.3", "services": ["mirror"]}
