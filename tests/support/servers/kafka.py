"""A single-node Kafka in KRaft mode: plain, or with SASL over TLS for its clients."""

import asyncio
import base64
import contextlib
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from tests.support.programs import KAFKA, find_program
from tests.support.servers.certificates import Certificates
from tests.support.servers.packages import classpath
from tests.support.servers.ports import free_port
from tests.support.servers.process import (
    Launch,
    NotReady,
    Server,
    make_directory,
    run_tool,
    running,
)

KAFKA_USER = "fanfare"
KAFKA_PASSWORD = "kafka-secret"
SCRAM_MECHANISMS = ("SCRAM-SHA-256", "SCRAM-SHA-512")

START_TIMEOUT = 90.0  # Seconds.  Four on an idle machine; many more on a busy one.
ANSWER_TIMEOUT = 5.0

# A test's broker lives for minutes, so what counts is that it is there soon and takes little.
JVM_OPTIONS = (
    "-Xmx384m",
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
    "-Xshare:auto",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
)

SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "INTERNAL",
    "offsets.topic.num.partitions": "4",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    # A restarted broker is let in when the session of the one that was killed is over.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "log.cleaner.dedupe.buffer.size": "16777216",
}


@asynccontextmanager
async def kafka_server(*, certificates: Certificates | None = None) -> AsyncIterator[Server]:
    """
    Run a Kafka broker.

    Args:
        certificates: Given, clients need TLS and SASL (PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512) as
            `KAFKA_USER` with `KAFKA_PASSWORD`.
    """
    async with running(await kafka_launch(certificates=certificates)) as server:
        yield server


async def kafka_launch(*, certificates: Certificates | None = None) -> Launch:
    """Format the storage of a new broker and describe its start."""
    java = [str(find_program("java")), *JVM_OPTIONS, "-cp", classpath(KAFKA)]
    port, directory = free_port(), make_directory("kafka")
    properties = directory / "server.properties"
    settings = {**SETTINGS, **_listeners(port), "log.dirs": str(directory / "data")}
    if certificates is not None:
        settings |= _secured(certificates, directory)
    properties.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
    url = f"kafka://127.0.0.1:{port}"
    await _format(java, properties)
    return Launch(
        name="kafka",
        url=url,
        command=[*java, "kafka.Kafka", str(properties)],
        directory=directory,
        probe=lambda: probe_kafka(url, certificates=certificates),
        timeout=START_TIMEOUT,
    )


def connection(url: str, *, certificates: Certificates | None = None) -> dict[str, Any]:
    """Return the arguments by which an aiokafka client connects to a server of ours."""
    servers = {"bootstrap_servers": urlsplit(url).netloc}
    if certificates is None:
        return servers
    return {
        **servers,
        "security_protocol": "SASL_SSL",
        "ssl_context": certificates.client_context(),
        "sasl_mechanism": SCRAM_MECHANISMS[-1],
        "sasl_plain_username": KAFKA_USER,
        "sasl_plain_password": KAFKA_PASSWORD,
    }


async def probe_kafka(url: str, *, certificates: Certificates | None = None) -> None:
    """
    See that a broker is there, lets us in and is part of its cluster.

    Raises:
        NotReady: It is not, or does not.
    """
    await _probe_port(url)
    client = AIOKafkaAdminClient(
        **connection(url, certificates=certificates),
        request_timeout_ms=round(ANSWER_TIMEOUT * 1000),
    )
    try:
        await client.start()
        cluster = await client.describe_cluster()
    except (KafkaError, OSError) as error:
        raise NotReady(str(error)) from error
    finally:
        await client.close()
    if not cluster["brokers"]:
        raise NotReady("the broker has not joined its cluster")


async def _probe_port(url: str) -> None:
    """Look before a Kafka client does, which would log an error."""
    address = urlsplit(f"//{urlsplit(url).netloc.split(',')[0]}")
    try:
        _, writer = await asyncio.open_connection(address.hostname, address.port or 9092)
    except OSError as error:
        raise NotReady(str(error)) from error
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


def _listeners(port: int) -> dict[str, str]:
    """Name the ports: clients have one of their own, so that only theirs needs to be secured."""
    client, internal = f"CLIENT://127.0.0.1:{port}", f"INTERNAL://127.0.0.1:{free_port()}"
    controller = f"127.0.0.1:{free_port()}"
    return {
        "listeners": f"{client},{internal},CONTROLLER://{controller}",
        "advertised.listeners": f"{client},{internal}",
        "controller.quorum.voters": f"1@{controller}",
        "listener.security.protocol.map": _protocols("PLAINTEXT"),
    }


def _protocols(client: str) -> str:
    return f"CLIENT:{client},INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT"


def _secured(certificates: Certificates, directory: Path) -> dict[str, str]:
    keystore = directory / "keystore.pem"
    keystore.touch(mode=0o600)
    keystore.write_bytes(certificates.key.read_bytes() + certificates.certificate.read_bytes())
    listener, module = "listener.name.client", "org.apache.kafka.common.security"
    scram = {
        f"{listener}.{mechanism.lower()}.sasl.jaas.config": (
            f"{module}.scram.ScramLoginModule required;"
        )
        for mechanism in SCRAM_MECHANISMS
    }
    return {
        "listener.security.protocol.map": _protocols("SASL_SSL"),
        "sasl.enabled.mechanisms": ",".join(["PLAIN", *SCRAM_MECHANISMS]),
        f"{listener}.plain.sasl.jaas.config": (
            f'{module}.plain.PlainLoginModule required user_{KAFKA_USER}="{KAFKA_PASSWORD}";'
        ),
        **scram,
        f"{listener}.ssl.keystore.type": "PEM",
        f"{listener}.ssl.keystore.location": str(keystore),
    }


async def _format(java: list[str], properties: Path) -> None:
    """Prepare the data directory; SCRAM users are part of the first metadata."""
    cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    users = [
        f"--add-scram={mechanism}=[name={KAFKA_USER},password={KAFKA_PASSWORD}]"
        for mechanism in SCRAM_MECHANISMS
    ]
    # With "=", because an id may begin with a dash.
    options = [f"--cluster-id={cluster}", f"--config={properties}", *users]
    tool = [*java, "kafka.tools.StorageTool", "format"]
    await run_tool("kafka-format", *tool, *options, directory=properties.parent)
