"""
The longest turn of the event loop, in CPU time of its thread: for so long nobody else is served.

One process with all services and very many connections, most of which stay; others come and go, and
events go to a thousand subscribers each.
"""

import asyncio
import mmap
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from bench.beside.comparison import Comparison, compared
from bench.deployment import APP, Deployment
from bench.descriptors import connections
from bench.figures import MILLISECONDS, Sample
from bench.load.posts import size
from bench.stops import watched
from bench.stops.watched import VALUES
from bench.workers import clients, publishers, separate
from tests.support.deployments.program import Program

CLIENTS = 10_000
CHANNELS = 10
AT_ONCE = 64  # Clients that are on their way.
ROUNDS, SECONDS = 6, 10  # Rounds, and seconds of each.
NEWCOMERS = 200  # A second; as many leave.
EVENTS = 20  # A second, each to all subscribers of one of the channels.
PREFIX = "bench-"

LINES = (
    Comparison(
        name="longest_turn",
        title="10,000 clients, churn, fan-out: longest turn of the loop",
        unit="ms",
        scale=MILLISECONDS,
        here_at_most=50.0,
    ),
    Comparison(
        name="longest_collection",
        title="the same: longest collection of garbage, in any thread",
        unit="ms",
        scale=MILLISECONDS,
        here_at_most=50.0,
    ),
)


@dataclass(frozen=True, slots=True)
class Watch:
    """
    What a watched process tells.

    Attributes:
        value: Its file.
    """

    value: mmap.mmap

    @property
    def longest(self) -> tuple[float, float]:
        """The CPU seconds of the longest turn, and collection, since the watch was set back."""
        turn, collection = VALUES.unpack_from(self.value)
        return turn, collection

    def set_back(self) -> None:
        """Begin anew."""
        VALUES.pack_into(self.value, 0, 0.0, 0.0)


async def measure(sides: Sequence[Deployment]) -> Sample:
    """Measure each side once, one after the other: it is no mean that counts."""
    turns, collections = zip(*[await _longest(side) for side in sides], strict=True)
    return {
        **compared("longest_turn", [turns]),
        **compared("longest_collection", [collections]),
    }


async def _longest(side: Deployment) -> tuple[float, float]:
    subscribers = connections(CLIENTS) // CHANNELS
    async with (
        _watched(side) as (program, watch),
        clients(program.port, APP.key) as crowd,
        clients(program.port, APP.key) as newcomers,
        publishers(program.port) as back_ends,
    ):
        separate(program.process.pid, [crowd.pid, newcomers.pid, back_ends.pid])
        seated = subscribers * CHANNELS
        await crowd.ask(f"seat {CHANNELS} {subscribers} {seated} {AT_ONCE} {PREFIX}")
        watch.set_back()
        for number in range(ROUNDS):
            events = EVENTS * SECONDS
            expected = events * subscribers * size(PREFIX)
            await back_ends.ask(f"prepare {events} 1 {CHANNELS} {PREFIX}")
            crowd.tell(f"receive {expected}")
            newcomers.tell(f"churn {SECONDS} {NEWCOMERS} private-bench-{number}-")
            back_ends.tell(f"pace {EVENTS}")
            async with asyncio.TaskGroup() as tasks:
                for each in (newcomers, back_ends):
                    tasks.create_task(each.answer())
                tasks.create_task(crowd.received(expected))
        return watch.longest


@asynccontextmanager
async def _watched(side: Deployment) -> AsyncIterator[tuple[Program, Watch]]:
    file = side.directory / f"watch-{secrets.token_hex(4)}"
    file.write_bytes(VALUES.pack(0.0, 0.0))
    release = side.release
    python, *_ = release.command
    release = replace(
        release,
        command=(python, "-P", str(Path(watched.__file__)), str(file)),
        environ={**release.environ, "PYTHONPATH": str(release.root)},
    )
    with file.open("r+b") as opened, mmap.mmap(opened.fileno(), VALUES.size) as value:
        async with replace(side.on_memory, release=release).running() as program:
            yield program, Watch(value)
