"""
The processes of one deployment, each started, broken and ended by itself, on servers that may be away.

The app stands in the file, unless there is a PostgreSQL for it.  Events of `Fleet.topic` with a ``room`` go to the
channel ``steps.{room}``.  Timers are short, so that what a test waits for happens soon.
"""

import asyncio
import json
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
from aiokafka import AIOKafkaProducer

from libs.common.apps.app import App
from libs.common.config.secret import Secret
from libs.common.eventlog.kafka.settings import KafkaSettings
from tests.support.deployments.deployment import migrate
from tests.support.deployments.program import Program, program
from tests.support.ports.eventlogs import SETTINGS, upstream

APP = App(id="1", key="app-key", secrets=(Secret("app-secret"),), client_events=True)

PLAIN = f"""
[[apps]]
id = "{APP.id}"
key = "{APP.key}"
secrets = ["{APP.secrets[0].reveal()}"]
client_events = true
watchlists = true
"""
_APP = f"""{PLAIN}
topic = "@.steps"
"""
_RULES = """
[[routes]]
name = "steps"
app = "1"
topic = "@.steps"
channels = ["steps.{data.room}"]
event = "step"
data = { n = "data.n" }

[[receipts]]
app = "1"
pattern = "private-chat.{room}"
"""
_TEAMS = """
[[channels]]
app = "1"
pattern = "private-team.{team}"
member_of = "team:{team}"

[[auth.issuers]]
issuer = "fanfare-dev"
audience = "fanfare"
secret = "fanfare-development-secret-0123456789"
"""


def _kafka() -> dict[str, str]:
    """Return the settings of the event log's own tests, as variables."""
    usual = KafkaSettings()
    return {
        f"FANFARE_KAFKA_{name.upper()}": str(value)
        for name, value in msgspec.structs.asdict(SETTINGS).items()
        if value != getattr(usual, name)
    }


QUICK = {
    **_kafka(),
    "FANFARE_GATEWAY_LEASE_TTL": "2",
    "FANFARE_GATEWAY_LEASE_RENEW": "1",
    "FANFARE_PRESENCE_LEASE_GRACE": "1.5",
    "FANFARE_PRESENCE_SWEEP_INTERVAL": "0.1",
    "FANFARE_DISPATCHER_RETRY_MAX": "0.5",
    "FANFARE_SERVER_DRAIN_TIMEOUT": "10",
}


@dataclass(frozen=True, slots=True)
class Fleet:
    """
    A deployment whose processes are started one by one.

    Attributes:
        directory: For its settings and the logs of its processes.
        prefix: Begins its keys and its topic.
        redis: The URL of its bus and roster; empty: in memory, for a single process.
        kafka: The URL of its event log; empty: in memory.
        postgres: The URL of the database with its apps; empty: its app stands in the file.
    """

    directory: Path
    prefix: str = field(default_factory=lambda: f"t{secrets.token_hex(6)}")
    redis: str = ""
    kafka: str = ""
    postgres: str = ""

    @property
    def topic(self) -> str:
        """The topic that its route reads, and that takes what is posted to ``/events``."""
        return f"{self.prefix}.steps"

    @property
    def group(self) -> str:
        """The consumer group of its dispatchers."""
        return self.prefix

    def write_settings(self) -> Path:
        """Write the file with its settings."""
        file = self.directory / f"{self.prefix}.toml"
        text = _RULES if self.postgres else _APP + _RULES
        file.write_text(text.replace("@", self.prefix))
        return file

    @property
    def environ(self) -> dict[str, str]:
        """The variables of its processes."""
        backends = {
            "BUS": self.redis,
            "ROSTER": self.redis,
            "EVENTS": self.kafka,
            "APPS": self.postgres,
        }
        return {
            **QUICK,
            "FANFARE_BACKENDS_PREFIX": self.prefix,
            "FANFARE_DISPATCHER_GROUP": self.group,
            "FANFARE_DISPATCHER_DEAD_LETTER_TOPIC": f"{self.prefix}.dead-letters",
            **{f"FANFARE_BACKENDS_{name}": url for name, url in backends.items() if url},
        }

    async def found(self) -> None:
        """Make the tables of its database, and put the app there."""
        await migrate(self.write_settings(), self.environ)
        connection = await asyncpg.connect(self.postgres)
        try:
            await connection.execute(
                "INSERT INTO fanfare_apps (id, key, secrets, client_events, topic) "
                "VALUES ($1, $2, $3, true, $4)",
                APP.id,
                APP.key,
                [secret.reveal() for secret in APP.secrets],
                self.topic,
            )
        finally:
            await connection.close()

    @asynccontextmanager
    async def running(
        self, *services: str, until: str = "ready", **variables: str
    ) -> AsyncIterator[Program]:
        """
        Run services in a process of their own, all four if none is named.

        Args:
            services: Their names.
            until: Which state it is waited for, see `Program.wait_for`.
            variables: Over the others.
        """
        log = self.directory / f"{'-'.join(services) or 'all'}-{secrets.token_hex(3)}.log"
        environ = self.environ | variables
        config = self.write_settings()
        async with program(
            *services, config=config, log=log, environ=environ, until=until
        ) as process:
            yield process


class Guarded(Fleet):
    """A fleet with channels for the members of teams, and users whom `tests.support.tokens.user_tokens` names."""

    def write_settings(self) -> Path:
        """See `Fleet.write_settings`."""
        file = super().write_settings()
        file.write_text(file.read_text() + _TEAMS)
        return file


class Plain(Fleet):
    """A fleet with its app alone: without routes, so that it needs no event log where `kafka` is ``none``."""

    def write_settings(self) -> Path:
        """See `Fleet.write_settings`."""
        file = self.directory / f"{self.prefix}.toml"
        file.write_text(PLAIN)
        return file


class Upstream:
    """
    A service that puts steps on a topic.

    Args:
        producer: Of its own.
        topic: Where to.
    """

    def __init__(self, producer: AIOKafkaProducer, topic: str) -> None:
        self._producer = producer
        self._topic = topic

    async def tell(
        self, room: str, numbers: Iterable[int], *, partition: int = 0, trace: str = ""
    ) -> None:
        """
        Put the steps of a room into a partition, in order, and wait until they are stored.

        Args:
            room: Whose.
            numbers: Of the steps.
            partition: Where to.
            trace: Their ``traceparent``, if they have one.
        """
        headers = [("traceparent", trace.encode())] if trace else None
        sent = [
            await self._producer.send(
                self._topic,
                json.dumps(step(room, number)).encode(),
                partition=partition,
                headers=headers,
            )
            for number in numbers
        ]
        await asyncio.gather(*sent)


def said(process: Program, event: str = "") -> list[dict[str, Any]]:
    """Return the lines of a process's log about an event, in order; all without one."""
    lines = [json.loads(line) for line in process.log.read_text().splitlines()]
    return [line for line in lines if event in {"", line["event"]}]


def complaints(process: Program) -> Counter[tuple[str, str]]:
    """Count a process's warnings and errors, by event, and the backend that each is about."""
    return Counter(
        (line["event"], line.get("backend", ""))
        for line in said(process)
        if line["level"] in {"warning", "error"}
    )


def step(room: str, n: int) -> dict[str, Any]:
    """Make an event's data that is routed to `channel`; the client hears ``{"n": n}``."""
    return {"room": room, "n": n}


def channel(room: str) -> str:
    """Return where the steps of a room are told."""
    return f"steps.{room}"


@asynccontextmanager
async def upstream_of(fleet: Fleet) -> AsyncIterator[Upstream]:
    """Open a producer of a fleet's topic."""
    async with upstream(fleet.kafka, acks="all", linger_ms=5) as producer:
        yield Upstream(producer, fleet.topic)
