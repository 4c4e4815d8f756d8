"""How a process is, put together for the board."""

import asyncio
import os
import socket
from collections.abc import Iterable, Mapping

from aiohttp import web

from libs.common.board.process_state import MOST_REASON, ProcessState, understood
from libs.common.config.address import Address
from libs.common.errors import Unavailable
from libs.common.telemetry.metrics.families import Metric
from libs.common.web.door.ways import NO_WAYS, Ways
from libs.common.web.health import Dependency
from libs.common.web.server import Server
from services.process_state import state_of_process, telling


class Gateway:
    """A service with a backend of which a test decides how it is."""

    name = "gateway"

    def __init__(self) -> None:
        self.reason = ""

    def ways(self) -> Ways:
        return NO_WAYS

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """See `Service.routes`."""
        return []

    async def run(self) -> None:
        """See `Service.run`."""

    async def drain(self) -> None:
        """See `Service.drain`."""

    def dependencies(self) -> Iterable[Dependency]:
        """See `Service.dependencies`."""
        return [Dependency("bus", self._check)]

    def metrics(self) -> Iterable[Metric]:
        """See `Service.metrics`."""
        return []

    def figures(self) -> Mapping[str, int]:
        """See `Figured.figures`."""
        return {"connections": 3}

    async def _check(self) -> None:
        if self.reason:
            raise Unavailable("bus") from ConnectionError(self.reason)


def process(service: Gateway) -> Server:
    public, internal = [Address("10.0.0.5", 80)], [Address("127.0.0.1", 9601)]
    return Server([service], public, internal, version="1.0")


async def asked(server: Server) -> None:
    """Have a process ask its backends once."""
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(server.health.run())
        await server.health.states()
        task.cancel()


def state(server: Server, service: Gateway) -> ProcessState:
    return state_of_process(server, [service], started_at=1.5)


async def test_starting() -> None:
    """Until all is there once it is starting, and says what it waits for, and why."""
    service = Gateway()
    service.reason = "r" * 1000
    server = process(service)
    await asked(server)

    told = state(server, service)

    assert (told.phase, told.waits_for) == ("starting", ("bus",))
    assert [(away.name, away.reason) for away in told.away] == [("bus", "r" * MOST_REASON)]


async def test_ready() -> None:
    service = Gateway()
    server = process(service)
    await asked(server)

    told = state(server, service)

    assert (told.phase, told.waits_for, told.away) == ("ready", (), ())
    assert (told.node, told.pid) == (f"{socket.gethostname()}:80", os.getpid())
    assert (told.version, told.started_at) == ("1.0", 1.5)
    assert told.services == {"gateway": {"connections": 3}}
    assert (told.listen, told.internal) == (("10.0.0.5:80",), ("127.0.0.1:9601",))


async def test_draining() -> None:
    service = Gateway()
    server = process(service)
    server.is_draining = True

    assert state(server, service).phase == "draining"


def test_telling() -> None:
    """What the board takes is the state at that moment."""
    service = Gateway()
    server = process(service)
    tell = telling(server, [service])
    server.is_draining = True

    told = understood(tell())

    assert told is not None
    assert told.phase == "draining"
