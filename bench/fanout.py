"""
What a delivery costs the gateway, next to what it costs a loop of write(2).

Both serve the same number of connections to the same kind of clients, and write the same number of
bytes.  An event is published when all clients have received the one before it; a burst is one
publish of sixteen events.
"""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from statistics import fmean

from bench.deployment import APP, Deployment
from bench.figures import Sample
from bench.workers import Crowd, clients, cpu_seconds, separate
from bench.yardstick import yardstick
from libs.common.bus.messages import Broadcast, Publication, event_frame
from libs.common.bus.port import Bus
from libs.common.channels import Channel
from services.gateway.connections.socket import frame

SOCKETS = 2000
DATA = "x" * 200  # The event's data: 200 bytes of text.
CHANNEL = Channel(APP.id, "bench")
MESSAGE = event_frame(CHANNEL.name, "event", DATA)
SIZE = len(frame(MESSAGE))  # With the WebSocket header: what one subscriber receives.
BURST = 16

# Turns of the gateway and of the loop in a run, alternately: what disturbs one disturbs both.
TURNS = 12
EVENTS = 10  # One at a time, in a turn.
BURSTS = 5  # To the gateway's clients, in a turn.
LOOP_BURSTS = 1  # The loop takes so much longer for one.
WARM_UP = 5


Cost = Callable[[], Awaitable[float]]
Trace = Callable[[], str]


def _untraced() -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Server:
    """
    A server with clients.

    Attributes:
        pid: The process whose CPU time counts.
        crowd: The clients.
        send: Has it write so many events to each of them.
        size: Bytes that one subscriber receives of an event.
        sockets: How many clients.
    """

    pid: int
    crowd: Crowd
    send: Callable[[int], Awaitable[None]]
    size: int
    sockets: int = SOCKETS

    async def deliver(self, events: int) -> None:
        """Send events at once, and wait until all clients have received them."""
        size = events * self.sockets * self.size
        self.crowd.tell(f"receive {size}")
        await self.send(events)
        await self.crowd.received(size)

    async def cost(self, *, events: int, times: int) -> float:
        """Return the CPU seconds of one delivery."""
        before = cpu_seconds(self.pid)
        for _ in range(times):
            await self.deliver(events)
        return (cpu_seconds(self.pid) - before) / (times * events * self.sockets)


async def measure(deployment: Deployment) -> Sample:
    """Measure single events and bursts, the gateway and the loop in turn."""
    async with (
        deployment.bus() as bus,
        gateway(deployment, bus, CHANNEL.name) as (server, _),
        _loop() as loop,
    ):
        for each in (server, loop):
            for _ in range(WARM_UP):
                await each.deliver(1)
        single, write = await _in_turn(
            lambda: server.cost(events=1, times=EVENTS), lambda: loop.cost(events=1, times=EVENTS)
        )
        joined, writes = await _in_turn(
            lambda: server.cost(events=BURST, times=BURSTS),
            lambda: loop.cost(events=BURST, times=LOOP_BURSTS),
        )
    return {
        "single": single,
        "single_loop": write,
        "single_ratio": single / write,
        "burst": 1 / joined,
        "burst_loop": 1 / writes,
        "burst_ratio": writes / joined,
    }


async def _in_turn(first: Cost, second: Cost) -> tuple[float, float]:
    """Return the mean costs of both."""
    costs = [(await first(), await second()) for _ in range(TURNS)]
    return fmean(cost for cost, _ in costs), fmean(cost for _, cost in costs)


@asynccontextmanager
async def gateway(
    deployment: Deployment,
    bus: Bus,
    name: str,
    *,
    more: str = "",
    trace: Trace = _untraced,
    sockets: int = SOCKETS,
) -> AsyncIterator[tuple[Server, str]]:
    """
    Run a gateway whose clients are all in one channel; yield where operators come, too.

    Args:
        deployment: Of which it is.
        bus: Where it hears of events.
        name: Of the channel.
        more: Further sections of its settings.
        trace: Gives the ``traceparent`` of the next event.
        sockets: How many clients.
    """
    channel = Channel(APP.id, name)
    message = event_frame(name, "event", DATA)

    async def publish(events: int) -> None:
        broadcasts = [Broadcast(message, time.time(), trace=trace()) for _ in range(events)]
        await bus.publish([Publication(channel, each) for each in broadcasts])

    async with (
        deployment.running("gateway", more=more) as program,
        clients(program.port, APP.key) as crowd,
    ):
        separate(program.process.pid, [crowd.pid])
        await crowd.ask(f"subscribe {sockets} {name}")
        size = len(frame(message))
        yield Server(program.process.pid, crowd, publish, size, sockets), program.internal_url


@asynccontextmanager
async def _loop() -> AsyncIterator[Server]:
    async with yardstick(SOCKETS, SIZE) as (loop, port), clients(port, APP.key) as crowd:

        async def write(events: int) -> None:
            await loop.ask(str(events))

        separate(loop.pid, [crowd.pid])
        await crowd.ask(f"connect {SOCKETS}")
        await loop.answer()
        yield Server(loop.pid, crowd, write, SIZE)
