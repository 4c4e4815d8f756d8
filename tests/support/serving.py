"""A server of the test's own, while a context is open."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from libs.common.web.listeners import Bound
from libs.common.web.server import Server
from tests.support.deadline import DEADLINE


@asynccontextmanager
async def serving(server: Server) -> AsyncIterator[Bound]:
    """
    Serve; yields where it listens.

    What ends it early is raised at the end, or at once if it never came to listen.
    """
    started, stop = asyncio.Event(), asyncio.Event()
    # Not a task group: a fixture is left by another task than the one that entered it.
    task = asyncio.create_task(server.serve(stop, started=started.set))
    task.add_done_callback(lambda _: started.set())
    try:
        async with asyncio.timeout(DEADLINE):
            await started.wait()
        if server.bound is None:
            await task
        assert server.bound is not None
        yield server.bound
    finally:
        stop.set()
        await task
