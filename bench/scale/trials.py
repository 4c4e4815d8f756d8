"""
Real gateways, one to three of them on one Redis, beside the simulation of the same.

Events come at a fixed pace, to channels that every gateway follows; and users join one channel, at
a pace too.  What the real processes spent, by event that was delivered or by member, stands beside
what the simulation spends of the same times and places.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace

from bench.deployment import APP, Deployment
from bench.scale.constants import GatewayCosts, RedisCosts, RosterCosts, Trial
from bench.scale.gathering import REDIS, gather
from bench.scale.queueing import Course
from bench.scale.redis_costs import publications
from bench.scale.spreading import spread
from bench.workers import Crowd, Worker, clients, cpu_seconds, members, separate
from libs.common.bus.port import Bus
from libs.common.channels import Channel
from services.gateway.connections.socket import frame
from tests.support.deployments.program import Program
from tests.support.servers import Server

SIZES = (1, 2, 3)  # Gateways.
CHANNELS = 4
MEMBERS = 300  # That join one channel, over all gateways.
PACE_OF_JOINS = 6  # Milliseconds between two.
WARM_UP = 0.5  # Seconds.


@dataclass(frozen=True, slots=True)
class Pace:
    """
    How events come.

    Attributes:
        name: What the trial is called.
        pipelines: A second.
        seconds: For how long.
        subscribers: Of each channel and gateway.
    """

    name: str
    pipelines: float
    seconds: float
    subscribers: int


QUIET = Pace("events", pipelines=100, seconds=4.0, subscribers=25)
BUSY = Pace("many events", pipelines=1000, seconds=3.0, subscribers=5)


@dataclass(frozen=True, slots=True)
class Spent:
    """
    What processes spent.

    Attributes:
        redis: CPU seconds of Redis.
        gateways: CPU seconds of all gateways.
    """

    redis: float
    gateways: float


async def spreading(
    server: Server,
    deployment: Deployment,
    bus: Bus,
    *,
    gateways: int,
    costs: tuple[RedisCosts, GatewayCosts],
    pace: Pace = QUIET,
) -> Trial:
    """Have real gateways deliver events that come at a pace, and the simulation the same."""
    prefix = secrets.token_hex(3)
    channels = [Channel(APP.id, f"{prefix}-{number}") for number in range(CHANNELS)]
    async with _running(deployment, gateways) as programs, AsyncExitStack() as stack:
        crowds = [await stack.enter_async_context(clients(p.port, APP.key)) for p in programs]
        for crowd in crowds:
            for channel in channels:
                await crowd.ask(f"subscribe {pace.subscribers} {channel.name}")
        _apart(programs, crowds)
        await _publish(bus, crowds, channels, replace(pace, seconds=WARM_UP))
        before, began = _spent(server, programs), time.monotonic()
        times = await _publish(bus, crowds, channels, pace)
        after, seconds = _spent(server, programs), time.monotonic() - began
    redis, gateway = costs
    layout = [{f"gateway {n}": pace.subscribers for n in range(gateways)} for _ in channels]
    published = [(at, range(CHANNELS)) for at in times]
    course = spread(redis.publish, gateway.fan_out, layout, published, room=gateway.room)
    deliveries = len(times) * CHANNELS * pace.subscribers * gateways
    _add_standing(course, seconds, redis.standing, gateway.standing)
    return _trial(pace.name, gateways, deliveries, (before, after), course)


async def gathering(
    server: Server,
    deployment: Deployment,
    *,
    gateways: int,
    costs: tuple[RedisCosts, GatewayCosts, RosterCosts],
    joining: int = MEMBERS,
) -> Trial:
    """Have users join one channel through real gateways, and the simulation the same."""
    name = secrets.token_hex(3)
    async with _running(deployment, gateways) as programs, AsyncExitStack() as stack:
        crowds = [await stack.enter_async_context(members(p.port)) for p in programs]
        _apart(programs, crowds)
        await _join(crowds, joining, f"{name}-first")  # The first pay for what all share.
        before, began = _spent(server, programs), time.monotonic()
        await _join(crowds, joining, name)
        after, seconds = _spent(server, programs), time.monotonic() - began
    redis, gateway, roster = costs
    course = gather(
        roster,
        redis.publish,
        gateway.fan_out,
        gateways=gateways,
        members=joining,
        rate=1000 / PACE_OF_JOINS,
    )
    _add_standing(course, seconds, redis.standing, gateway.standing)
    return _trial("joins", gateways, joining, (before, after), course)


@asynccontextmanager
async def _running(deployment: Deployment, gateways: int) -> AsyncIterator[list[Program]]:
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(deployment.running("gateway")) for _ in range(gateways)
        ]


def _apart(programs: Sequence[Program], crowds: Sequence[Worker]) -> None:
    for program, crowd in zip(programs, crowds, strict=True):
        separate(program.process.pid, [crowd.pid])


def _spent(server: Server, programs: Sequence[Program]) -> Spent:
    return Spent(
        redis=cpu_seconds(server.pid),
        gateways=sum(cpu_seconds(each.process.pid) for each in programs),
    )


async def _publish(
    bus: Bus, crowds: Sequence[Crowd], channels: Sequence[Channel], pace: Pace
) -> list[float]:
    """Publish at a pace, until all clients have everything; return when each pipeline went."""
    count = round(pace.pipelines * pace.seconds)
    sizes = [len(frame(each.broadcast.frame)) for each in publications(channels)]
    whole = count * pace.subscribers * sum(sizes)
    for crowd in crowds:
        crowd.tell(f"receive {whole}")
    began, times = time.monotonic(), []
    for number in range(count):
        await asyncio.sleep(max(0.0, began + number / pace.pipelines - time.monotonic()))
        times.append(time.monotonic() - began)
        await bus.publish(publications(channels))
    for crowd in crowds:
        await crowd.received(whole)
    return times


async def _join(crowds: Sequence[Worker], count: int, name: str) -> None:
    share = count // len(crowds)
    for crowd in crowds:
        await crowd.ask(f"meet {share}")
    for number, crowd in enumerate(crowds):
        crowd.tell(f"join {count} {name} user-{number} {PACE_OF_JOINS * len(crowds)}")
    for crowd in crowds:
        await crowd.answer()


def _add_standing(course: Course, seconds: float, redis: float, gateway: float) -> None:
    """Add what processes spend though nothing happens."""
    for station in course.busy:
        course.busy[station] += seconds * (redis if station == REDIS else gateway)


def _trial(
    name: str, gateways: int, things: int, spent: tuple[Spent, Spent], course: Course
) -> Trial:
    before, after = spent
    simulated = sum(busy for station, busy in course.busy.items() if station != REDIS)
    return Trial(
        name=name,
        gateways=gateways,
        redis=(after.redis - before.redis) / things,
        redis_simulated=course.busy[REDIS] / things,
        gateway=(after.gateways - before.gateways) / things,
        gateway_simulated=simulated / things,
    )
