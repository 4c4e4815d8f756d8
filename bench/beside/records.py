"""
What a record of Kafka costs until a subscriber has its event: of one process with all services.

The process is stopped while records are appended, so that they wait and nothing but the way itself
sets the pace.
"""

import os
import secrets
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from bench import journey, websocket
from bench.beside.comparison import Comparison, compared
from bench.beside.turns import by_turns
from bench.deployment import APP, Deployment
from bench.figures import MICROSECONDS, Sample
from bench.workers import Crowd, clients, cpu_seconds, separate
from libs.common.bus.messages import event_frame

TURNS = 3

LINES = (
    Comparison(
        name="record",
        title="a Kafka record to a socket, one process: CPU a record",
        unit="µs",
        scale=MICROSECONDS,
        at_most=0.60,
    ),
)


@dataclass(frozen=True, slots=True)
class Reader:
    """
    A deployment that reads records.

    Attributes:
        pid: Its process.
        crowd: Has the subscriber.
        kafka: Where the records are.
        topic: Which it reads.
    """

    pid: int
    crowd: Crowd
    kafka: str
    topic: str

    async def read(self) -> float:
        """Have all records of a turn read; return the CPU seconds of one."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            await journey.fill(self.kafka, self.topic)
            before, expected = cpu_seconds(self.pid), _size()
            self.crowd.tell(f"receive {expected}")
        finally:
            os.kill(self.pid, signal.SIGCONT)
        await self.crowd.received(expected)
        return (cpu_seconds(self.pid) - before) / journey.EVENTS


async def measure(sides: Sequence[Deployment], kafka: str) -> Sample:
    """Measure with a topic for each side."""
    async with AsyncExitStack() as stack:
        readers = [await stack.enter_async_context(_reader(side, kafka)) for side in sides]
        for each in readers:
            await each.read()
        turns = [partial(each.read) for each in readers]
        return compared("record", await by_turns(turns, times=TURNS))


@asynccontextmanager
async def _reader(side: Deployment, kafka: str) -> AsyncIterator[Reader]:
    topic = f"bench-{secrets.token_hex(4)}"
    await journey.create(kafka, topic)
    sections = journey.SECTIONS.format(topic=topic)
    async with (
        side.on_memory.running(backends=f'events = "{kafka}"', more=sections) as program,
        clients(program.port, APP.key) as crowd,
    ):
        separate(program.process.pid, [crowd.pid])
        await crowd.ask(f"subscribe 1 {journey.CHANNEL}")
        yield Reader(program.process.pid, crowd, kafka, topic)


def _size() -> int:
    """Return how many bytes a subscriber receives of the records of a turn."""
    frames = (
        event_frame(journey.CHANNEL, journey.EVENT, journey.data(number).decode())
        for number in range(journey.EVENTS)
    )
    return sum(websocket.framed(len(frame)) for frame in frames)
