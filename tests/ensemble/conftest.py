"""What the faults are done to, and who watches."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.support.backends import BackEnd, back_end
from tests.support.fleet import APP
from tests.support.servers import Server
from tests.support.servers.process import Launch


@pytest.fixture
async def backend() -> AsyncIterator[BackEnd]:
    """Yield a back end of the app."""
    async with back_end(APP) as back:
        yield back


@asynccontextmanager
async def prepared(launch: Launch) -> AsyncIterator[Server]:
    """Yield a server that the test starts when it likes."""
    server = Server(launch)
    try:
        yield server
    finally:
        await server.stop()
        shutil.rmtree(launch.directory, ignore_errors=True)
