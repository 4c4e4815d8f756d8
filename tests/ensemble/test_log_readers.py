"""Whoever reads the log stops, or goes: clients are served, health answers, and the process ends when told."""

import asyncio
import fcntl
import json
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.support.clients.back_ends import BackEnd
from tests.support.clients.visitors import visitors
from tests.support.deadline import DEADLINE
from tests.support.deployments.fleet import APP, Fleet
from tests.support.deployments.program import Program, Release, program

PAGE = 4096  # Bytes: as small as the kernel makes a pipe.
ROOM = 16 * 1024  # Bytes that may wait for a reader here: what is written is held to a pace.
FLOOD = 60  # Clients: at the level debug each is worth three lines, fifty a second of each kind.
# The program, with that room.
NARROW = f"""
import sys
from libs.common.telemetry.line_writer import LineWriter
from services.cli import main

LineWriter.__init__.__kwdefaults__["most_bytes"] = {ROOM}
sys.exit(main())
"""


class LogPipe:
    """What a process writes its log to; its reader is stopped until it is told to read, or goes."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()
        fcntl.fcntl(self.writing, fcntl.F_SETPIPE_SZ, PAGE)

    async def resume(self) -> asyncio.StreamReader:
        """Begin to read; what is read ends with the process."""
        os.close(self.writing)  # The process has its own.
        reader = asyncio.StreamReader(limit=1 << 20)
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(self.reading, "rb")
        )
        return reader

    def go(self) -> None:
        """Read nothing any more."""
        os.close(self.reading)

    def close(self) -> None:
        """Close what is still open."""
        for end in (self.reading, self.writing):
            with suppress(OSError):
                os.close(end)


@pytest.fixture
def pipe() -> Iterator[LogPipe]:
    pipe = LogPipe()
    yield pipe
    pipe.close()


@asynccontextmanager
async def logging_to(descriptor: int, directory: Path) -> AsyncIterator[Program]:
    """Run all services in one process, on memory."""
    fleet = Fleet(directory)
    async with program(
        config=fleet.write_settings(),
        log=directory / "stdout.log",
        environ=fleet.environ | {"FANFARE_LOG_LEVEL": "debug"},
        stderr=descriptor,
        release=Release(command=(sys.executable, "-c", NARROW)),
    ) as process:
        yield process


async def flood(process: Program) -> None:
    """Have a log written that is longer than what may wait."""
    async with asyncio.timeout(DEADLINE), aiohttp.ClientSession() as http:
        for _ in range(FLOOD):
            async with http.ws_connect(f"{process.url}/app/{APP.key}?protocol=7") as socket:
                await socket.receive()
                await socket.send_bytes(b"binary")
                await socket.receive()
            async with http.post(f"{process.url}/apps/none/events") as response:
                assert response.status >= 400


async def check_service(process: Program, backend: BackEnd) -> None:
    """A client is served, and operators are answered."""
    async with visitors(APP) as visitor:
        ann = visitor()
        await ann.connect(process.url)
        await ann.join("public")
        await ann.say(b'{"event":"pusher:ping","data":{}}')
        await backend.publish(process.url, "public", {"n": 1})
        await ann.until_heard("public", {"n": 1})
        await ann.until(lambda: any(frame["event"] == "pusher:pong" for frame in ann.frames))
    async with asyncio.timeout(DEADLINE), aiohttp.ClientSession() as http:
        for path in ("live", "ready"):
            async with http.get(f"{process.internal_url}/health/{path}") as response:
                assert response.status == 200


async def until(reader: asyncio.StreamReader, event: str) -> list[dict[str, Any]]:
    """Read the lines up to one about this event."""
    lines: list[dict[str, Any]] = []
    async with asyncio.timeout(DEADLINE):
        while not lines or lines[-1]["event"] != event:
            lines.append(json.loads(await reader.readline()))
    return lines


async def test_stopped(tmp_path: Path, backend: BackEnd, pipe: LogPipe) -> None:
    """
    What has no room is dropped. When the reader is back a line says how much, and the last lines are there.
    """
    async with logging_to(pipe.writing, tmp_path) as process:
        await flood(process)
        await check_service(process, backend)
        reader = await pipe.resume()
        lines = await until(reader, "log.dropped")
        status = await process.stop()
        await until(reader, "process.stopped")

    assert status == 0
    assert "process.started" in [line["event"] for line in lines]
    assert lines[-1]["lines"] > 0


async def test_stopped_to_the_end(tmp_path: Path, backend: BackEnd, pipe: LogPipe) -> None:
    """
    A reader that never comes back does not keep the process.
    """
    async with logging_to(pipe.writing, tmp_path) as process:
        await flood(process)
        await check_service(process, backend)

        assert await process.stop() == 0


async def test_gone(tmp_path: Path, backend: BackEnd, pipe: LogPipe) -> None:
    """
    Nor does anybody notice that there is none.
    """
    async with logging_to(pipe.writing, tmp_path) as process:
        pipe.go()
        await flood(process)
        await check_service(process, backend)

        assert await process.stop() == 0
