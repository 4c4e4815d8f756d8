"""
One server process: started, watched until it answers, paused, killed, restarted and ended.

Knows nothing of Redis, Kafka or PostgreSQL; their modules describe each with a `Launch`.  A server
dies with the process that started it, however that ends, unless it is detached: ``setpriv`` sets
Linux's parent-death signal.  The kernel means the *thread* that started it, so servers must be
started from a thread that stays, which the thread of an event loop does.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.deadline import DEADLINE
from tests.support.programs import find_program
from tests.support.servers import procfs

STOP_TIMEOUT = 15.0  # Seconds.  Kafka takes one or two to shut down in order.
POLL_INTERVAL = 0.03
LOG_LINES = 20


class NotReady(Exception):
    """A server does not serve clients, or not yet."""


class ServerDidNotStart(Exception):
    """A server ended, or did not answer in time, while it was awaited."""

    def __init__(self, name: str, reason: str, log: Path) -> None:
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        tail = "\n".join(f"    {line}" for line in lines[-LOG_LINES:])
        super().__init__(f"{name} {reason}; the end of its log:\n{tail or '    (empty)'}")
        self.name = name


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """
    How to run a server and how to see that it works.

    Attributes:
        name: What error messages call it.
        url: Where clients find it.
        command: Program and arguments; it must stay in the foreground.
        directory: Its working directory, for its data and its log.
        probe: Connects to it as a client would; raises NotReady while it does not serve.
        timeout: Seconds from the start until it must answer.
        user: The account it runs under, if not ours.
        stop_signal: What ends it in order; also what the kernel sends when we die.
        detached: It stays when we end.
    """

    name: str
    url: str
    command: Sequence[str]
    directory: Path
    probe: Callable[[], Awaitable[None]]
    timeout: float = DEADLINE
    user: str | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    detached: bool = False


class Server:
    """A running server.  As a context manager it is started and stopped."""

    def __init__(self, launch: Launch) -> None:
        self._launch = launch
        self._process: subprocess.Popen[bytes] | None = None
        self._complaint = "no connection"
        self.log = launch.directory / f"{launch.name}.log"

    @property
    def url(self) -> str:
        return self._launch.url

    @property
    def directory(self) -> Path:
        return self._launch.directory

    @property
    def pid(self) -> int:
        return self._running().pid

    async def start(self) -> None:
        """
        Start the process and wait until it answers.

        Raises:
            ServerDidNotStart: It ended or stayed silent; it is not running any more.
        """
        self._spawn()
        try:
            await self.wait_until_ready()
        except BaseException:
            self.kill()
            raise

    async def stop(self) -> None:
        """End it in order, or by force when that takes too long.  Without effect if it is down."""
        if self._process is None:
            return
        self.resume()
        self._process.send_signal(self._launch.stop_signal)
        try:
            await eventually(self._has_ended, timeout=STOP_TIMEOUT)
        except TimeoutError:
            self.kill()
        self._process = None

    async def restart(self) -> None:
        """Stop it unless it is down, and start it on the same port and data."""
        await self.stop()
        await self.start()

    def kill(self) -> None:
        """End it and its children at once, as the crash of a machine would."""
        if self._process is None:
            return
        self.pause()  # So that it has no further children.
        orphans = procfs.children(self._process.pid)
        self._process.kill()
        self._process.wait()
        self._process = None
        for orphan in orphans:
            _end(orphan)

    def pause(self) -> None:
        """Freeze it and its children: connections stay open and nothing answers from now on."""
        self._running().send_signal(signal.SIGSTOP)
        children = procfs.children(self.pid)
        for child in children:
            _send(child, signal.SIGSTOP)
        until = time.monotonic() + DEADLINE
        while not all(map(procfs.is_stopped, (self.pid, *children))):
            assert time.monotonic() < until, f"{self.pid} does not stand still"
            time.sleep(0.001)

    def resume(self) -> None:
        """Let it go on after `pause`."""
        for child in procfs.children(self.pid):
            _send(child, signal.SIGCONT)
        self._running().send_signal(signal.SIGCONT)

    async def wait_until_ready(self) -> None:
        """
        Wait until it answers, no longer than its launch allows.

        Raises:
            ServerDidNotStart: It ended or stayed silent.
        """
        try:
            await eventually(self._answers, timeout=self._launch.timeout)
        except TimeoutError:
            reason = f"did not answer within {self._launch.timeout:g} s ({self._complaint})"
            raise ServerDidNotStart(self._launch.name, reason, self.log) from None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    def _spawn(self) -> None:
        launch = self._launch
        death_signal = None if launch.detached else launch.stop_signal
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own.
                [*set_privileges(launch.user, death_signal), *launch.command],
                cwd=launch.directory,
                env=environ(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # A Ctrl-C is for the test run, which then stops its servers.
                start_new_session=True,
            )

    async def _answers(self) -> bool:
        answers = await self._probe()
        # Looked at in the end: what answers could be a stranger who took the port before us.
        if await self._has_ended():
            status = f"ended with status {self._running().returncode}"
            raise ServerDidNotStart(self._launch.name, status, self.log)
        return answers

    async def _probe(self) -> bool:
        try:
            await self._launch.probe()
        except NotReady as reason:
            self._complaint = str(reason)
            return False
        return True

    async def _has_ended(self) -> bool:
        return self._running().poll() is not None

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError(f"{self._launch.name} is not running")
        return self._process


def _send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _end(orphan: int) -> None:
    _send(orphan, signal.SIGKILL)
    while procfs.started(orphan) is not None:  # It is not our child, so we cannot wait for it.
        time.sleep(POLL_INTERVAL)


async def eventually(holds: Callable[[], Awaitable[bool]], *, timeout: float) -> None:
    """
    Ask a server, or the kernel, until the answer is yes.  NotReady counts as no.

    Raises:
        TimeoutError: It did not become so in time.
    """
    async with asyncio.timeout(timeout):
        while not await _holds_now(holds):
            await asyncio.sleep(POLL_INTERVAL)


async def _holds_now(holds: Callable[[], Awaitable[bool]]) -> bool:
    try:
        return await holds()
    except NotReady:
        return False


@contextlib.asynccontextmanager
async def running(launch: Launch) -> AsyncIterator[Server]:
    """Run a server, and remove its directory when it has ended."""
    try:
        async with Server(launch) as server:
            yield server
    finally:
        shutil.rmtree(launch.directory, ignore_errors=True)


def detached(launch: Launch) -> Launch:
    """Let a server outlive the process that starts it."""
    return replace(launch, detached=True)


def make_directory(name: str, *, owner: str | None = None) -> Path:
    """
    Make a new directory for a server.

    It is not inside the repository: an account that gives up root's rights may be unable to enter
    that.
    """
    directory = Path(tempfile.mkdtemp(prefix=f"fanfare-{name}-"))
    if owner is not None:
        shutil.chown(directory, owner, owner)
    return directory


async def run_tool(name: str, *command: str, directory: Path, user: str | None = None) -> None:
    """
    Run a program which prepares a server, and wait for its end.

    Raises:
        ServerDidNotStart: It failed; the server's directory is removed.
    """
    log = directory / f"{name}.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *set_privileges(user, signal.SIGKILL),
            *command,
            cwd=directory,
            env=environ(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
        )
        status = await process.wait()
    if status != 0:
        failure = ServerDidNotStart(name, f"ended with status {status}", log)
        shutil.rmtree(directory, ignore_errors=True)
        raise failure


def environ() -> dict[str, str]:
    """Return a server's variables: ours, and a locale that every Linux has, whichever ours is."""
    return {**os.environ, "LC_ALL": "C.UTF-8"}


def set_privileges(user: str | None, death_signal: signal.Signals | None) -> list[str]:
    """Prefix a command so that it runs under `user` and dies with us."""
    account = [] if user is None else [f"--reuid={user}", f"--regid={user}", "--init-groups"]
    # `--pdeathsig` comes to effect last: a change of user would clear the signal.
    death = [] if death_signal is None else [f"--pdeathsig={death_signal.name[3:]}"]
    options = [*account, *death]
    return [str(find_program("setpriv")), *options, "--"] if options else []
