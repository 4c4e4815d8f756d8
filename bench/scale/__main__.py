"""
``python -m bench.scale``: measure what the model of docs/scale.md rests on, and keep it.

It takes some minutes, writes bench/scale/constants.json, and needs what the bench needs.  `make
docs` makes the tables of the page of it.
"""

import asyncio
import os
import platform
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from bench.deployment import Deployment
from bench.fanout import CHANNEL, DATA, SIZE
from bench.scale import (
    cluster_costs,
    gateway_costs,
    redis_costs,
    roster_costs,
    service_costs,
    trials,
)
from bench.scale.constants import Constants, Place, write
from libs.common.bus.messages import Broadcast, Position, event_frame, pack
from libs.common.bus.wire import encode_entry
from tests.support.servers import Server, redis_server
from tests.support.servers.redis.server import connect

ROUNDS = 7
CLUSTER_ROUNDS = 9
SERVICE_ROUNDS = 3


async def main() -> None:
    """Measure everything, and keep it."""
    with tempfile.TemporaryDirectory(prefix="fanfare-scale-") as directory:
        async with redis_server(durable=False) as server:
            deployment = Deployment(server.url, Path(directory))
            constants = await _measure(server, deployment)
    write(constants)
    for trial in constants.trials:
        print(
            f"{trial.name}, {trial.gateways} gateways: model / measured "
            f"{trial.redis_ratio:.2f} (Redis), {trial.gateway_ratio:.2f} (gateways)"
        )


async def _measure(server: Server, deployment: Deployment) -> Constants:
    print("services", flush=True)
    services = await service_costs.measure(deployment, rounds=SERVICE_ROUNDS)
    print("cluster", flush=True)
    cluster, cluster_trials = await cluster_costs.measure(rounds=CLUSTER_ROUNDS)
    async with deployment.bus() as bus:
        print("Redis", flush=True)
        redis = await redis_costs.measure(server, bus, rounds=ROUNDS)
        print("gateway", flush=True)
        gateway = await gateway_costs.measure(deployment, bus, rounds=ROUNDS)
        print("roster", flush=True)
        known = roster_costs.Known(redis.publish, gateway.fan_out, redis.standing, gateway.standing)
        roster = await roster_costs.measure(server, deployment, known, rounds=ROUNDS)
        print("trials", flush=True)
        found = [
            await trials.spreading(
                server, deployment, bus, gateways=size, costs=(redis, gateway), pace=pace
            )
            for pace in (trials.QUIET, trials.BUSY)
            for size in trials.SIZES
        ]
        costs = redis, gateway, roster
        found += [
            await trials.gathering(server, deployment, gateways=size, costs=costs)
            for size in trials.SIZES
        ]
    return Constants(
        place=await _place(server),
        frame=SIZE,
        envelope=_envelope(),
        gateway=gateway,
        redis=redis,
        cluster=cluster,
        roster=roster,
        services=services,
        trials=tuple(found),
        cluster_trials=cluster_trials,
    )


async def _place(server: Server) -> Place:
    async with connect(server.url) as client:
        told = await client.info("server")
    return Place(
        date=datetime.now(UTC).date().isoformat(),
        cpus=len(os.sched_getaffinity(0)),
        model=_model(),
        python=platform.python_version(),
        linux=platform.release(),
        redis=told["redis_version"],
        load=os.getloadavg()[2],
    )


def _model() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _envelope() -> int:
    frame = event_frame(CHANNEL.name, "event", DATA)
    return len(encode_entry(pack(Broadcast(frame, 1.7e9)), Position("0123abcd0o0123abcd9", 1000)))


if __name__ == "__main__":
    asyncio.run(main())
