"""The yardstick: compiled when it is needed, run as a process of its own.  See yardstick.c."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bench.workers import Worker, running

SOURCE = Path(__file__).with_name("yardstick.c")
PROGRAM = Path(__file__).with_name("yardstick")  # Not under version control.


class NoCompiler(Exception):
    """There is nothing to compile the yardstick with, or it did."""


async def compiled() -> None:
    """
    Compile the yardstick.

    Raises:
        NoCompiler: There is no compiler, or it failed.
    """
    compiler = shutil.which("cc")
    if compiler is None:
        raise NoCompiler("the yardstick is a C program: install a compiler that is called cc")
    process = await asyncio.create_subprocess_exec(compiler, "-O2", "-o", PROGRAM, SOURCE)
    if await process.wait() != 0:
        raise NoCompiler("the yardstick could not be compiled; the compiler's words stand above")


@asynccontextmanager
async def yardstick(sockets: int, size: int) -> AsyncIterator[tuple[Worker, int]]:
    """
    Run the yardstick.

    Args:
        sockets: How many connections it waits for.
        size: Bytes of the frame that it writes to each.

    Yields:
        It, and its port.  When all have connected it answers ``ready``.
    """
    async with running(str(PROGRAM), str(sockets), str(size)) as process:
        loop = Worker("the yardstick", process)
        yield loop, int(await loop.answer())
