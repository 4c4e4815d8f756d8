"""
How fast one presence process delivers webhooks, and what a receiver that hangs adds to others.

Facts are recorded as the scripts of the roster do, on Redis, about channels of their own; the
receiver answers at once, and counts.  Then the same once more, with a second webhook whose receiver
takes connections and never answers.  A run's time is that from the first fact that is recorded to
the last that is received.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bench.deployment import APP, PREFIX, Deployment
from bench.figures import Sample
from bench.workers import cpu_seconds
from libs.common.config.address import Url
from libs.common.lifecycle.facts import Fact
from libs.common.lifecycle.redis import RedisLifecycle
from libs.common.redis.connection import RedisConnection
from libs.common.redis.keys import Keys

FACTS = 8000
CHANNELS = 200
AT_ONCE = 500  # Facts that are recorded together.
LIMIT = 60.0  # Seconds for a run.

_ALLOW = """
[egress]
allow = ["127.0.0.0/8"]
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


async def measure(deployment: Deployment) -> Sample:
    """Measure the rate without and with a receiver that hangs, on fresh processes."""
    async with asyncio.timeout(LIMIT):
        alone, cpu = await _run(deployment, hanging=False)
        beside, cpu_beside = await _run(deployment, hanging=True)
    return {
        "webhook_rate": FACTS / alone,
        "webhook_cpu": cpu / FACTS,
        "webhook_hanging_ratio": beside / alone,
        "webhook_hanging_cpu": cpu_beside / cpu,
    }


async def _run(deployment: Deployment, *, hanging: bool) -> tuple[float, float]:
    """Return the seconds that it took, and those of the process's CPU."""
    taker, hanger = Counter(), Counter(answers=False)
    async with _listening(taker) as port, _listening(hanger) as silent:
        hooks = _WEBHOOK.format(name="taker", port=port)
        hooks += _WEBHOOK.format(name="hanger", port=silent) if hanging else ""
        async with (
            deployment.running("presence", more=hooks + _ALLOW) as presence,
            RedisConnection(Url(deployment.redis), "roster") as connection,
        ):
            lifecycle = RedisLifecycle(connection, Keys(PREFIX))
            await _told(lifecycle, taker, CHANNELS)  # It has its share now, and connections.
            began, cpu = time.monotonic(), cpu_seconds(presence.process.pid)
            await _told(lifecycle, taker, FACTS)
            return time.monotonic() - began, cpu_seconds(presence.process.pid) - cpu


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
