"""overlays/production as processes: the servers of the tests stand where its Secret says."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest

from libs.common.apps.app import App
from libs.common.config.secret import Secret
from services.settings import SERVICES
from tests.support.deployments.commands import command
from tests.support.deployments.program import Program
from tests.support.kubernetes.given import secret
from tests.support.kubernetes.kustomize import render
from tests.support.kubernetes.pods import (
    Cluster,
    Pod,
    lay_out,
    listening,
    outcome,
    started,
    until_passes,
)
from tests.support.servers import fresh_database

OVERLAY = "production"


@dataclass(frozen=True, slots=True)
class Stage:
    """
    A deployment.

    Attributes:
        cluster: What its pods refer to.
        pods: One of each Deployment.
        programs: Their processes.
        app: Made as docs/deploy/kubernetes.md has it.
        host: A network of loopback that is the test's own, but for the last number.
    """

    cluster: Cluster
    pods: dict[str, Pod]
    programs: dict[str, Program]
    app: App
    host: str


def own_network() -> str:
    """Return a network of loopback in which hardly anybody else listens, so that ports may be the manifests' own."""
    return f"127.{secrets.randbelow(150) + 100}.{secrets.randbelow(256)}"


def secret_of(*, redis: str, postgres: str) -> dict[str, str]:
    """Make a Secret that names other servers than those of overlays/dev."""
    known = secret()
    urls = {"bus-url": redis, "roster-url": redis, "apps-url": postgres, "sightings-url": postgres}
    assert known.keys() >= urls.keys()
    return known | urls


def cluster_of(directory: Path, prefix: str, *, redis: str, kafka: str, postgres: str) -> Cluster:
    """Describe a deployment whose names in the servers begin with ``prefix``."""
    return Cluster(
        render(OVERLAY),
        {"fanfare": secret_of(redis=redis, postgres=postgres)},
        directory,
        {
            "FANFARE_BACKENDS_EVENTS": kafka,
            "FANFARE_BACKENDS_PREFIX": prefix,
            "FANFARE_DISPATCHER_GROUP": prefix,
            "FANFARE_DISPATCHER_DEAD_LETTER_TOPIC": f"{prefix}.dead-letters",
            "FANFARE_KAFKA_METADATA_INTERVAL": "1",
            "FANFARE_GATEWAY_MAX_CONNECTIONS": "100",
        },
    )


@pytest.fixture(scope="module")
async def stage(
    tmp_path_factory: pytest.TempPathFactory, redis_url: str, kafka_url: str, postgres_url: str
) -> AsyncIterator[Stage]:
    """Yield the overlay's pods, running: the Job first, then the first app, then one pod of each Deployment."""
    prefix, host = f"t{secrets.token_hex(6)}", own_network()
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(fresh_database(postgres_url, prefix))
        directory = tmp_path_factory.mktemp("pods")
        cluster = cluster_of(directory, prefix, redis=redis_url, kafka=kafka_url, postgres=database)
        status, written = await outcome(lay_out(cluster, "Job", "migrate", host=f"{host}.1"))
        assert status == 0, written
        pods = {
            name: lay_out(cluster, "Deployment", name, host=f"{host}.{number}")
            for number, name in enumerate(SERVICES, 2)
        }
        app = await _add_app(pods["dispatcher"], database, topic=f"{prefix}.events")
        programs = {
            name: await stack.enter_async_context(started(pod, listening(pod)))
            for name, pod in pods.items()
        }
        await asyncio.gather(
            *(until_passes(pods[name], programs[name], "startupProbe") for name in pods)
        )
        yield Stage(cluster, pods, programs, app, host)


async def _add_app(pod: Pod, database: str, *, topic: str) -> App:
    """Make the first app by the command of docs/deploy/kubernetes.md; its topic is then one that no other test uses."""
    config = Path(pod.environ["FANFARE_CONFIG"])
    added = await command("apps", "add", "--client-events", config=config, environ=pod.environ)
    assert added.status == 0, added.complaint
    connection = await asyncpg.connect(database)
    try:
        assert await connection.execute("UPDATE fanfare_apps SET topic = $1", topic) == "UPDATE 1"
    finally:
        await connection.close()
    told = added.variables
    return App(
        id=told["PUSHER_APP_ID"],
        key=told["PUSHER_APP_KEY"],
        secrets=(Secret(told["PUSHER_APP_SECRET"]),),
    )
