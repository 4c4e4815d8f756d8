"""
The servers of a run, lent to all its workers: each is started when the first of them asks for it.

The process that leads the run has a thread that starts them, and ends them with the run.  It stays
until then, so the servers die with that process even if it is killed, but outlive any worker.
Workers ask through a Unix socket.
"""

import asyncio
import shutil
import socket
import tempfile
import threading
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
)
from functools import partial
from pathlib import Path
from typing import Protocol

import msgspec

from tests.support.programs import MissingProgram
from tests.support.servers.certificates import Certificates
from tests.support.servers.developer import KINDS
from tests.support.servers.kafka import kafka_server
from tests.support.servers.packages import MissingJars
from tests.support.servers.postgres import postgres_server
from tests.support.servers.process import ServerDidNotStart
from tests.support.servers.redis.cluster import redis_cluster
from tests.support.servers.redis.sentinel import redis_sentinel
from tests.support.servers.redis.server import redis_server
from tests.support.servers.shared import NoServer, shared

PATIENCE = 300.0  # Seconds.  A server says for itself what is too long, far earlier.


class Listens(Protocol):
    """A server, or several that belong together."""

    @property
    def url(self) -> str:
        """Where clients find it."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """The URL of a server, or why there is none."""

    url: str = ""
    failure: str = ""


_Opener = Callable[[Certificates], AbstractAsyncContextManager[Listens]]

FURTHER: dict[str, _Opener] = {
    "redis_acl": lambda _: redis_server(user="fanfare", password="pass:w@rd/#1"),
    "rediss": lambda certificates: redis_server(certificates=certificates),
    "redis_cluster": lambda _: redis_cluster(),
    "redis_sentinel": lambda _: redis_sentinel(),
    "kafka_secure": lambda certificates: kafka_server(certificates=certificates),
    "postgres_tls": lambda certificates: postgres_server(certificates=certificates),
}


class Lender:
    """
    What is lent by one run.

    Args:
        directory: Where it listens, and where the certificates of all servers with TLS are.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._certificates = Certificates.issue(directory)
        self._stacks: list[AsyncExitStack] = []
        self._answers: dict[str, Answer] = {}
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Lend while the context is open; then end all that was started, side by side."""
        listening = await asyncio.start_unix_server(self._serve, _socket(self._directory))
        try:
            async with listening:
                yield
        finally:
            await asyncio.gather(*(stack.aclose() for stack in self._stacks))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        kind = (await reader.readline()).decode().strip()
        async with self._locks[kind]:
            if kind not in self._answers:
                self._answers[kind] = await self._start(kind)
        writer.write(msgspec.json.encode(self._answers[kind]) + b"\n")
        writer.close()

    async def _start(self, kind: str) -> Answer:
        """Start a server.  One that did not start is not tried again in this run."""
        stack = AsyncExitStack()
        try:
            url = await stack.enter_async_context(_opened(kind, self._certificates))
        except (NoServer, MissingProgram, MissingJars, ServerDidNotStart, TimeoutError) as error:
            return Answer(failure=f"{type(error).__name__}: {error}")
        self._stacks.append(stack)
        return Answer(url=url)


@contextmanager
def lending() -> Iterator[Path]:
    """Lend servers from a thread of this process; yield the directory by which `borrow` finds it."""
    directory = Path(tempfile.mkdtemp(prefix="fanfare-lent-"))
    try:
        with _in_a_thread(Lender(directory)):
            yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def borrow(directory: Path, kind: str) -> str:
    """
    Return the URL of a server of the run, and wait for its start if we are the first to ask.

    Args:
        directory: What `lending` yielded.
        kind: A key of `FURTHER`, or ``redis``, ``kafka`` or ``postgres``.

    Raises:
        NoServer: It could not be started, or the run is ending.
    """
    try:
        answer = _ask(directory, kind)
    except (OSError, msgspec.DecodeError) as error:
        raise NoServer(f"nobody lends {kind}: {error}") from error
    if answer.failure:
        raise NoServer(answer.failure)
    return answer.url


def _ask(directory: Path, kind: str) -> Answer:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(PATIENCE)
        connection.connect(_socket(directory))
        connection.sendall(f"{kind}\n".encode())
        return msgspec.json.decode(connection.makefile("rb").readline(), type=Answer)


@asynccontextmanager
async def _opened(kind: str, certificates: Certificates) -> AsyncIterator[str]:
    if kind in KINDS:
        async with shared(kind) as url:
            yield url
        return
    async with FURTHER[kind](certificates) as server:
        yield server.url


@contextmanager
def _in_a_thread(lender: Lender) -> Iterator[None]:
    ready, over = threading.Event(), threading.Event()
    run = partial(asyncio.run, _until(lender, ready, over))
    # A daemon, so that a second Ctrl-C need not wait for servers: the kernel ends them.
    thread = threading.Thread(target=run, name="lender", daemon=True)
    thread.start()
    ready.wait()
    try:
        yield
    finally:
        over.set()
        thread.join()


async def _until(lender: Lender, ready: threading.Event, over: threading.Event) -> None:
    try:
        async with lender.opened():
            ready.set()
            await asyncio.to_thread(over.wait)
    finally:
        ready.set()  # Nobody waits for a lender who has failed; `borrow` will say so.


def _socket(directory: Path) -> str:
    return str(directory / "socket")
