"""
An app whose back ends and clients ask for all they can get, beside another app.

What it may have in Redis is bounded, and nobody waits for it (docs/adr/0035-tenants-apart.md).
"""

import asyncio
import json
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.client import PubSub

from libs.common.apps.app import App
from libs.common.config.secret import Secret
from tests.support.clients import pusher
from tests.support.clients.attackers import flooding
from tests.support.clients.back_ends import Answer, BackEnd, back_end, basic
from tests.support.clients.raw_client import RawClient, masked
from tests.support.clients.visitors import visitors
from tests.support.deadline import DEADLINE
from tests.support.deployments.fleet import APP, said
from tests.support.deployments.siege import ROOM, Siege, besieged
from tests.support.servers import redis_server

GREEDY = App(id="2", key="greedy-key", secrets=(Secret("greedy-secret"),), client_events=True)
IN_FORCE = 20
RULES = f"""
[[apps]]
id = "{GREEDY.id}"
key = "{GREEDY.key}"
secrets = ["{GREEDY.secrets[0].reveal()}"]
client_events = true

[apps.limits]
client_events = 0
commands = {IN_FORCE}
"""
ROUTE = f"""
[[routes]]
name = "names"
app = "{APP.id}"
topic = "fanfare.events.{APP.id}"
channels = ["names"]
event = "named"
data = {{ names = "data.names.map(name, name)" }}
"""
TRIES = 400
TOGETHER = 50  # Requests at a time.
PER_COMMAND = 1000  # Bytes of Redis, of ids as long as they may be.
EVENTS = 10_000

Call = Callable[[], Awaitable[Answer]]


class TestCommands:
    """Terminations and revocations, as fast as they can be asked for."""

    async def test_bounded(self, tmp_path: Path, backend: BackEnd) -> None:
        """
        As many are kept as may be, and not one more; another app's goes through.
        """
        async with (
            redis_server() as server,
            besieged(tmp_path, rules=RULES, redis=server.url) as siege,
            back_end(GREEDY) as greedy,
            visitors(APP) as visitor,
            Redis.from_url(server.url) as redis,
        ):
            eve, url = visitor(), siege.program.url
            await eve.connect(url)
            await eve.sign_in("eve")
            names = [secrets.token_hex(64) for _ in range(TRIES)]

            ended = await statuses(termination(greedy, url, name) for name in names)
            revoked = await statuses(revocation(greedy, url, name) for name in names)
            long = await statuses(termination(greedy, url, name * 30) for name in names[:20])
            assert (await backend.post(url, *terminate("eve"))).status == 200
            assert await eve.until_closed() == 4009

            for answers in (ended, revoked):
                assert answers == {(200, False): IN_FORCE, (429, True): TRIES - IN_FORCE}
            assert long == {(400, False): 20}
            keys = await redis.keys("*:control.*")
            kept = sum([await redis.memory_usage(key) or 0 for key in keys])
            assert kept < (2 * IN_FORCE + 1) * PER_COMMAND
            assert len(keys) <= 6


class TestWhispers:
    """Clients that say more than Redis takes."""

    async def test_in_turn(self, tmp_path: Path) -> None:
        """
        What another app's client says then is the next to be passed on, or the one after it.
        """
        many, each = 10, 100
        whisper = masked(said_in("private-x", "x" * 100))
        async with (
            redis_server() as server,
            besieged(
                tmp_path,
                rules=RULES,
                redis=server.url,
                FANFARE_GATEWAY_FRAMES="0",
                FANFARE_GATEWAY_LEASE_TTL="30",
            ) as siege,
            Redis.from_url(server.url) as redis,
            redis.pubsub() as feeds,
            greedy_clients(siege, many) as clients,
        ):
            await feeds.psubscribe("*:feed:*")
            # Redis takes nothing from now on (PUBLISH counts as a write), so that all of it waits.
            await redis.client_pause(60_000, all=False)
            await flooding(clients, whisper * each)
            await siege.until("fanfare_messages_received", many * each, float("inf"))
            await siege.ann.say(said_in(ROOM, "hello"))
            await siege.ann.say(b'{"event": "pusher:ping", "data": {}}')
            await siege.ann.until(lambda: siege.ann.frames[-1]["event"] == "pusher:pong")
            await redis.client_unpause()

            apps = await whispered(feeds, 1 + many * each)

            assert Counter(apps) == {APP.id: 1, GREEDY.id: many * each}
            assert apps.index(APP.id) <= 2
            await siege.bob.until_heard(ROOM, "hello")
            assert said(siege.program, "client_events.exceeded") == []


class TestBatch:
    """CloudEvents, as many as one request may have."""

    async def test_turns(self, tmp_path: Path) -> None:
        """
        Somebody else is answered many times while they are worked on; one more is refused.
        """
        event = {"specversion": "1.0", "id": "1", "source": "/", "type": "t", "data": {"a": 1}}
        async with besieged(tmp_path) as siege:
            pings = [await answered_during(siege, [event] * EVENTS, 202) for _ in range(2)]
            await answered_during(siege, [event] * (EVENTS + 1), 400)

            assert max(pings) >= 20, pings


class TestLists:
    """Events with long lists, for a route whose expression goes through them."""

    async def test_long(self, tmp_path: Path) -> None:
        """
        They become dead letters at once: the engine would take hours for one.
        """
        event = {"specversion": "1.0", "id": "1", "source": "/", "type": "t"}
        long = event | {"data": {"names": ["x"] * 100_000}}
        async with besieged(tmp_path, rules=ROUTE, FANFARE_BACKENDS_EVENTS="memory://") as siege:
            await answered_during(siege, [long, event | {"data": {"names": ["x"]}}], 202)

            await siege.until("fanfare_dead_letters", 1, 1)
            await siege.until("fanfare_broadcasts", 1, 1)


def terminate(user: str) -> tuple[str, bytes]:
    """Return path and body."""
    return f"/users/{user}/terminate_connections", b"{}"


def termination(backend: BackEnd, url: str, user: str) -> Call:
    return lambda: backend.post(url, *terminate(user))


def revocation(backend: BackEnd, url: str, jti: str) -> Call:
    return lambda: backend.post(url, "/auth/revoke", json.dumps({"jti": jti}).encode())


async def statuses(calls: Iterable[Call]) -> Counter[tuple[int, bool]]:
    """Make many calls; count by status, and whether it is told when to come again."""
    gate = asyncio.Semaphore(TOGETHER)

    async def made(call: Call) -> tuple[int, bool]:
        async with gate:
            answer = await call()
        return answer.status, "Retry-After" in answer.headers

    return Counter(await asyncio.gather(*map(made, calls)))


def said_in(channel: str, data: str) -> bytes:
    return json.dumps({"event": "client-said", "channel": channel, "data": data}).encode()


@asynccontextmanager
async def greedy_clients(siege: Siege, many: int) -> AsyncIterator[list[RawClient]]:
    """Have clients of the other app join a channel."""
    clients = []
    try:
        for _ in range(many):
            client = await RawClient.connect(
                siege.program.port, f"/app/{GREEDY.key}?protocol=7", receives=4096
            )
            clients.append(client)
            greeting = pusher.read((await client.frame()).payload)
            frame = pusher.subscribe_private(GREEDY, greeting["data"]["socket_id"], "private-x")
            await client.send(frame)
            assert b"subscription_succeeded" in (await client.frame()).payload
        yield clients
    finally:
        for client in clients:
            client.close()


async def whispered(feeds: PubSub, count: int) -> list[str]:
    """Return whose client events Redis announced, in order."""
    apps: list[str] = []
    async with asyncio.timeout(DEADLINE):
        async for message in feeds.listen():
            if message["type"] == "pmessage" and b"client-said" in message["data"]:
                apps.append(message["channel"].decode().rsplit(":", 1)[1].partition("/")[0])
            if len(apps) == count:
                break
    return apps


async def answered_during(siege: Siege, events: list[Any], status: int) -> int:
    """Post events as one batch; return how often the watched client is answered meanwhile."""
    headers = {
        "Content-Type": "application/cloudevents-batch+json",
        "Authorization": basic(APP.key, APP.secrets[0].reveal()),
    }
    body, url = json.dumps(events).encode(), f"{siege.program.url}/events"
    posting = asyncio.ensure_future(siege.http.post(url, data=body, headers=headers))
    pings = 0
    while not posting.done():
        await siege.ping()
        pings += 1
    assert (await posting).status == status
    return pings
