"""What a gateway spends: on events, on clients that say nothing, on those that come."""

import asyncio
from collections.abc import Awaitable, Callable
from statistics import median

import msgspec

from bench.deployment import APP, Deployment
from bench.fanout import Server, gateway
from bench.scale.constants import GatewayCosts
from bench.scale.costs import REST, Cost, solved
from bench.scale.redis_costs import publications
from bench.workers import clients, cpu_seconds, resident_bytes, separate
from libs.common.bus.port import Bus
from libs.common.channels import Channel
from services.gateway.connections.socket import frame
from services.gateway.protocol.frames import PONG

TOGETHER = (1, 16)  # Events of one publish.
SUBSCRIBERS = (1, 500)
WARM_UP = 10
TURNS = 40  # Publishes of a round.
FIRST, LAST = 500, 1500  # Clients between which the slope is taken.
PINGS = 5
STANDING = 3.0  # Seconds.
CHECKS = 5  # That fall into such a time.

CHECKING = f"position_check = {STANDING / CHECKS}"


async def measure(deployment: Deployment, bus: Bus, *, rounds: int) -> GatewayCosts:
    """Measure all of it, each on a fresh gateway."""
    arrival, connection, channel, process = await _arrivals(deployment)
    resting, ping, check = await _silent(deployment)
    return GatewayCosts(
        fan_out=(cost := await fan_out(deployment, bus, rounds=rounds)),
        room=await room(deployment, bus, cost, rounds=rounds),
        standing=resting,
        ping=ping,
        arrival=arrival,
        check=check,
        connection=connection,
        channel=channel,
        process=process,
    )


async def fan_out(deployment: Deployment, bus: Bus, *, rounds: int) -> Cost:
    """Measure events that come together, for few subscribers and for many."""
    found: dict[tuple[int, int], float] = {}
    waking = 0.0
    for sockets in SUBSCRIBERS:
        name = f"scale-{sockets}"
        async with gateway(deployment, bus, name, sockets=sockets) as (server, _):
            for events in TOGETHER:
                found[events, sockets] = await _cost(server, events, rounds)
            if sockets == SUBSCRIBERS[0]:
                waking = await _rested(server, rounds) - found[1, sockets]
    return msgspec.structs.replace(solved(found), waking=max(0.0, waking))


async def _rested(server: Server, rounds: int) -> float:
    """Return the CPU seconds of an event after some time without."""
    costs = []
    for _ in range(rounds):
        before = cpu_seconds(server.pid)
        for _ in range(TURNS):
            await asyncio.sleep(REST)
            await server.deliver(1)
        costs.append((cpu_seconds(server.pid) - before) / TURNS)
    return median(costs)


async def room(deployment: Deployment, bus: Bus, cost: Cost, *, rounds: int) -> float:
    """Measure events that come together for a channel each; return what each channel adds."""
    _, events = TOGETHER
    channels = [Channel(APP.id, f"room-{number}") for number in range(events)]
    async with (
        deployment.running("gateway") as program,
        clients(program.port, APP.key) as crowd,
    ):
        separate(program.process.pid, [crowd.pid])
        await crowd.ask(f"spread {events} room-")
        size = sum(len(frame(each.broadcast.frame)) for each in publications(channels))

        async def send(_: int) -> None:
            await bus.publish(publications(channels))

        server = Server(program.process.pid, crowd, send, size, sockets=1)
        spent = await _cost(server, 1, rounds)
    # Each event has a subscriber of its own, so that each is a write.
    writing = events * (cost.write + cost.message)
    return max(0.0, spent - cost.seconds(events, 0) - writing) / events


async def _cost(server: Server, events: int, rounds: int) -> float:
    """Return the CPU seconds of events that come together, for all subscribers."""
    for _ in range(WARM_UP):
        await server.deliver(events)
    costs = [await server.cost(events=events, times=TURNS) for _ in range(rounds)]
    return median(costs) * events * server.sockets


async def _arrivals(deployment: Deployment) -> tuple[float, float, float, float]:
    """Measure clients that come: CPU, and memory without and with a channel of their own."""
    memory: dict[str, float] = {}
    arrival = process = 0.0
    for order in ("upgrade {}", "spread {} arrival-{}-"):
        async with (
            deployment.running("gateway") as program,
            clients(program.port, APP.key) as crowd,
        ):
            pid = program.process.pid
            separate(pid, [crowd.pid])
            process = float(resident_bytes(pid))
            await crowd.ask(order.format(FIRST, "first"))
            resident, cpu = resident_bytes(pid), cpu_seconds(pid)
            await crowd.ask(order.format(LAST - FIRST, "last"))
            arrival = (cpu_seconds(pid) - cpu) / (LAST - FIRST)
            memory[order] = (resident_bytes(pid) - resident) / (LAST - FIRST)
    connection, subscribed = memory.values()
    return arrival, connection, max(0.0, subscribed - connection), process


async def _silent(deployment: Deployment) -> tuple[float, float, float]:
    """Measure a gateway whose clients say nothing, only ask, or are compared with the bus."""
    async with (
        deployment.running("gateway") as program,
        clients(program.port, APP.key) as crowd,
    ):
        pid = program.process.pid
        await crowd.ask(f"spread {FIRST} silent-")
        resting = await _cpu(pid, _wait) / STANDING
        size = len(frame(PONG))
        pings = [await _cpu(pid, lambda: crowd.ask(f"ping {size}")) for _ in range(PINGS)]
    async with (
        deployment.running("gateway", gateway=CHECKING) as program,
        clients(program.port, APP.key) as crowd,
    ):
        await crowd.ask(f"spread {FIRST} silent-")
        checked = await _cpu(program.process.pid, _wait) / STANDING
    check = max(0.0, checked - resting) * STANDING / CHECKS / FIRST
    return resting, median(pings) / FIRST, check


async def standing(deployment: Deployment) -> float:
    """Measure a gateway with nothing to do: CPU seconds a second."""
    async with deployment.running("gateway") as program:
        return await _cpu(program.process.pid, _wait) / STANDING


async def _wait() -> None:
    await asyncio.sleep(STANDING)


async def _cpu(pid: int, work: Callable[[], Awaitable[object]]) -> float:
    before = cpu_seconds(pid)
    await work()
    return cpu_seconds(pid) - before
