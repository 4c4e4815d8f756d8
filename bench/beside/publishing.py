"""
What an event costs that is posted over HTTP, by itself or in a batch: CPU, and the rate.

Once to one process with all services, where nobody is subscribed; once through Redis to a gateway
where each channel has a subscriber, and the CPU of dispatcher, gateway and Redis counts.
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

TURNS = 5
CHANNELS = 100
AT_ONCE = 64  # Subscribers that are on their way.
WARM_UP = 500
PREFIX = "bench-"
EVENTS = {1: 1000, 10: 5000}  # Of a turn, by the events of a request.
WORDS = {1: "one a request", 10: "ten a request"}
MEMORY_AT_MOST = {1: 0.45, 10: 0.60}
REDIS_AT_MOST = 0.70
NO_LOG = 'events = "none"'

LINES = tuple(
    Comparison(
        name=f"publish_{batch}",
        title=f"HTTP publish, {words}: CPU an event",
        unit="µs",
        scale=MICROSECONDS,
        at_most=MEMORY_AT_MOST[batch],
    )
    for batch, words in WORDS.items()
) + tuple(
    Comparison(name=f"publish_{batch}_rate", title=f"HTTP publish, {words}", unit="events/s")
    for batch, words in WORDS.items()
)
REDIS_LINES = tuple(
    Comparison(
        name=f"publish_redis_{batch}",
        title=f"HTTP publish through Redis, {words}: CPU an event",
        unit="µs",
        scale=MICROSECONDS,
        at_most=REDIS_AT_MOST,
    )
    for batch, words in WORDS.items()
)


async def measure(sides: Sequence[Deployment]) -> Sample:
    """Measure one process with all services."""
    async with AsyncExitStack() as stack:
        desks = [await stack.enter_async_context(_on_memory(side)) for side in sides]
        return await _measured(desks, "publish", rates=True)


async def measure_redis(sides: Sequence[Deployment], redis: int) -> Sample:
    """Measure the way through Redis, which has this process id."""
    async with AsyncExitStack() as stack:
        desks = [
            await stack.enter_async_context(_on_redis(side, redis, f"publish-{number}"))
            for number, side in enumerate(sides)
        ]
        return await _measured(desks, "publish_redis")


async def _measured(desks: Sequence[Desk], name: str, *, rates: bool = False) -> Sample:
    sample: dict[str, float] = {}
    for batch, count in EVENTS.items():
        for each in desks:
            await each.publish(WARM_UP, batch)
            each.rates.clear()
        turns = [partial(each.publish, count, batch) for each in desks]
        sample |= compared(f"{name}_{batch}", await by_turns(turns, times=TURNS))
        if rates:
            pairs = list(zip(*(each.rates for each in desks), strict=True))
            sample |= compared(f"{name}_{batch}_rate", pairs)
    return sample


@asynccontextmanager
async def _on_memory(side: Deployment) -> AsyncIterator[Desk]:
    async with side.on_memory.running() as program, publishers(program.port) as back_ends:
        separate(program.process.pid, [back_ends.pid])
        pids = [program.process.pid]
        yield Desk(pids=pids, back_ends=back_ends, channels=CHANNELS, prefix=PREFIX)


@asynccontextmanager
async def _on_redis(side: Deployment, redis: int, prefix: str) -> AsyncIterator[Desk]:
    async with (
        side.running("gateway", backends=NO_LOG, prefix=prefix) as gateway,
        side.running("dispatcher", backends=NO_LOG, prefix=prefix) as dispatcher,
        clients(gateway.port, APP.key) as crowd,
        publishers(dispatcher.port) as back_ends,
    ):
        await crowd.ask(f"seat {CHANNELS} 1 {CHANNELS} {AT_ONCE} {PREFIX}")
        yield Desk(
            pids=[gateway.process.pid, dispatcher.process.pid, redis],
            back_ends=back_ends,
            channels=CHANNELS,
            prefix=PREFIX,
            audience=Audience(crowd, 1),
        )
