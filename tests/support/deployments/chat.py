"""The example chat as its README runs it: Fanfare with its settings, and its back end, each a process of its own."""

import asyncio
import os
import re
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from tests.support.deadline import DEADLINE
from tests.support.deployments.program import ROOT, program
from tests.support.servers.ports import free_port
from tests.support.servers.process import set_privileges

CHAT = ROOT / "examples" / "chat"
TYPING_TTL = "60"  # Seconds: no list may clear by itself while a busy machine looks at it.
NODE_MODULES = ROOT / "tests" / "clients" / "node_modules"  # Has the same clients.


class Chat(NamedTuple):
    """
    A chat that runs.

    Attributes:
        url: Of its page, and of its API.
        fanfare: The URL of its Fanfare.
    """

    url: str
    fanfare: str


@asynccontextmanager
async def chat(directory: Path, database: str) -> AsyncIterator[Chat]:
    """
    Run the chat.

    Args:
        directory: For logs.
        database: The URL of an empty database of PostgreSQL.
    """
    log, environ = directory / "fanfare.log", {"FANFARE_PRESENCE_TYPING_TTL": TYPING_TTL}
    async with (
        program(config=CHAT / "fanfare.toml", log=log, environ=environ) as fanfare,
        chat_of(database, fanfare.url) as url,
    ):
        yield Chat(url, fanfare.url)


@asynccontextmanager
async def chat_of(database: str, fanfare: str) -> AsyncIterator[str]:
    """Run the back end of a chat alone, and yield its address; ``fanfare`` is where it looks for Fanfare."""
    settings = {
        "CHAT_DATABASE_URL": database,
        "CHAT_PORT": str(free_port()),
        "CHAT_FANFARE_URL": fanfare,
        "CHAT_NODE_MODULES": str(NODE_MODULES),
        "PYTHONUNBUFFERED": "1",
    }
    command = [*set_privileges(None, signal.SIGKILL), sys.executable, "-m", "examples.chat"]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, env={**os.environ, **settings}, stdout=PIPE
    )
    try:
        yield await _address(process)
    finally:
        process.terminate()
        await process.wait()


async def _address(process: asyncio.subprocess.Process) -> str:
    """Wait until the back end says where it listens."""
    assert process.stdout is not None
    async with asyncio.timeout(DEADLINE):
        said = (await process.stdout.readline()).decode()
    found = re.search(r"Running on (\S+)", said)
    assert found, "its standard error says why"
    return found[1]
