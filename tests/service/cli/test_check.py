"""`fanfare check` where a user has backends: real ones, some of which are not as they should be."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from libs.common.config.address import Url
from libs.common.postgres.migrate import migrate, migrations
from services.cli.checking.backends import reached
from services.settings import SERVICES, load
from tests.support.deployments.commands import command
from tests.support.fakes.otlp_receiver import FakeReceiver
from tests.support.ports.eventlogs import create
from tests.support.servers import redis_cluster, redis_server
from tests.support.servers.ports import free_port
from tests.support.servers.redis.server import connect
from tests.unit.test_settings import APP, ROUTE

# docs/operations.md, "Health".
USER = (
    "ACL SETUSER fanfare on >SECRET resetkeys ~fanfare:* resetchannels &fanfare:* -@all "
    "+@read +@write +@pubsub +@scripting +@connection +time +cluster|slots"
)


def written(tmp_path: Path, *parts: str) -> Path:
    config = tmp_path / "fanfare.toml"
    config.write_text("\n".join(parts))
    return config


def redis_of(url: str, prefix: str) -> dict[str, str]:
    names = ("BUS", "ROSTER")
    return {
        "FANFARE_BACKENDS_PREFIX": prefix,
        **{f"FANFARE_BACKENDS_{name}": url for name in names},
    }


async def checked(config: Path, **environ: str) -> dict[str, Any]:
    """Return what `fanfare check --json` found; its exit status fits that."""
    outcome = await command("check", "--json", config=config, environ=environ)
    found: dict[str, Any] = json.loads(outcome.output)
    assert outcome.status == (0 if found["ok"] else 2)
    assert outcome.complaint == ""
    return found


async def test_whole(
    tmp_path: Path, redis_url: str, kafka_url: str, database_url: str, prefix: str
) -> None:
    """All that a deployment uses is reached, and described in a line each."""
    await migrate(Url(database_url))
    topics = [f"{prefix}.events", f"{prefix}.dead"]
    for topic in topics:
        await create(kafka_url, topic)
    config = written(
        tmp_path,
        APP,
        ROUTE + f'topic = "{topics[0]}"',
        f'[dispatcher]\ndead_letter_topic = "{topics[1]}"',
    )
    environ = redis_of(redis_url, prefix) | {
        "FANFARE_BACKENDS_EVENTS": kafka_url,
        "FANFARE_BACKENDS_MEMBERSHIPS": database_url,
    }

    outcome = await command("check", config=config, environ=environ)

    good, *backends = outcome.output.splitlines()
    assert outcome.status == 0
    assert good == "the settings are good: 1 apps, 0 policies, 1 routes"
    assert [line.partition(": ")[0] for line in backends] == [
        "bus, roster, sessions, control",
        "events",
        "memberships, sightings",
    ]
    assert ": Redis 7" in backends[0]
    assert "noeviction" in backends[0]
    assert "Kafka with 1 brokers" in backends[1]
    assert backends[2].endswith("up to date")
    assert "warning" in outcome.complaint  # The Redis of tests writes nothing to disk.


async def test_nothing_there(tmp_path: Path, database_url: str, prefix: str) -> None:
    """Each backend that is not as it must be is told, also where a database lacks our tables."""
    nowhere = f"redis://127.0.0.1:{free_port()}"
    found = await checked(
        written(tmp_path, APP),
        **redis_of(nowhere, prefix),
        FANFARE_BACKENDS_MEMBERSHIPS=database_url,
    )

    away, unmigrated = found["backends"]
    assert away["settings"] == ["bus", "roster", "sessions", "control"]
    assert (away["reached"], away["url"]) == (False, nowhere)
    assert "cannot be used: " in away["errors"][0]
    assert (unmigrated["reached"], len(unmigrated["errors"])) == (True, 1)
    assert (
        f"it lacks the migration 0001_apps.sql and {len(migrations()) - 1} more: run fanfare"
        in unmigrated["errors"][0]
    )
    assert unmigrated["servers"][0]["version"]


async def test_stored_apps(tmp_path: Path, database_url: str) -> None:
    """Apps are read where they are, and judged as those of a file."""
    await migrate(Url(database_url))
    environ = {"FANFARE_BACKENDS_APPS": database_url}
    config = written(tmp_path, "")
    await command("apps", "add", "--id", "7", config=config, environ=environ)
    await command("apps", "set", "7", "--tls-only", "on", config=config, environ=environ)

    found = await checked(config, **environ)
    await command("apps", "set", "7", "--origin", "*", config=config, environ=environ)
    cookie = {"FANFARE_AUTH_COOKIE": "session"}
    refused = await command(
        "apps", "set", "7", "--origin", "null", config=config, environ=environ | cookie
    )
    open_to_all = await checked(config, **environ, **cookie)

    assert found["apps"] == 1
    assert any(text.startswith("app 7: tls_only lets nobody") for text in found["warnings"])
    assert refused.status == 2
    assert [text[:28] for text in open_to_all["errors"]] == ['app 7: "*" in allowed_origin']


async def test_hanging(tmp_path: Path, prefix: str) -> None:
    """A server that takes connections and says nothing is named, and delays no other's answer."""
    config = written(tmp_path, APP)
    connections = []

    async def hang(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    environ = redis_of(f"redis://127.0.0.1:{port}", prefix) | {
        "FANFARE_BACKENDS_EVENTS": f"kafka://127.0.0.1:{port}",
        "FANFARE_BACKENDS_MEMBERSHIPS": f"postgresql://127.0.0.1:{port}/x",
    }
    async with server:
        settings = load(path=config, environ=environ)
        replies = await reached(settings, SERVICES, deadline=0.2)
        for writer in connections:
            writer.close()

    assert [reply.trouble for reply in replies] == ["does not answer within 0.2 s"] * 3


async def test_evicting(tmp_path: Path, prefix: str) -> None:
    """A Redis that drops what it should keep is an error."""
    async with redis_server() as server, connect(server.url) as client:
        await client.config_set("maxmemory", "50mb")
        await client.config_set("maxmemory-policy", "allkeys-lru")

        found = await checked(written(tmp_path, APP), **redis_of(server.url, prefix))

    (error,) = found["errors"]
    assert "maxmemory-policy is allkeys-lru" in error


@pytest.mark.parametrize("more,tells", [((), False), (("+info",), True)])
async def test_permissions(tmp_path: Path, more: tuple[str, ...], *, tells: bool) -> None:
    """A user who may do what services need, and not ask, is told what would allow it."""
    async with redis_server() as server, connect(server.url) as client:
        await client.execute_command(*USER.split(), *more)
        url = server.url.replace("redis://", "redis://fanfare:SECRET@")

        found = await checked(written(tmp_path, APP), **redis_of(url, "fanfare"))

    assert found["errors"] == []
    (backend,) = found["backends"]
    assert bool(backend["servers"]) is tells
    assert any("+info allows that" in text for text in backend["warnings"]) is not tells
    assert "SECRET" not in json.dumps(found)


async def test_pubsub(tmp_path: Path, prefix: str) -> None:
    """Sharded pub/sub is tried at every node of the bus; one that has none is named."""
    config = written(tmp_path, APP)
    async with redis_cluster() as cluster:
        environ = redis_of(cluster.url, prefix) | {"FANFARE_BACKENDS_PUBSUB": "sharded"}
        good = await checked(config, **environ)
        async with connect(cluster.nodes[1].url) as client:
            await client.execute_command("ACL", "SETUSER", "default", "-spublish")
        bad = await checked(config, **environ)
        classic = await checked(config, **environ | {"FANFARE_BACKENDS_PUBSUB": "classic"})

    assert good["ok"]
    assert not bad["ok"]
    assert "spublish" in json.dumps(bad)
    assert classic["ok"]


@pytest.mark.parametrize("status,said", [(200, ""), (401, "it answers with status 401")])
async def test_receiver(tmp_path: Path, status: int, said: str) -> None:
    """The receiver of metrics and spans is asked for both; services run without it."""
    receiver = FakeReceiver()
    receiver.traces_status = status
    async with receiver.listening():
        found = await checked(written(tmp_path, APP, telemetry(receiver.url)))

    (told,) = found["backends"]
    assert (told["settings"], told["url"]) == (["telemetry.otlp_endpoint"], receiver.url)
    assert told["reached"] is not bool(said)
    assert found["ok"]
    assert [each.rpartition(": ")[2] for each in told["warnings"]] == [said] * bool(said)


async def test_no_receiver(tmp_path: Path) -> None:
    """One that is away is named within seconds."""
    config = written(tmp_path, APP, telemetry(f"http://127.0.0.1:{free_port()}"))

    found = await checked(config)

    (said,) = found["warnings"]
    assert said.startswith("telemetry.otlp_endpoint: http://127.0.0.1:")
    assert "it takes no metrics or spans, and services run without: " in said


def telemetry(url: str) -> str:
    return f'[telemetry]\notlp_endpoint = "{url}"'
