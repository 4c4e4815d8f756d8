"""
How fast one presence process delivers webhooks, and what a receiver that hangs adds to others.

Facts are recorded as the scripts of the roster do, on Redis, about channels of their own; the
receiver answers at once, and counts.  Another presence process, of a deployment of its own, does
the same with a second webhook, whose receiver takes connections and never answers.  The two take
turns, and while it is one's turn the other is stopped: what else goes on in the machine concerns
both, so that they are compared by pairs.  A turn's time is that from the first fact that is
recorded to the last that is received.
"""

import asyncio
import os
import secrets
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from statistics import median

from bench.deployment import APP, PREFIX, Deployment
from bench.figures import Sample
from bench.workers import cpu_seconds
from libs.common.config.address import Url
from libs.common.lifecycle.facts import Fact
from libs.common.lifecycle.redis import RedisLifecycle
from libs.common.redis.connection import RedisConnection
from libs.common.redis.keys import Keys

FACTS = 3000  # In a turn.
PAIRS = 6  # Of turns.
CHANNELS = 200
AT_ONCE = 500  # Facts that are recorded together.
LIMIT = 90.0  # Seconds for all turns.

# A process that is stopped, on a slow machine for longer than its share would hold, keeps it.
_MORE = """
[egress]
allow = ["127.0.0.0/8"]
[presence]
share_ttl = 60
"""
_WEBHOOK = """
[[apps.webhooks]]
name = "{name}"
url = "http://127.0.0.1:{port}/"
"""
_END = b"\r\n\r\n"
_LENGTH = b"content-length: "
_YES = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class Counter:
    """
    Counts what a receiver has got.

    Attributes:
        answers: Whether it answers.
        got: Requests that came whole.
    """

    def __init__(self, *, answers: bool = True) -> None:
        self.answers = answers
        self.got = 0
        self._all = asyncio.Event()
        self._target = 0

    async def has(self, count: int) -> None:
        """Wait until so many more have come."""
        self._target = self.got + count
        self._all.clear()
        await self._all.wait()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take the requests of one connection."""
        try:
            while True:
                head = await reader.readuntil(_END)
                length = head.lower().partition(_LENGTH)[2].split(b"\r\n", 1)[0]
                await reader.readexactly(int(length))
                self.got += 1
                if self.answers:
                    writer.write(_YES)
                if self.got == self._target:
                    self._all.set()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


@dataclass(frozen=True, slots=True)
class Turn:
    """
    What one turn took.

    Attributes:
        seconds: Of wall-clock time.
        cpu: Seconds of the process's CPU.
    """

    seconds: float
    cpu: float


@dataclass(frozen=True, slots=True)
class Side:
    """
    One of the two that take turns.

    Attributes:
        pid: Its presence process.
        lifecycle: Where facts are recorded for it.
        taker: The receiver that answers.
    """

    pid: int
    lifecycle: RedisLifecycle
    taker: Counter

    async def turn(self) -> Turn:
        """Deliver `FACTS`."""
        with _going(self.pid):
            began, cpu = time.monotonic(), cpu_seconds(self.pid)
            await _told(self.lifecycle, self.taker, FACTS)
            return Turn(time.monotonic() - began, cpu_seconds(self.pid) - cpu)


async def measure(deployment: Deployment) -> Sample:
    """Measure the rate without and with a receiver that hangs, on fresh processes."""
    async with (
        asyncio.timeout(LIMIT),
        _side(deployment, hanging=False) as alone,
        _side(deployment, hanging=True) as beside,
    ):
        pairs = [await _pair(alone, beside, turned=bool(number % 2)) for number in range(PAIRS)]
    return {
        "webhook_rate": FACTS / median(one.seconds for one, _ in pairs),
        "webhook_cpu": median(one.cpu for one, _ in pairs) / FACTS,
        "webhook_hanging_ratio": median(two.seconds / one.seconds for one, two in pairs),
        "webhook_hanging_cpu": median(two.cpu / one.cpu for one, two in pairs),
    }


async def _pair(alone: Side, beside: Side, *, turned: bool) -> tuple[Turn, Turn]:
    """Let each have a turn, now one first and now the other."""
    if turned:
        second = await beside.turn()
        return await alone.turn(), second
    return await alone.turn(), await beside.turn()


@asynccontextmanager
async def _side(deployment: Deployment, *, hanging: bool) -> AsyncIterator[Side]:
    """Run a presence process, which is stopped when it has its share, and connections."""
    prefix = f"{PREFIX}-{secrets.token_hex(4)}"
    taker, hanger = Counter(), Counter(answers=False)
    async with AsyncExitStack() as stack:
        port, silent = [await stack.enter_async_context(_listening(it)) for it in (taker, hanger)]
        hooks = _WEBHOOK.format(name="taker", port=port)
        hooks += _WEBHOOK.format(name="hanger", port=silent) if hanging else ""
        running = deployment.running("presence", more=hooks + _MORE, prefix=prefix)
        presence = await stack.enter_async_context(running)
        redis = RedisConnection(Url(deployment.redis), "roster")
        lifecycle = RedisLifecycle(await stack.enter_async_context(redis), Keys(prefix))
        side = Side(presence.process.pid, lifecycle, taker)
        await _told(lifecycle, taker, CHANNELS)
        os.kill(side.pid, signal.SIGSTOP)
        yield side


@contextmanager
def _going(pid: int) -> Iterator[None]:
    """Let a process that is stopped go on for a while."""
    os.kill(pid, signal.SIGCONT)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGSTOP)


async def _told(lifecycle: RedisLifecycle, taker: Counter, count: int) -> None:
    """Record facts, and wait until all have been received."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(taker.has(count))
        await asyncio.sleep(0)
        for start in range(0, count, AT_ONCE):
            numbers = range(start, min(start + AT_ONCE, count))
            await lifecycle.record([_fact(number) for number in numbers])


def _fact(number: int) -> Fact:
    channel = f"presence-{number % CHANNELS}"
    return Fact(kind="member_added", app=APP.id, channel=channel, user=str(number))


@asynccontextmanager
async def _listening(counter: Counter) -> AsyncIterator[int]:
    server = await asyncio.start_server(counter.serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
