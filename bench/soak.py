"""
``python -m bench.soak``: hold very many connections for a while, and see whether memory comes back.

    python -m bench.soak [--seconds SECONDS] [--connections NUMBER]

One process with all services.  In each round a part of its clients dies at once and others come in
their place, newcomers come and go at a steady rate, and events go to all channels.  Before and
after, when all clients are there and all is quiet, the resident memory is looked at.  The exit
status is 1 where it has grown beyond the bound, 2 where it cannot be measured.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import descriptors
from bench.deployment import APP, MEMORY, Deployment
from bench.faults import CANNOT, told
from bench.load.posts import size
from bench.workers import Crowd, Worker, clients, publishers, resident_bytes, separate
from tests.support.deployments.program import Program

SECONDS = 600
CONNECTIONS = 15_000
GROUPS = 5  # Parts of the clients: one dies in each round.
SUBSCRIBERS = 100  # Of a channel.
STEP = GROUPS * SUBSCRIBERS
AT_ONCE = 64
ROUND = 15  # Seconds, at least.
NEWCOMERS = 100  # A second; as many leave.
EVENTS = 20  # A second.
QUIET = 20.0  # Seconds until what was remembered for a while is forgotten.
MOST_GROWTH = 1.10
SPARE_SECONDS = 300  # Beyond those asked for, until we give up.
# The same names in each round: what the bus remembers of channels that are new is no connection's.
PRIVATE = "private-soak-"
MEBIBYTE = 1024 * 1024

# So that what is remembered of events has no part in what is compared.
_SECTIONS = "[history]\nmax_age = 5\n"


@dataclass(frozen=True, slots=True)
class Group:
    """
    A part of the clients, in a process of their own.

    Attributes:
        crowd: The process.
        prefix: Begins the names of their channels.
        stack: Ends the process.
    """

    crowd: Crowd
    prefix: str
    stack: AsyncExitStack


@dataclass(frozen=True, slots=True)
class Soak:
    """
    A process that is held under load.

    Attributes:
        program: The process.
        back_ends: Who publish.
        newcomers: Who come and go.
        channels: Of each group: how many.
    """

    program: Program
    back_ends: Worker
    newcomers: Worker
    channels: int

    async def group(self, number: int) -> Group:
        """Bring a group of clients in."""
        stack = AsyncExitStack()
        crowd = await stack.enter_async_context(clients(self.program.port, APP.key))
        separate(self.program.process.pid, [crowd.pid])
        seated, prefix = self.channels * SUBSCRIBERS, f"soak-{number}-"
        await crowd.ask(f"seat {self.channels} {SUBSCRIBERS} {seated} {AT_ONCE} {prefix}")
        return Group(crowd, prefix, stack)

    async def load(self, living: list[Group]) -> None:
        """Have newcomers come and go, and give events to those who live, for a round."""
        events = EVENTS * ROUND // len(living)
        expected = events * SUBSCRIBERS * size(living[0].prefix)
        for each in living:
            await self.back_ends.ask(f"prepare {events} 1 {self.channels} {each.prefix}")
            each.crowd.tell(f"receive {expected}")
        self.newcomers.tell(f"churn {ROUND} {NEWCOMERS} {PRIVATE}")
        await self.back_ends.ask(f"pace {EVENTS}")
        await self.newcomers.answer()
        for each in living:
            await each.crowd.received(expected)

    async def resident(self) -> int:
        """Return the resident memory when all is quiet."""
        await asyncio.sleep(QUIET)
        return resident_bytes(self.program.process.pid)


async def soak(seconds: float, connections: int) -> float:
    """Hold so many connections for so long; return how many times the memory is then."""
    began = time.monotonic()
    async with asyncio.timeout(seconds + SPARE_SECONDS), _started(connections) as running:
        groups = [await running.group(number) for number in range(GROUPS)]
        try:
            await _round(running, groups, 0)
            before = await running.resident()
            _say(began, connections, before)
            number, until = 0, time.monotonic() + seconds
            while time.monotonic() < until:
                number += 1
                await _round(running, groups, number)
            after = await running.resident()
            _say(began, connections, after)
        finally:
            for each in groups:
                await each.stack.aclose()
        print(f"{number} rounds: {after / before:.3f} times the memory, at most {MOST_GROWTH:g}")
    return after / before


async def _round(running: Soak, groups: list[Group], number: int) -> None:
    """Let a group die, have others come in its place, and load the rest meanwhile."""
    place = number % GROUPS
    await groups[place].stack.aclose()
    living = [each for each in groups if each is not groups[place]]
    async with asyncio.TaskGroup() as tasks:
        coming = tasks.create_task(running.group(place))
        tasks.create_task(running.load(living))
    groups[place] = coming.result()


@asynccontextmanager
async def _started(connections: int) -> AsyncIterator[Soak]:
    with tempfile.TemporaryDirectory(prefix="fanfare-soak-") as directory:
        deployment = Deployment(MEMORY, Path(directory))
        async with (
            deployment.running(more=_SECTIONS) as program,
            publishers(program.port) as back_ends,
            clients(program.port, APP.key) as newcomers,
        ):
            separate(program.process.pid, [back_ends.pid, newcomers.pid])
            yield Soak(program, back_ends, newcomers, connections // STEP)


def _say(began: float, connections: int, resident: int) -> None:
    print(
        f"{time.monotonic() - began:4.0f} s: {connections} connections, "
        f"{resident / MEBIBYTE:.1f} MiB resident",
        flush=True,
    )


def main() -> int:
    """Do what the command line says and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak")
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--connections", type=int, default=CONNECTIONS)
    arguments = parser.parse_args()
    failures: list[str] = []
    growth = 0.0
    try:
        descriptors.allow_all(STEP + 2 * descriptors.SPARE)
        growth = asyncio.run(soak(arguments.seconds, _held(arguments.connections)))
    except* CANNOT as group:
        failures = told(group)
    for failure in failures:
        print(f"soak: {failure}", file=sys.stderr)
    return 2 if failures else int(growth > MOST_GROWTH)


def _held(wanted: int) -> int:
    """Return how many connections are held: as many as channels and groups divide evenly."""
    possible = descriptors.connections(wanted + descriptors.SPARE) - descriptors.SPARE
    return max(STEP, possible // STEP * STEP)


if __name__ == "__main__":
    sys.exit(main())
