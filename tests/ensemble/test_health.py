"""What a process answers operators while its backends are away, refuse, and come back."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest

from tests.ensemble.conftest import prepared
from tests.support.deadline import DEADLINE
from tests.support.deployments.deployment import migrate
from tests.support.deployments.fleet import Fleet, Guarded, said
from tests.support.deployments.program import Program
from tests.support.servers import redis_server
from tests.support.servers.kafka import kafka_launch
from tests.support.servers.postgres import postgres_launch
from tests.support.servers.redis.server import connect, redis_launch

GATEWAY = {"gateway": {"bus", "roster", "control"}}
AUTH = {"auth": {"control", "rates"}}
DISPATCHER = {"dispatcher": {"bus", "roster", "control", "rates"}}
PRESENCE = {"presence": {"roster", "control", "rates"}}


class Said(NamedTuple):
    """An answer to an operator."""

    status: int
    body: Any


async def asked(url: str) -> Said:
    """Ask a process for its health."""
    async with aiohttp.ClientSession() as http, http.get(url) as response:
        return Said(response.status, await response.json())


async def health(process: Program) -> Mapping[str, int]:
    """Return the status of every question for machines."""
    internal, public = process.internal_url, process.url
    urls = {
        "live": f"{internal}/health/live",
        "ready": f"{internal}/health/ready",
        "started": f"{internal}/health/started",
        "up": f"{public}/up",
        "websocket": f"{public}/health/websocket",
    }
    return {name: (await asked(url)).status for name, url in urls.items()}


async def deps(process: Program) -> Said:
    """Return what a process says of its backends."""
    return await asked(f"{process.internal_url}/health/deps")


async def becomes_well(process: Program) -> None:
    """Wait until all backends are there."""
    async with asyncio.timeout(DEADLINE):
        while (await deps(process)).status != 200:
            pass


def lost(process: Program) -> Counter[str]:
    """Count how often each backend was lost."""
    return Counter(line["backend"] for line in said(process, "backend.lost"))


READY = {"live": 200, "ready": 200, "started": 200, "up": 200, "websocket": 200}
STARTING = {"live": 200, "ready": 503, "started": 503, "up": 503, "websocket": 503}


@pytest.mark.parametrize(
    "uses",
    [GATEWAY, AUTH, DISPATCHER, PRESENCE, GATEWAY | AUTH | DISPATCHER | PRESENCE],
    ids=["gateway", "auth", "dispatcher", "presence", "all"],
)
async def test_redis_comes_and_refuses(
    tmp_path: Path, kafka_url: str, uses: Mapping[str, set[str]]
) -> None:
    """
    A process is ready by itself when Redis comes, and stays so; what it says of Redis is true at any time.
    """
    everybody = set().union(*uses.values())
    async with prepared(redis_launch()) as redis:
        fleet = Fleet(tmp_path, redis=redis.url, kafka=kafka_url)
        control = {"FANFARE_BACKENDS_CONTROL": redis.url}
        async with fleet.running(*uses, until="live", **control) as process:
            assert await health(process) == STARTING
            status, told = await deps(process)
            assert status == 503
            away = told["checks"]
            assert ("canary" in told) == ("bus" in everybody)
            for service, backends in uses.items():
                assert {name for name, state in away[service].items() if state != "ok"} == backends
                assert all("Connect call failed" in away[service][name] for name in backends)
            body = (await asked(f"{process.url}/up")).body
            assert body["status"] == "unhealthy"
            assert "starting" in body["error"]

            await redis.start()
            await process.wait_until_ready()
            await becomes_well(process)
            assert await health(process) == READY
            assert lost(process) == dict.fromkeys(everybody, 1)
            assert len(said(process, "backend.found")) == len(everybody)
            assert len(said(process, "process.ready")) == 1

            async with connect(redis.url) as client:
                await client.config_set("maxmemory", 1)
                status, told = await deps(process)
                full = told["checks"]
                assert await health(process) == READY
                await client.config_set("maxmemory", 0)
            needs_memory = everybody & {"bus", "roster"}
            refused = {state for states in full.values() for state in states.values()} - {"ok"}
            assert status == (503 if needs_memory else 200)
            assert all(state.startswith("away: OOM command not allowed") for state in refused)
            assert bool(refused) is bool(needs_memory)
            await becomes_well(process)
            assert lost(process) == {name: 1 + (name in needs_memory) for name in everybody}

            redis.kill()
            assert (await deps(process)).status == 503
            assert await health(process) == READY


async def test_no_kafka(tmp_path: Path) -> None:
    """The Pusher API needs no Kafka: the dispatcher is ready without, and says what is missing."""
    async with prepared(await kafka_launch()) as kafka, redis_server() as redis:
        fleet = Fleet(tmp_path, redis=redis.url, kafka=kafka.url)
        control = {"FANFARE_BACKENDS_CONTROL": redis.url}
        async with fleet.running("dispatcher", **control) as process:
            status, body = await deps(process)

            assert status == 503
            assert "Connect call failed" in body["checks"]["dispatcher"]["events"]
            assert await health(process) == READY


@pytest.mark.parametrize("service", ["gateway", "auth", "dispatcher"])
async def test_database(tmp_path: Path, redis_url: str, kafka_url: str, service: str) -> None:
    """A process is ready when the database is there, and has the tables; what is missing is told."""
    async with prepared(await postgres_launch()) as postgres:
        fleet = Guarded(tmp_path, redis=redis_url, kafka=kafka_url, postgres=postgres.url)
        environ = {"FANFARE_BACKENDS_CONTROL": redis_url}
        if service == "auth":
            environ["FANFARE_BACKENDS_MEMBERSHIPS"] = postgres.url
        async with fleet.running(service, until="live", **environ) as process:
            assert await health(process) == STARTING
            never = (await deps(process)).body["checks"][service]

            await postgres.start()
            async with asyncio.timeout(DEADLINE):
                while (
                    "run fanfare migrate"
                    not in (await deps(process)).body["checks"][service]["apps"]
                ):
                    pass
            unmigrated = (await deps(process)).body["checks"][service]
            assert await health(process) == STARTING

            await migrate(fleet.write_settings(), fleet.environ)
            await process.wait_until_ready()
            await becomes_well(process)

            postgres.kill()
            killed = (await deps(process)).body["checks"][service]
            assert await health(process) == READY

    for states in (never, unmigrated, killed):
        for name in ("apps", "memberships") if service == "auth" else ("apps",):
            assert states[name].startswith("away: ")
    assert "Connect call failed" in never["apps"]
