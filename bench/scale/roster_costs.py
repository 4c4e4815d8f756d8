"""
What one presence channel costs by its size: joins, departures, lists, and what a gateway does.

The members that are there before are seated in the name of a gateway that is none; those whose cost
is taken come through a real one.
"""

import itertools
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from statistics import median

from bench.deployment import APP, PREFIX, Deployment
from bench.scale.constants import RosterCosts
from bench.scale.costs import Cost, solved
from bench.scale.redis_costs import used_memory
from bench.workers import Worker, cpu_seconds, members
from libs.common.channels import Channel, online_channel
from libs.common.config.address import Url
from libs.common.redis.connection import RedisConnection
from libs.common.redis.keys import Keys
from libs.common.roster.port import JoinRequest, Seat
from libs.common.roster.redis import MOST_SEATS, RedisRoster
from tests.support.deployments.program import Program
from tests.support.servers import Server

SMALL, LARGE = 10, 10_000  # Members that a channel has before.
SHOWN = 2000  # The same, where a gateway lists them.
TOGETHER = 64  # Seats of one call.
TURNS = 20
JOINING = (20, 100)  # Clients that join at once.
STORMS = 3  # Of each size.
PACE = 5  # Milliseconds between two clients that join one after the other.
LIMIT = 100_000  # That a channel may have.
PHANTOM = "phantom"  # A gateway.


@dataclass(frozen=True, slots=True)
class Known:
    """
    What was measured before.

    Attributes:
        publish: What telling the gateways costs Redis.
        fan_out: What telling clients costs the gateway.
        redis_standing: Redis, a second in which nothing happens.
        gateway_standing: The gateway, likewise.
    """

    publish: Cost
    fan_out: Cost
    redis_standing: float
    gateway_standing: float


@dataclass(frozen=True, slots=True)
class GatewayShare:
    """What a gateway spends on joins: see `RosterCosts`."""

    asked: float
    newcomer: float
    read: float
    shown: float


async def measure(
    server: Server, deployment: Deployment, known: Known, *, rounds: int
) -> RosterCosts:
    """Measure Redis alone, and then a gateway."""
    async with _roster(server) as roster:
        seat, listed = await _joins(server, roster, rounds)
        online = await _online(server, roster, rounds)
        leave, size = await _others(server, roster)
        member = await _memory(server, roster)
        share, spent = await _gateway(server, deployment, roster, known)
    telling = known.publish.write + known.publish.message
    beside = seat + online + telling + (SMALL + JOINING[1] / 2) * listed
    return RosterCosts(
        join=max(0.0, spent - beside),
        seat=seat,
        online=online,
        listed=listed,
        leave=leave,
        size=size,
        asked=share.asked,
        newcomer=share.newcomer,
        read=share.read,
        shown=share.shown,
        member=member,
        shown_bytes=len(',"user-1234":{},"user-1234"') - 1,
    )


@asynccontextmanager
async def _roster(server: Server) -> AsyncIterator[RedisRoster]:
    async with RedisConnection(Url(server.url), "roster") as connection:
        yield RedisRoster(connection, Keys(PREFIX))


def channel_of(name: str) -> Channel:
    """Name the channel that `bench.members` joins under this name."""
    return Channel(APP.id, f"presence-{name}.0")


def requests(channel: Channel, count: int) -> list[JoinRequest]:
    """Compose requests of users who have never come before."""
    run = secrets.token_hex(3)
    return [
        JoinRequest(Seat(channel, f"{run}.{number}", PHANTOM), f"{run}-{number:04d}", "{}")
        for number in range(count)
    ]


async def fill(roster: RedisRoster, channel: Channel, count: int) -> None:
    """Seat so many users, a call at a time: each is answered with all who are there."""
    for start in range(0, count, MOST_SEATS):
        await roster.join(requests(channel, min(MOST_SEATS, count - start)))


async def _joins(server: Server, roster: RedisRoster, rounds: int) -> tuple[float, float]:
    """Measure a seat of a call with many, and a member that is listed."""
    found: dict[int, tuple[float, float]] = {}
    for count in (SMALL, LARGE):
        channel = channel_of(secrets.token_hex(4))
        await fill(roster, channel, count)
        single, many = [], []
        for _ in range(rounds):
            before = cpu_seconds(server.pid)
            for _ in range(TURNS):
                await roster.members([channel])
            between = cpu_seconds(server.pid)
            await roster.join(requests(channel, TOGETHER))
            single.append((between - before) / TURNS)
            many.append(cpu_seconds(server.pid) - between)
        found[count] = median(single), median(many)
    listed = (found[LARGE][0] - found[SMALL][0]) / (LARGE - SMALL)
    call = max(0.0, found[SMALL][0] - SMALL * listed)
    there = SMALL + TOGETHER * (rounds + 1) / 2
    return max(0.0, found[SMALL][1] - call - there * listed) / TOGETHER, listed


async def _online(server: Server, roster: RedisRoster, rounds: int) -> float:
    """Measure users who come online: each is seated in a channel of its own."""
    costs = []
    for _ in range(rounds):
        run = secrets.token_hex(4)
        channels = [online_channel(APP.id, f"{run}-{number}") for number in range(TOGETHER)]
        asks = [request for each in channels for request in requests(each, 1)]
        before = cpu_seconds(server.pid)
        await roster.join(asks)
        costs.append((cpu_seconds(server.pid) - before) / TOGETHER)
    return median(costs)


async def _others(server: Server, roster: RedisRoster) -> tuple[float, float]:
    """Measure departures, and the number of members, in a large channel."""
    channel = channel_of(secrets.token_hex(4))
    await fill(roster, channel, LARGE)
    leaving = requests(channel, MOST_SEATS)
    await roster.join(leaving)
    before = cpu_seconds(server.pid)
    for request in leaving:
        await roster.leave([request.seat], grace=0)
    left = cpu_seconds(server.pid)
    for _ in leaving:
        await roster.sizes([channel])
    sized = cpu_seconds(server.pid)
    return (left - before) / len(leaving), (sized - left) / len(leaving)


async def _memory(server: Server, roster: RedisRoster) -> float:
    channel = channel_of(secrets.token_hex(4))
    await fill(roster, channel, LARGE // 2)
    before = await used_memory(server)
    await fill(roster, channel, LARGE // 2)
    return (await used_memory(server) - before) / (LARGE // 2)


async def _gateway(
    server: Server, deployment: Deployment, roster: RedisRoster, known: Known
) -> tuple[GatewayShare, float]:
    """Measure clients that join: at once, few and many, and one after the other."""
    found: dict[tuple[int, int], float] = {}
    async with (
        deployment.running("gateway", members=LIMIT) as gateway,
        members(gateway.port) as crowd,
    ):
        run = partial(_joined, server, gateway, roster, crowd, known)
        await run(JOINING[1], SMALL, 0)  # The first pay for what all share.
        for joining, there in itertools.product(JOINING, (SMALL, SHOWN)):
            storms = [(await run(joining, there, 0))[0] for _ in range(STORMS)]
            told = known.fan_out.seconds(joining, joining / 2)
            found[joining, there] = median(storms) - told
        paced = {there: await run(JOINING[1], there, PACE) for there in (SMALL, SHOWN)}
    storm, joining = solved(found), JOINING[1]
    told = known.fan_out.seconds(1, joining / 2, rested=PACE / 1000)
    (small, redis), (large, _) = paced[SMALL], paced[SHOWN]
    listed = (large - small) / joining / (SHOWN - SMALL)
    share = GatewayShare(
        asked=max(0.0, small / joining - told - storm.event),
        newcomer=storm.event,
        read=max(0.0, listed - storm.message),
        shown=storm.message,
    )
    return share, redis / joining


async def _joined(
    server: Server,
    gateway: Program,
    roster: RedisRoster,
    crowd: Worker,
    known: Known,
    joining: int,
    there: int,
    pace: int,
) -> tuple[float, float]:
    """Return the CPU seconds of the gateway, and of Redis, for clients that join."""
    name = secrets.token_hex(4)
    await fill(roster, channel_of(name), there)
    await crowd.ask(f"meet {joining}")
    began, pids = time.monotonic(), (gateway.process.pid, server.pid)
    before = [cpu_seconds(pid) for pid in pids]
    await crowd.ask(f"join {joining} {name} user {pace}")
    seconds = time.monotonic() - began
    own, redis = (cpu_seconds(pid) - then for pid, then in zip(pids, before, strict=True))
    return own - seconds * known.gateway_standing, redis - seconds * known.redis_standing
