"""A whole process in a thread of its own, whose event loop a test can hold."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from libs.common.web.server import Server
from services.program import serve
from services.settings import load
from tests.support.deadline import DEADLINE

LISTEN = {"FANFARE_SERVER_LISTEN": "127.0.0.1:0", "FANFARE_SERVER_INTERNAL_LISTEN": "127.0.0.1:0"}


class HeldProcess:
    """
    Services that run on another thread's event loop.

    Args:
        settings: The file.
        environ: The variables.
        names: Which services.

    Attributes:
        url: Where clients come, once it has started.
        internal: Where operators come, so too.
    """

    def __init__(self, settings: Path, environ: Mapping[str, str], names: Sequence[str]) -> None:
        self._settings = load(path=settings, environ=dict(environ) | LISTEN)
        self._names = names
        self._started = threading.Event()
        self._go_on = threading.Event()
        self.url = self.internal = ""

    async def run(self) -> None:
        """Serve, on the loop that this runs on, until told to stop."""
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        await serve(self._settings, self._names, stop=self._stop, started=self._found_at)

    def _found_at(self, server: Server) -> None:
        assert server.bound is not None
        self.url, self.internal = (
            f"http://127.0.0.1:{addresses[0].port}"
            for addresses in (server.bound.public, server.bound.internal)
        )
        self._started.set()

    def wait_until_started(self) -> None:
        """Wait for it, in any other thread."""
        assert self._started.wait(DEADLINE)

    def hold(self) -> None:
        """Hold its loop, in one turn, until `release`."""
        self._loop.call_soon_threadsafe(self._go_on.wait, DEADLINE)

    def release(self) -> None:
        """Let its loop go on."""
        self._go_on.set()

    def hold_for(self, seconds: float) -> None:
        """Hold its loop for so long, and with it the interpreter's lock as Python code does."""
        self._loop.call_soon_threadsafe(_compute, seconds)

    def stop(self) -> None:
        """Let it end."""
        self.release()
        self._loop.call_soon_threadsafe(self._stop.set)


def _compute(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


@asynccontextmanager
async def held_process(
    settings: Path, environ: Mapping[str, str], *names: str
) -> AsyncIterator[HeldProcess]:
    """Run services on another thread's event loop."""
    process = HeldProcess(settings, environ, names)
    async with asyncio.timeout(3 * DEADLINE), asyncio.TaskGroup() as tasks:
        tasks.create_task(asyncio.to_thread(asyncio.run, process.run()))
        await asyncio.to_thread(process.wait_until_started)
        try:
            yield process
        finally:
            process.stop()
