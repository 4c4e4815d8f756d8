"""
Strangers who listen to ever new names, and a Redis that has little memory.

How fast one of them may do so other limits say: here there are ever new ones.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import redis.asyncio

from libs.common.redis.keys import PARTITIONS
from tests.support.clients import pusher
from tests.support.clients.attackers import attackers
from tests.support.clients.back_ends import BackEnd
from tests.support.clients.raw_client import RawClient
from tests.support.deployments.fleet import APP, said
from tests.support.deployments.siege import MIB, PATH, Siege, besieged
from tests.support.servers import redis_server
from tests.support.servers.redis.server import connect

SOCKETS = 6
AT_ONCE = 100  # Channels of each, as many as it may have.
ROUNDS = 6
LITTLE = (
    4 * MIB
)  # Beside what Redis has in use before they come: what is asked for at once takes some of it.
OURS = 2 * PARTITIONS  # Keys that come without them: origins, leases, counts, the board.


@asynccontextmanager
async def on_redis(directory: Path) -> AsyncIterator[tuple[Siege, redis.asyncio.Redis]]:
    """Besiege a program that has a Redis of its own."""
    async with (
        redis_server(durable=False) as server,
        connect(server.url) as client,
        besieged(directory, redis=server.url, FANFARE_GATEWAY_LINGER="0") as siege,
    ):
        yield siege, client


async def used(client: redis.asyncio.Redis) -> int:
    """Tell how many bytes Redis has in use."""
    told = await client.info("memory")
    return int(told["used_memory"])


def names(mark: str) -> list[str]:
    """Make up names that nobody has asked for."""
    return [f"{mark}-{number}-{'x' * 120}" for number in range(AT_ONCE)]


async def join(client: RawClient, channels: list[str]) -> None:
    """Join channels, and see that it succeeds."""
    for name in channels:
        await client.send(pusher.subscribe(name))
    for _ in channels:
        event = pusher.read((await client.frame()).payload)["event"]
        assert event == "pusher_internal:subscription_succeeded"


async def leave(client: RawClient, channels: list[str]) -> None:
    """Leave channels."""
    for name in channels:
        await client.send(pusher.unsubscribe(name))


async def visit(client: RawClient, mark: str) -> None:
    """Join new channels, and leave them again."""
    await join(client, names(mark))
    await leave(client, names(mark))


async def test_new_names(tmp_path: Path, backend: BackEnd) -> None:
    """
    Of thousands of names that were asked for nothing is left, and who publishes is heard all the while.
    """
    async with on_redis(tmp_path) as (siege, client):
        await siege.ann.join("news")
        keys, room = await client.dbsize(), await used(client) + LITTLE
        await client.config_set("maxmemory", room)

        async def is_as_before() -> bool:
            return await client.dbsize() <= keys + OURS

        for number in range(ROUNDS):
            marks = [f"{number}-{place}" for place in range(SOCKETS)]
            async with attackers(siege.program.port, PATH, SOCKETS, receives=0) as clients:
                await asyncio.gather(*map(visit, clients, marks))
            assert (await backend.publish(siege.program.url, "news", number)).status == 200
            await siege.program.wait_until(
                "keys", is_as_before
            )  # Who has gone is counted for a moment.
        await siege.ann.until_number("news", ROUNDS)
        assert await used(client) < room
        assert said(siege.program, "backend.lost") == []


async def test_no_memory(tmp_path: Path, backend: BackEnd) -> None:
    """
    While Redis has none, who only listens is let in, and who goes is missed; then all is made up for.
    """
    hall, news = "presence-hall", f"/apps/{APP.id}/channels/news"
    async with on_redis(tmp_path) as (siege, client):
        await siege.ann.join(hall, user="ann")
        await siege.bob.join(hall, user="bob")
        keys = await client.dbsize()
        await client.config_set("maxmemory", 1)
        async with attackers(siege.program.port, PATH, SOCKETS, receives=0) as clients:
            await asyncio.gather(*(join(each, names(str(n))) for n, each in enumerate(clients)))
            await siege.ann.join("news")
            await siege.bob.say(pusher.unsubscribe(hall))
            await siege.ann.until_members(hall, "ann")
            await siege.bob.ask("presence-late", user="bob")
            assert (await backend.publish(siege.program.url, "news", 1)).status == 503
            assert await client.dbsize() <= keys + OURS
            assert not siege.bob.is_in("presence-late")

            await client.config_set("maxmemory", 0)
            await siege.bob.until_in("presence-late")
            assert (await backend.publish(siege.program.url, "news", 2)).status == 200
            await siege.ann.until_heard("news", 2)

        async def is_counted() -> bool:
            answer = await backend.get(siege.program.url, news)
            return answer.status == 200 and answer.body["occupied"] is True

        await siege.program.wait_until("counted", is_counted)
