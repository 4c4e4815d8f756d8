"""
How fast members join presence channels, and how soon a dead gateway's members are gone.

A thousand users ask at the same time, as after an outage, all on one gateway: into a hundred
channels of ten members, ten of a hundred, one of a thousand.  Each is answered with a list of the
members, and the others are told who came.
"""

import asyncio
import secrets
import time

from bench import websocket
from bench.deployment import APP, MEMBERS, Deployment
from bench.figures import Sample
from bench.stream import Stream
from bench.workers import Worker, cpu_seconds, members

SIZES = (10, 100, 1000)
WATCHER = 1  # Who is told, on a gateway that lives.

LEASE_TTL, LEASE_GRACE = 1.0, 1.0  # Seconds; shorter than by default.
_GATEWAY = f"lease_ttl = {LEASE_TTL}\nlease_renew = {LEASE_TTL / 4}"
_PRESENCE = f"[presence]\nlease_grace = {LEASE_GRACE}"
LIMIT = 30.0  # Seconds after which they count as never gone.


async def measure(deployment: Deployment) -> Sample:
    """Measure joins a second by the size of the channel, and the time until the dead are gone."""
    return {**await _join(deployment), "settled": await _settle(deployment)}


async def _join(deployment: Deployment) -> Sample:
    figures: dict[str, float] = {}
    async with deployment.running("gateway") as gateway, members(gateway.port) as crowd:
        await _cost(crowd, gateway.process.pid, SIZES[0])  # The first pay for what all share.
        for size in SIZES:
            seconds, cost = await _cost(crowd, gateway.process.pid, size)
            figures |= {f"join_{size}": MEMBERS / seconds, f"join_{size}_cpu": MEMBERS / cost}
    return {**figures, "join_ratio": figures["join_1000_cpu"] / figures["join_10_cpu"]}


async def _cost(crowd: Worker, pid: int, size: int) -> tuple[float, float]:
    """Have all join channels of a size; return the seconds, and those of the gateway's CPU."""
    await crowd.ask(f"meet {MEMBERS}")
    before = cpu_seconds(pid)
    answer = await crowd.ask(f"join {size} {secrets.token_hex(4)}")
    return int(answer.removeprefix("done ")) / 1e6, cpu_seconds(pid) - before


async def _settle(deployment: Deployment) -> float:
    """Kill a gateway with all members of a channel but one; return the seconds until it is told."""
    name = secrets.token_hex(4)
    async with (
        deployment.running("gateway", gateway=_GATEWAY) as living,
        deployment.running("gateway", gateway=_GATEWAY) as dying,
        deployment.running("presence", gateway=_GATEWAY, more=_PRESENCE),
        members(dying.port) as crowd,
        Stream.connected(living.port) as watcher,
    ):
        size = MEMBERS - WATCHER
        await crowd.ask(f"meet {size}")
        await crowd.ask(f"join {size} {name}")
        watcher.write(websocket.upgrade(APP.key))
        greeting = await watcher.expect("pusher:connection_established")
        asks = websocket.subscribe_presence(APP, greeting, f"presence-{name}.0", user_id="watcher")
        watcher.write(asks)
        await watcher.expect("pusher_internal:subscription_succeeded")
        dying.kill()
        began = time.monotonic()
        async with asyncio.timeout(LIMIT):
            for _ in range(size):
                await watcher.expect("pusher_internal:member_removed")
        return time.monotonic() - began
