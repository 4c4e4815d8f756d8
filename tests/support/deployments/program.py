"""The program as processes: started from the command line, as an operator does, and watched from outside."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import aiohttp

from tests.support.deadline import DEADLINE
from tests.support.servers.ports import free_port

ROOT = Path(__file__).parents[3]
FANFARE = (sys.executable, "-m", "services")  # What `fanfare` is where it is installed.


@dataclass(frozen=True, slots=True)
class Release:
    """
    Code of Fanfare that can be run.

    Attributes:
        root: Where it is.
        command: What ``fanfare`` is there.
        environ: Variables that it needs.
    """

    root: Path = ROOT
    command: Sequence[str] = FANFARE
    environ: Mapping[str, str] = field(default_factory=dict)


HERE = Release()


@dataclass(slots=True)
class Program:
    """A running process of Fanfare."""

    process: asyncio.subprocess.Process
    log: Path
    host: str
    port: int
    internal_port: int

    @property
    def url(self) -> str:
        """Where clients and back ends come."""
        return f"http://{self.host}:{self.port}"

    @property
    def internal_url(self) -> str:
        """Where operators come."""
        return f"http://{self.host}:{self.internal_port}"

    def kill(self) -> None:
        """End it as a crash would."""
        self.process.kill()

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    async def stop(self) -> int:
        """Ask it to end, and return its exit status."""
        if self.process.returncode is None:
            self.process.terminate()
        async with asyncio.timeout(DEADLINE):
            return await self.process.wait()

    async def wait_until_ready(self) -> None:
        """Wait until it says that it is ready; fails with its log if it ends or takes too long."""
        await self.wait_for("ready")

    async def wait_for(self, state: str) -> None:
        """Wait until its health has a state, ``live``, ``started`` or ``ready``; fails likewise."""
        async with aiohttp.ClientSession() as http:
            await self.wait_until(state, partial(self._is, state, http))

    async def wait_until(self, what: str, holds: Callable[[], Awaitable[bool]]) -> None:
        """Wait until something holds of it; fails likewise, and says what."""
        try:
            async with asyncio.timeout(DEADLINE):
                while not await holds():
                    if self.process.returncode is not None:
                        raise AssertionError(f"it ended: {self.log.read_text()[-2000:]}")
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"not {what} in time: {self.log.read_text()[-2000:]}") from None

    async def _is(self, state: str, http: aiohttp.ClientSession) -> bool:
        try:
            async with http.get(f"{self.internal_url}/health/{state}") as response:
                return response.status == 200
        except aiohttp.ClientConnectionError:
            return False


@asynccontextmanager
async def program(
    *services: str,
    config: Path,
    log: Path,
    environ: Mapping[str, str] | None = None,
    host: str = "127.0.0.1",
    ports: tuple[int, int] | None = None,
    until: str = "ready",
    stderr: int | None = None,
    release: Release = HERE,
) -> AsyncIterator[Program]:
    """
    Run services in a process of their own, on loopback.

    Args:
        services: Their names; none: all four.
        config: The settings.
        log: Where its output goes.
        environ: Settings over those of the file.
        host: Where it listens.
        ports: Its public and its internal port; None: free ones.
        until: Which state it is waited for, see `Program.wait_for`.
        stderr: The descriptor of its standard error; None: that goes to ``log`` too.
        release: Whose code runs.
    """
    port, internal_port = ports or (free_port(), free_port())
    settings = {
        "FANFARE_SERVER_LISTEN": f"{host}:{port}",
        "FANFARE_SERVER_INTERNAL_LISTEN": f"{host}:{internal_port}",
        **(environ or {}),
    }
    command = [*release.command, "run", *services, "--config", str(config)]
    environ = {**os.environ, **settings, **release.environ}
    async with spawned(
        command, environ=environ, log=log, stderr=stderr, root=release.root
    ) as process:
        running = Program(process, log, host, port, internal_port)
        await running.wait_for(until)
        yield running


@asynccontextmanager
async def spawned(
    command: Sequence[str],
    *,
    environ: Mapping[str, str],
    log: Path,
    stderr: int | None = None,
    root: Path = ROOT,
) -> AsyncIterator[asyncio.subprocess.Process]:
    """
    Run a command of Fanfare, which is killed in the end, or when the tests are.

    Args:
        command: `FANFARE`, and the words after it.
        environ: All its variables.
        log: Where its output goes.
        stderr: The descriptor of its standard error; None: that goes to ``log`` too.
        root: Where its code is.
    """
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *("setpriv", "--pdeathsig=KILL", *command),
            cwd=root,
            env=environ,
            stdout=output,
            stderr=output if stderr is None else stderr,
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def plain_environ() -> dict[str, str]:
    """Return this process's variables without those of Fanfare."""
    return {name: text for name, text in os.environ.items() if not name.startswith("FANFARE_")}
