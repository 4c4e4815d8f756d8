"""
What a client costs that connects, is greeted and subscribes: of one process with all services.

Clients stay until the end, so that those who come later come to a gateway that is full.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from statistics import fmean

from bench.beside.comparison import Comparison, compared
from bench.beside.turns import by_turns
from bench.deployment import APP, Deployment
from bench.figures import MICROSECONDS, Sample
from bench.workers import Crowd, clients, cpu_seconds, separate

CLIENTS = 2000
TURNS = 4  # In which they come.
AT_ONCE = 64
WARM_UP = 200
PREFIXES = {"public": "bench-", "private": "private-bench-"}

LINES = tuple(
    Comparison(
        name=f"connect_{kind}",
        title=f"connect + {kind} subscribe, {CLIENTS:,} clients, CPU of each",
        unit="µs",
        scale=MICROSECONDS,
        at_most=0.5,
    )
    for kind in PREFIXES
)


@dataclass(frozen=True, slots=True)
class Entrance:
    """
    A server to which clients come.

    Attributes:
        pid: Its process.
        crowd: The clients.
    """

    pid: int
    crowd: Crowd

    async def admit(self, count: int, prefix: str) -> float:
        """Let clients come, each to a channel of its own; return the CPU seconds of one."""
        before = cpu_seconds(self.pid)
        await self.crowd.ask(f"arrive {count} {AT_ONCE} {prefix}")
        return (cpu_seconds(self.pid) - before) / count

    async def turn(self, numbers: list[int], prefix: str) -> float:
        """Let the next clients come, to channels in which nobody has been."""
        numbers.append(len(numbers))
        return await self.admit(CLIENTS // TURNS, f"{prefix}{numbers[-1]}-")


async def measure(sides: Sequence[Deployment]) -> Sample:
    """Measure public and private channels, each on fresh processes."""
    sample: dict[str, float] = {}
    for kind, prefix in PREFIXES.items():
        async with AsyncExitStack() as stack:
            entrances = [await stack.enter_async_context(_entrance(side)) for side in sides]
            for each in entrances:
                await each.admit(WARM_UP, f"{prefix}first-")
            turns = [partial(each.turn, [], prefix) for each in entrances]
            found = await by_turns(turns, times=TURNS)
            # Collections of garbage fall into some turns and not into others; all count.
            means = [fmean(side) for side in zip(*found, strict=True)]
            sample |= compared(f"connect_{kind}", [means])
    return sample


@asynccontextmanager
async def _entrance(side: Deployment) -> AsyncIterator[Entrance]:
    async with side.on_memory.running() as program, clients(program.port, APP.key) as crowd:
        separate(program.process.pid, [crowd.pid])
        yield Entrance(program.process.pid, crowd)
