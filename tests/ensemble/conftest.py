"""What the faults are done to, and who watches."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

import pytest

from tests.support.clients.back_ends import BackEnd, back_end
from tests.support.clients.visitors import Visitor, visitors
from tests.support.deployments.fleet import APP
from tests.support.deployments.program import Program
from tests.support.servers import Server
from tests.support.servers.process import Launch


@pytest.fixture
async def backend() -> AsyncIterator[BackEnd]:
    """Yield a back end of the app."""
    async with back_end(APP) as back:
        yield back


class Gateways(Protocol):
    """What the fixture `stage` of a module has."""

    @property
    def gateways(self) -> tuple[Program, Program]:
        """Two of one deployment."""


@pytest.fixture
async def guests(stage: Gateways) -> AsyncIterator[tuple[Visitor, Visitor]]:
    """Yield a client at each gateway of the module's stage."""
    async with visitors(APP) as visitor:
        both = visitor(), visitor()
        for guest, gateway in zip(both, stage.gateways, strict=True):
            await guest.connect(gateway.url)
        yield both


@asynccontextmanager
async def prepared(launch: Launch) -> AsyncIterator[Server]:
    """Yield a server that the test starts when it likes."""
    server = Server(launch)
    try:
        yield server
    finally:
        await server.stop()
        shutil.rmtree(launch.directory, ignore_errors=True)
