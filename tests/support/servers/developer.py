"""
A developer's servers: started once, used by every test run, ended on demand.

What runs is written down in ``.services/servers.json``, and only that is ever ended.  A process is
known by its id and the instant it was started, so that another which got the same id later is left
alone.
"""

import asyncio
import os
import shutil
import signal
import time
from contextlib import suppress

import msgspec

from tests.support.programs import STATE
from tests.support.servers import procfs
from tests.support.servers.kafka import kafka_launch
from tests.support.servers.postgres import postgres_launch
from tests.support.servers.process import POLL_INTERVAL, STOP_TIMEOUT, Launch, Server, detached
from tests.support.servers.redis.server import redis_launch

RECORDS = STATE / "servers.json"
KINDS = ("redis", "kafka", "postgres")


class Running(msgspec.Struct, frozen=True):
    """
    What is known of a server that was started.

    Attributes:
        url: Where it listens.
        pid: Its process id.
        started: When, in the kernel's ticks since boot.
        directory: Its data; removed when it is ended.
        stop_signal: What ends it in order.
    """

    url: str
    pid: int
    started: int
    directory: str
    stop_signal: int

    @property
    def is_alive(self) -> bool:
        return procfs.started(self.pid) == self.started


def variable(kind: str) -> str:
    """Name the environment variable that holds a kind's URL."""
    return f"FANFARE_TEST_{kind.upper()}_URL"


def servers() -> dict[str, Running]:
    """Return the servers that were started and still run."""
    return {kind: server for kind, server in _recorded().items() if server.is_alive}


async def start() -> dict[str, Running]:
    """
    Start those of the three servers that do not run, side by side, and return all three.

    Raises:
        ServerDidNotStart: One did not; those that did are remembered.
    """
    _remove_data_of_the_dead()
    missing = [kind for kind in KINDS if kind not in servers()]
    started = await asyncio.gather(*map(_start, missing), return_exceptions=True)
    found = servers() | {
        kind: server
        for kind, server in zip(missing, started, strict=True)
        if isinstance(server, Running)
    }
    _remember(found)
    for outcome in started:
        if isinstance(outcome, BaseException):
            raise outcome
    return found


def stop() -> list[str]:
    """End the servers that were started, and return their kinds."""
    ended = servers()
    for server in ended.values():
        _end(server)
    _remove_data_of_the_dead()
    RECORDS.unlink(missing_ok=True)
    return list(ended)


async def _start(kind: str) -> Running:
    launch = detached(await _launch(kind))
    server = Server(launch)
    await server.start()
    started = procfs.started(server.pid)
    assert started is not None
    return Running(launch.url, server.pid, started, str(launch.directory), launch.stop_signal)


async def _launch(kind: str) -> Launch:
    if kind == "redis":
        return redis_launch()
    return await (kafka_launch() if kind == "kafka" else postgres_launch())


def _recorded() -> dict[str, Running]:
    if not RECORDS.exists():
        return {}
    return msgspec.json.decode(RECORDS.read_bytes(), type=dict[str, Running])


def _remove_data_of_the_dead() -> None:
    for server in _recorded().values():
        if not server.is_alive:
            shutil.rmtree(server.directory, ignore_errors=True)


def _remember(found: dict[str, Running]) -> None:
    STATE.mkdir(exist_ok=True)
    RECORDS.touch(mode=0o600)  # PostgreSQL's URL has a password.
    RECORDS.write_bytes(msgspec.json.format(msgspec.json.encode(found)))


def _end(server: Running) -> None:
    with suppress(ProcessLookupError):
        os.kill(server.pid, signal.SIGCONT)
        os.kill(server.pid, server.stop_signal)
    deadline = time.monotonic() + STOP_TIMEOUT
    while server.is_alive and time.monotonic() < deadline:
        time.sleep(POLL_INTERVAL)
    if server.is_alive:
        os.kill(server.pid, signal.SIGKILL)
