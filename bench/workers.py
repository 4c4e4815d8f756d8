"""Processes that measure or are measured: driven by lines, watched by their CPU time and memory."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
ANSWER_TIMEOUT = 60.0  # Seconds.
PAGE = os.sysconf("SC_PAGE_SIZE")


class Failed(Exception):
    """A worker ended, or did not answer in time."""


class Worker:
    """
    A process that takes orders, a line each, and answers each with a line.

    Args:
        name: What an error calls it.
        process: With pipes as its input and output.
    """

    def __init__(self, name: str, process: asyncio.subprocess.Process) -> None:
        self._name = name
        self._process = process

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def tell(self, order: str) -> None:
        """Give an order; `answer` brings its answer."""
        if self._process.stdin is not None:
            self._process.stdin.write(f"{order}\n".encode())

    async def answer(self) -> str:
        """
        Wait for a line.

        Raises:
            Failed: No line came.
        """
        line = b""
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                if self._process.stdout is not None:
                    line = await self._process.stdout.readline()
        except TimeoutError:
            raise Failed(f"{self._name} did not answer in {ANSWER_TIMEOUT:g} s") from None
        if not line:
            raise Failed(f"{self._name} ended; what it said stands above")
        return line.decode().strip()

    async def ask(self, order: str) -> str:
        """Give an order and wait until it is done."""
        self.tell(order)
        return await self.answer()


class Crowd(Worker):
    """Many clients; see `bench.clients`."""

    async def received(self, size: int) -> None:
        """
        Wait until they have done what ``receive`` told them.

        Args:
            size: The bytes that they should have received by then, and no more.

        Raises:
            Failed: The clients received more, or less.
        """
        if (answer := await self.answer()) != f"done {size}":
            raise Failed(f"the clients should have received {size} bytes, and said: {answer}")


@asynccontextmanager
async def running(*command: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a process with pipes; it ends with the context, or with its input if we are killed."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@asynccontextmanager
async def clients(port: int, key: str, *, ca: Path | None = None) -> AsyncIterator[Crowd]:
    """Run a process of clients, none at first; those that arrive use TLS if there is a CA."""
    more = [] if ca is None else [str(ca)]
    async with running(sys.executable, "-m", "bench.clients", str(port), key, *more) as process:
        yield Crowd("the process of the clients", process)


@asynccontextmanager
async def members(port: int) -> AsyncIterator[Worker]:
    """Run a process of members of presence channels, none at first; see `bench.members`."""
    async with running(sys.executable, "-m", "bench.members", str(port)) as process:
        yield Worker("the process of the members", process)


@asynccontextmanager
async def publishers(port: int) -> AsyncIterator[Worker]:
    """Run a process of back ends that publish; see `bench.load.publishers`."""
    async with running(sys.executable, "-m", "bench.load.publishers", str(port)) as process:
        yield Worker("the process of the publishers", process)


def cpu_seconds(pid: int) -> float:
    """Return the user and system time of a process so far, to the nanosecond."""
    # What clock_getcpuclockid(3) answers on Linux; Python does not offer it for other processes.
    return time.clock_gettime((~pid << 3) | 2)


def resident_bytes(pid: int) -> int:
    """Return the resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE


def separate(writer: int, readers: Sequence[int]) -> None:
    """Give a writer a CPU, and its readers the others: they stand for other machines."""
    *others, own = sorted(os.sched_getaffinity(0))
    if others:
        os.sched_setaffinity(writer, {own})
        for reader in readers:
            os.sched_setaffinity(reader, others)
