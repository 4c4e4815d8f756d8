"""
Whole deployments, so that one journey is made on all of them.

`in_one_process` is what ``make run`` starts; `in_many` is what an SRE runs: two gateways, auth, dispatcher and
presence as processes of their own on Redis, Kafka and PostgreSQL.
"""

import asyncio
import base64
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
from aiokafka import AIOKafkaProducer

from tests.support.clients.pusherjs import echo_options, options
from tests.support.deployments.commands import command
from tests.support.deployments.program import Program, program
from tests.support.ports.eventlogs import create
from tests.support.tokens import user_tokens
from tests.support.tokens.keys import pair

KEY, SECRET, OLD_SECRET = "app-key", "app-secret", "app-secret-of-last-year"
MASTER_KEY = "nxzvbGF+f8FGhk/jOaZvgMle1tqxzF/VfUZLBLhhaH0="
RULES = """
[gateway]
sign_in_wait = 2

# So long that no list clears by itself while a busy machine looks at it.
[presence]
typing_ttl = 60

[[channels]]
app = "1"
pattern = "private-company.{company_id}"
allow = "company_id in claims.companies"

[[channels]]
app = "1"
pattern = "private-team.{team}"
member_of = "team:{team}"

[[channels]]
app = "1"
pattern = "private-encrypted-team.{team}"
member_of = "team:{team}"

[[channels]]
app = "1"
pattern = "presence-team.{team}"
member_of = "team:{team}"

[[channels]]
app = "1"
pattern = "presence-room.{room}"
allow = "true"

[[channels]]
app = "1"
pattern = "private-{kind}.{room}"
allow = "kind in ['room', 'cache-room', 'encrypted-room', 'encrypted-cache-room']"

[[channels]]
app = "1"
pattern = "presence-cache-room.{room}"
allow = "true"

[[channels]]
app = "1"
pattern = "private-App.Models.User.{user_id}"
allow = "user.id == user_id"

[[channels]]
app = "1"
pattern = "offers.{company_id}"
allow = "company_id in claims.companies"

[[receipts]]
app = "1"
pattern = "presence-room.{room}"

[[receipts]]
app = "1"
pattern = "private-room.{room}"

[[auth.issuers]]
issuer = "fanfare-dev"
audience = "fanfare"
secret = "fanfare-development-secret-0123456789"
user_info = { name = "name" }

[[routes]]
name = "reservations"
app = "1"
topic = "@bookings"
type = "reservation.*"
channels = ["private-company.{data.company_id}"]
event = "{type}"
data = { id = "data.id", step = "data.step" }

[[routes]]
name = "greetings"
app = "1"
topic = "@bookings"
type = "user.*"
channels = ["#server-to-user-{data.user}"]
event = "{type}"
data = { number = "data.number" }

[[routes]]
name = "products"
app = "1"
topic = "@products"
type = "products.*"
channels = ["products.{data.tenant}"]
event = "{type}"
data = { id = "data.id", name = "data.name" }
"""
APP = f"""
[[apps]]
id = "1"
key = "{KEY}"
secrets = ["{SECRET}", "{OLD_SECRET}"]
client_events = true
watchlists = true
subscription_counts = true
encryption_master_key = "{MASTER_KEY}"
topic = "@bookings"
"""


@dataclass(slots=True)
class Deployment:
    """
    A running deployment.

    Attributes:
        gateways: Two, or the one process twice.
        auth: Where clients are authorised.
        dispatcher: Where back ends post.
        presence: Where it is asked who is there.
        prefix: Begins the names of its topics.
        kafka: Its brokers, ``host:port``; None where the event log is in memory.
    """

    gateways: tuple[Program, Program]
    auth: Program
    dispatcher: Program
    presence: Program
    prefix: str
    kafka: str | None = None
    _producer: AIOKafkaProducer | None = field(default=None, repr=False)

    def options(self, gateway: int, *, user: str | None = None, **claims: Any) -> dict[str, Any]:
        """Return pusher-js's options for a client of one of the gateways."""
        bearer = user_tokens.token(sub=user, **claims) if user else None
        entry = self.gateways[gateway]
        made = options(entry.host, entry.port, bearer=bearer)
        made["channelAuthorization"]["endpoint"] = f"{self.auth.url}/broadcasting/auth"
        made["userAuthentication"]["endpoint"] = f"{self.auth.url}/broadcasting/user-auth"
        return made

    def echo(
        self, gateway: int, broadcaster: str, *, user: str | None = None, **claims: Any
    ) -> dict[str, Any]:
        """Return Laravel Echo's options for a page at one of the gateways."""
        bearer = user_tokens.token(sub=user, **claims) if user else None
        entry = self.gateways[gateway]
        made = echo_options(entry.host, entry.port, broadcaster=broadcaster, key=KEY, bearer=bearer)
        made["authEndpoint"] = f"{self.auth.url}/broadcasting/auth"
        made["userAuthentication"]["endpoint"] = f"{self.auth.url}/broadcasting/user-auth"
        return made

    async def tell(self, kind: str, data: Any, **attributes: str) -> None:
        """Emit a CloudEvent about bookings: to Kafka where there is one, else over HTTP."""
        event = {
            "specversion": "1.0",
            "id": str(uuid.uuid4()),
            "source": "/tests",
            "type": kind,
            "data": data,
            **attributes,
        }
        headers = {"Content-Type": "application/cloudevents+json"}
        if self.kafka:
            await self.produce("bookings", event, headers)
            return
        basic = base64.b64encode(f"{KEY}:{SECRET}".encode()).decode()
        headers["Authorization"] = f"Basic {basic}"
        url = f"{self.dispatcher.url}/events"
        async with (
            aiohttp.ClientSession() as http,
            http.post(url, data=json.dumps(event), headers=headers) as response,
        ):
            assert response.status == 202, await response.text()

    async def produce(self, topic: str, value: Any, headers: dict[str, str] | None = None) -> None:
        """Put a record on one of the deployment's topics in Kafka; bytes go as they are."""
        assert self._producer is not None, "this deployment has no Kafka"
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        encoded = [(name.lower(), text.encode()) for name, text in (headers or {}).items()]
        await self._producer.send_and_wait(self.topic(topic), body, headers=encoded)

    def topic(self, name: str) -> str:
        """Return the full name of one of the deployment's topics."""
        return f"{self.prefix}.{name}"


@asynccontextmanager
async def in_one_process(
    directory: Path, prefix: str, *, more: str = "", ports: tuple[int, int] | None = None
) -> AsyncIterator[Deployment]:
    """
    Run all services in one process, on memory.

    Args:
        directory: For its settings and its log.
        prefix: Begins the names of its topics.
        more: Further settings of the app, as TOML.
        ports: See `program`.
    """
    config = directory / "memory.toml"
    config.write_text((APP + more + RULES).replace("@", f"{prefix}.") + _token_keys())
    async with program(config=config, log=directory / "all.log", ports=ports) as all_four:
        yield Deployment((all_four, all_four), all_four, all_four, all_four, prefix)


@asynccontextmanager
async def in_many(
    directory: Path, prefix: str, *, redis: str, kafka: str, postgres: str
) -> AsyncIterator[Deployment]:
    """Run two gateways and the other services as processes of their own, on real servers."""
    config = directory / "many.toml"
    config.write_text(RULES.replace("@", f"{prefix}.") + _token_keys())
    environ = {
        "FANFARE_BACKENDS_PREFIX": prefix,
        "FANFARE_BACKENDS_BUS": redis,
        "FANFARE_BACKENDS_ROSTER": redis,
        "FANFARE_BACKENDS_EVENTS": kafka,
        "FANFARE_BACKENDS_APPS": postgres,
        "FANFARE_BACKENDS_MEMBERSHIPS": postgres,
        "FANFARE_DISPATCHER_GROUP": prefix,
        "FANFARE_DISPATCHER_DEAD_LETTER_TOPIC": f"{prefix}.dead-letters",
        "FANFARE_GATEWAY_LEASE_TTL": "2",
        "FANFARE_GATEWAY_LEASE_RENEW": "0.5",
        "FANFARE_PRESENCE_LEASE_GRACE": "1",
    }
    await migrate(config, environ)
    await _add_app(postgres, prefix)
    for topic in ("bookings", "products"):  # One that comes later is noticed only after a while.
        await create(kafka, f"{prefix}.{topic}")
    async with AsyncExitStack() as stack:

        async def start(name: str, *services: str) -> Program:
            log = directory / f"{name}.log"
            return await stack.enter_async_context(
                program(*services, config=config, log=log, environ=environ)
            )

        one, two, auth, dispatcher, presence = await asyncio.gather(
            start("gateway-1", "gateway"),
            start("gateway-2", "gateway"),
            start("auth", "auth"),
            start("dispatcher", "dispatcher"),
            start("presence", "presence"),
        )
        brokers = kafka.removeprefix("kafka://")
        async with AIOKafkaProducer(bootstrap_servers=brokers, acks="all") as producer:
            yield Deployment((one, two), auth, dispatcher, presence, prefix, brokers, producer)


def _token_keys() -> str:
    """Compose the section of the key that signs channel tokens, made for this run."""
    public, private = pair("EdDSA")
    return f"""
[[tokens.keys]]
kid = "tests"
public_key = '''{public}'''
private_key = '''{private}'''
"""


async def migrate(config: Path, environ: dict[str, str]) -> None:
    """Run ``fanfare migrate``."""
    outcome = await command("migrate", config=config, environ=environ)
    assert outcome.status == 0, outcome


async def _add_app(url: str, prefix: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(
            "INSERT INTO fanfare_apps (id, key, secrets, client_events, watchlists, "
            "subscription_counts, encryption_master_key, topic) "
            "VALUES ('1', $1, $2, true, true, true, $3, $4)",
            KEY,
            [SECRET, OLD_SECRET],
            MASTER_KEY,
            f"{prefix}.bookings",
        )
    finally:
        await connection.close()
