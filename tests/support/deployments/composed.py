"""
What ``make up`` starts, without containers: the commands, settings and secrets of docker-compose.yml.

The services, Redis and HAProxy are processes on loopback; Kafka and PostgreSQL are those of the tests.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from libs.common.apps.app import App
from libs.common.config.secret import Secret
from tests.support.deployments.composition import Service, composition, secrets
from tests.support.deployments.deployment import migrate
from tests.support.deployments.haproxy import Balancer, balancer
from tests.support.deployments.program import ROOT, Program, program
from tests.support.deployments.roles import psql, roles
from tests.support.programs import find_program
from tests.support.servers.ports import free_port
from tests.support.servers.process import Launch, Server, make_directory, running
from tests.support.servers.redis.server import probe_redis

CONFIG = ROOT / "deploy" / "compose.toml"
HOSTS = {
    "gateway": ("127.21.0.1", "127.21.0.2"),
    "auth": ("127.21.0.3",),
    "dispatcher": ("127.21.0.4",),
    "presence": ("127.21.0.5",),
}


@dataclass(frozen=True, slots=True)
class Composed:
    """
    A running composition.

    Attributes:
        balancer: HAProxy, where everybody comes.
        gateways: Two.
        redis: Started as the file says.
        app: The first app.
        environ: The secrets.
        cli: The service that commands are run with.
    """

    balancer: Balancer
    gateways: tuple[Program, ...]
    redis: Server
    app: App
    environ: Mapping[str, str]
    cli: Service


@asynccontextmanager
async def composed(
    directory: Path, prefix: str, *, kafka: str, postgres: str
) -> AsyncIterator[Composed]:
    """
    Run a composition.

    Args:
        directory: For logs.
        prefix: Begins the names of its topics and its group.
        kafka: The URL of its event log.
        postgres: The URL of an empty database, and of its superuser.
    """
    environ = secrets()
    services: dict[str, Service] = composition(environ)["services"]
    ports = free_port(), free_port()
    async with AsyncExitStack() as stack:
        redis = await stack.enter_async_context(running(_redis(services["redis"], environ)))
        let_in = await stack.enter_async_context(roles(postgres, services["roles"], prefix))
        await migrate(CONFIG, services["migrate"]["environment"] | _database(let_in.owner))
        await _seed(services["app"], let_in.services, topic=f"{prefix}.events")
        here = _backends(prefix, redis=redis.url, kafka=kafka) | _database(let_in.services)
        starting = [
            program(
                *services[name]["command"][1:],
                config=CONFIG,
                log=directory / f"{host}.log",
                environ=services[name]["environment"] | here,
                host=host,
                ports=ports,
            )
            for name, hosts in HOSTS.items()
            for host in hosts
        ]
        programs = await asyncio.gather(*map(stack.enter_async_context, starting))
        before = balancer(HOSTS, port=ports[0], health_port=ports[1])
        yield Composed(
            balancer=await stack.enter_async_context(before),
            gateways=tuple(programs[:2]),
            redis=redis,
            app=App(id="1", key=environ["APP_KEY"], secrets=(Secret(environ["APP_SECRET"]),)),
            environ=environ,
            cli=services["cli"],
        )


def _database(url: str) -> dict[str, str]:
    return {"FANFARE_BACKENDS_APPS": url, "FANFARE_BACKENDS_SIGHTINGS": url}


def _backends(prefix: str, *, redis: str, kafka: str) -> dict[str, str]:
    """Return what differs from the file: where the backends are, and bounds of this machine."""
    return {
        "FANFARE_BACKENDS_BUS": redis,
        "FANFARE_BACKENDS_ROSTER": redis,
        "FANFARE_BACKENDS_EVENTS": kafka,
        "FANFARE_SERVER_TRUSTED_PROXIES": "127.0.0.1",  # HAProxy's.
        "FANFARE_DISPATCHER_GROUP": prefix,
        "FANFARE_DISPATCHER_DEAD_LETTER_TOPIC": f"{prefix}.dead-letters",
        "FANFARE_KAFKA_METADATA_INTERVAL": "1",
        "FANFARE_GATEWAY_MAX_CONNECTIONS": "100",
    }


def _redis(service: Service, environ: Mapping[str, str]) -> Launch:
    """Describe the start of Redis with the file's command, on loopback and in a directory of its own."""
    port, directory = free_port(), make_directory("redis")
    *shell, script = service["command"]
    script = script.replace("dir /data", f"dir {directory}\nbind 127.0.0.1\nport {port}")
    script = script.replace("redis-server", str(find_program("redis-server")))
    variables = [f"{name}={value}" for name, value in service["environment"].items()]
    url = f"redis://:{environ['REDIS_PASSWORD']}@127.0.0.1:{port}/0"
    return Launch(
        name="redis",
        url=url,
        command=["env", *variables, *shell, script],
        directory=directory,
        probe=lambda: probe_redis(url),
    )


async def _seed(service: Service, postgres: str, *, topic: str) -> None:
    """Make the first app as the file does; its topic is then one that no other test uses."""
    for _ in range(2):  # It is run at every start.
        await psql(postgres, service)
    connection = await asyncpg.connect(postgres)
    try:
        assert await connection.execute("UPDATE fanfare_apps SET topic = $1", topic) == "UPDATE 1"
    finally:
        await connection.close()
