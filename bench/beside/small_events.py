"""
What a small event costs from HTTP to its few subscribers, where there are many channels.

One process with all services.  Its clients are at most so many; where channels have more seats than
that, each client has several.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from bench.beside.comparison import Comparison, compared
from bench.beside.desk import Audience, Desk
from bench.beside.turns import by_turns
from bench.deployment import APP, Deployment
from bench.figures import MICROSECONDS, Sample
from bench.workers import clients, publishers, separate
from tests.support.deployments.program import Program

TURNS = 3
EVENTS = 1000  # Of a turn.
WARM_UP = 500
AT_ONCE = 64  # Clients that are on their way.
MOST_CLIENTS = 2000
CHANNELS = (100, 2000)
AT_MOST = {1: 0.60, 5: 0.70, 20: None}  # By the subscribers of a channel.

LINES = tuple(
    Comparison(
        name=f"small_{channels}_{subscribers}",
        title=f"small events, {channels:,} channels of {subscribers}: CPU an event",
        unit="µs",
        scale=MICROSECONDS,
        at_most=bound,
    )
    for channels in CHANNELS
    for subscribers, bound in AT_MOST.items()
)


async def measure(sides: Sequence[Deployment]) -> Sample:
    """Measure all numbers of channels and subscribers, in the same processes."""
    async with AsyncExitStack() as stack:
        programs = [await stack.enter_async_context(side.on_memory.running()) for side in sides]
        sample: dict[str, float] = {}
        for channels in CHANNELS:
            for subscribers in AT_MOST:
                found = await _measured(programs, channels, subscribers)
                sample |= compared(f"small_{channels}_{subscribers}", found)
        return sample


async def _measured(
    programs: Sequence[Program], channels: int, subscribers: int
) -> list[list[float]]:
    async with AsyncExitStack() as stack:
        desks = [
            await stack.enter_async_context(_desk(program, channels, subscribers))
            for program in programs
        ]
        for each in desks:
            await each.publish(WARM_UP, 1)
        turns = [partial(each.publish, EVENTS, 1) for each in desks]
        return await by_turns(turns, times=TURNS)


@asynccontextmanager
async def _desk(program: Program, channels: int, subscribers: int) -> AsyncIterator[Desk]:
    connections = min(MOST_CLIENTS, channels * subscribers)
    prefix = f"bench-{channels}-{subscribers}-"  # Nobody was in these channels before.
    async with clients(program.port, APP.key) as crowd, publishers(program.port) as back_ends:
        separate(program.process.pid, [crowd.pid, back_ends.pid])
        await crowd.ask(f"seat {channels} {subscribers} {connections} {AT_ONCE} {prefix}")
        yield Desk(
            pids=[program.process.pid],
            back_ends=back_ends,
            channels=channels,
            prefix=prefix,
            audience=Audience(crowd, subscribers),
        )
