"""Commands to every gateway, and how to hear them."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from libs.common.config.address import Url
from libs.common.control.commands import Command
from libs.common.control.memory import MemoryControl
from libs.common.control.port import CommandListener, Control
from libs.common.control.redis import RedisControl
from libs.common.redis.connection import RedisConnection
from libs.common.redis.keys import Keys
from tests.support.deadline import DEADLINE

MEMORY = "memory://"
PATIENCE = 0.2  # Seconds of one wait, so that a listener often sees for itself where it is.
STREAM = "control.orders"


@dataclass(frozen=True, slots=True)
class Deployment:
    """
    Two processes that share control.

    Attributes:
        control: Of one process.
        other: Of the other.
    """

    control: Control
    other: Control


@asynccontextmanager
async def deployment(url: str, prefix: str) -> AsyncIterator[Deployment]:
    if url == MEMORY:
        memory = MemoryControl()
        yield Deployment(memory, memory)
        return
    keys = Keys(prefix)
    async with AsyncExitStack() as stack:
        first, second = [
            await stack.enter_async_context(RedisConnection(Url(url), "control")) for _ in range(2)
        ]
        yield Deployment(RedisControl(first, keys), RedisControl(second, keys))


def command(subject: str, *, ttl: float = 3600.0) -> Command:
    now = time.time()
    return Command("terminate", "1", subject, now, now + ttl)


async def received(listener: CommandListener, count: int) -> list[str]:
    """Wait for so many commands, and name their subjects."""
    subjects: list[str] = []
    async with asyncio.timeout(DEADLINE):
        while len(subjects) < count:
            subjects += [one.subject for one in await listener.receive(PATIENCE)]
    return subjects
