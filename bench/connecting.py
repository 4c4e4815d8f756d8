"""
How long a client waits until it is connected and subscribed, while others receive.

Clients come at a steady rate, whether or not those before them are done, and their time runs from
the instant at which they were due: a server that stalls is charged for all who would have come
meanwhile.
"""

import asyncio
import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bench import websocket
from bench.deployment import APP, Deployment
from bench.fanout import CHANNEL, MESSAGE, SIZE
from bench.figures import Sample
from bench.stream import Stream
from bench.workers import Crowd, clients
from libs.common.bus.messages import Broadcast, Publication
from libs.common.bus.port import Bus

SECONDS = 6
EVENTS_PER_SECOND = 1000
EVENTS = SECONDS * EVENTS_PER_SECOND
SUBSCRIBERS = 10  # Each receives all events.
CLIENTS_PER_SECOND = 200
LIMIT = 10.0  # Seconds after which a client counts as having waited for ever.


async def measure(deployment: Deployment) -> Sample:
    """Measure how long newcomers wait: the median, and the time that all but 1 % need (p99)."""
    async with (
        deployment.bus() as bus,
        deployment.running("gateway") as gateway,
        clients(gateway.port, APP.key) as crowd,
    ):
        await crowd.ask(f"subscribe {SUBSCRIBERS} {CHANNEL.name}")
        async with asyncio.TaskGroup() as tasks:
            delivering = tasks.create_task(_deliver(bus, crowd))
            arriving = tasks.create_task(_arrive(gateway.port))
    waits = sorted(arriving.result())
    return {
        "connect_events": delivering.result(),
        "connect_median": waits[len(waits) // 2],
        "connect_p99": waits[int(len(waits) * 0.99)],
    }


async def _deliver(bus: Bus, crowd: Crowd) -> float:
    """Publish at the rate until time is up; return how many events a second the crowd received."""
    began, size = time.monotonic(), EVENTS * SUBSCRIBERS * SIZE
    crowd.tell(f"receive {size}")
    await _publish(bus)
    await crowd.received(size)
    return EVENTS / (time.monotonic() - began)


async def _publish(bus: Bus) -> None:
    """Publish in each step what is due by then."""
    began, published = time.monotonic(), 0
    while published < EVENTS:
        due = min(int((time.monotonic() - began) * EVENTS_PER_SECOND), EVENTS)
        publication = Publication(CHANNEL, Broadcast(MESSAGE, time.time()))
        await bus.publish([publication] * (due - published))
        published = due
        await asyncio.sleep(1 / EVENTS_PER_SECOND)


async def _arrive(port: int) -> list[float]:
    """Send clients at the rate, and return how long each waited."""
    began = time.monotonic()
    newcomers = []
    async with asyncio.TaskGroup() as tasks:
        for number in range(SECONDS * CLIENTS_PER_SECOND):
            due = began + number / CLIENTS_PER_SECOND
            await asyncio.sleep(due - time.monotonic())
            newcomers.append(tasks.create_task(_wait(port, f"private-user.{number}", due)))
    return [newcomer.result() for newcomer in newcomers]


async def _wait(port: int, channel: str, due: float) -> float:
    try:
        async with asyncio.timeout(LIMIT), _subscribed(port, channel):
            return time.monotonic() - due
    except TimeoutError:
        return math.inf


@asynccontextmanager
async def _subscribed(port: int, channel: str) -> AsyncIterator[None]:
    """Connect, upgrade, be greeted, subscribe with a signature, be confirmed."""
    async with Stream.connected(port) as stream:
        stream.write(websocket.upgrade(APP.key))
        greeting = await stream.expect("pusher:connection_established")
        stream.write(websocket.subscribe_private(APP, greeting, channel))
        await stream.expect("pusher_internal:subscription_succeeded")
        yield
