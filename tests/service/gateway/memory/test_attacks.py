"""Clients that do not read, or never finish what they say: those go for whom most is kept, and nobody else."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from tests.support.clients import pusher
from tests.support.clients.raw_client import CLOSE, TEXT, RawClient, masked
from tests.support.deadline import DEADLINE
from tests.support.services.gateway import Place, place, until

PATH = "/app/app-key?protocol=7"
MIB = 1 << 20
MEMORY = 8 * MIB
SOFT = int(MEMORY * 0.6)


@asynccontextmanager
async def attackers(here: Place, many: int) -> AsyncIterator[Sequence[RawClient]]:
    """Connect clients that read their greeting, and nothing more."""
    async with AsyncExitStack() as stack:
        clients = []
        for _ in range(many):
            client = await RawClient.connect(here.port, PATH, receives=4096)
            stack.callback(client.close)
            assert (await client.frame()).opcode == TEXT
            clients.append(client)
        yield clients


def kept(here: Place) -> int:
    """Return what is kept for all clients, in truth."""
    return sum(each.kept for each in here.gateway._connections)


async def test_unread() -> None:
    """
    Who does not read goes when too much waits; who reads stays, and gets everything.
    """
    async with place(memory=MEMORY, max_unsent_unknown=MIB) as here, attackers(here, 30) as slow:
        reader = await here.join("news")
        for client in slow:
            await client.send(pusher.subscribe("news"))
        await until(lambda: here.gateway.counters.answers >= 2 * len(slow) + 2)

        for number in range(100):
            await here.publish("news", f"{number} " + "x" * 50_000)
            assert (await reader.expect("news", "news")).startswith(f"{number} ")
            assert kept(here) <= SOFT + 30 * 2 * 50_100

        await until(lambda: kept(here) <= SOFT)
        assert set(here.gateway.counters.closed) == {4100}
        assert len(here.gateway._connections) >= 1


async def test_unfinished() -> None:
    """
    Messages that are never finished are bounded in all, whoever has sent most goes first.
    """
    async with place(memory=MEMORY) as here, attackers(here, 150) as clients:
        reader = await here.join("news")
        for number, client in enumerate(clients):
            await client.write(masked(b"x" * (30_000 + 200 * number), final=False))

        await until(lambda: 4100 in here.gateway.counters.closed)
        await until(lambda: kept(here) <= SOFT)
        await here.publish("news", "hello")
        assert await reader.expect("news", "news") == "hello"
        assert {connection.kept for connection in here.gateway._connections} >= {0}


async def test_unfinished_at_once() -> None:
    """
    So it is where a message comes with the request itself.
    """
    half = masked(b"x" * 40_000, final=False)
    never = 10 * DEADLINE
    async with place(memory=MEMORY, message_timeout=never) as here, AsyncExitStack() as stack:
        for _ in range(150):
            client = await RawClient.connect(here.port, PATH, first=half)
            stack.callback(client.close)

        await until(lambda: 4100 in here.gateway.counters.closed)
        await until(lambda: kept(here) <= SOFT)


async def test_told_while_paused() -> None:
    """
    Who is sent away is told so, with whatever of it waited to be read.
    """
    async with place(memory=MEMORY, frames=1.0, frames_burst=1) as here:
        client = await RawClient.connect(here.port, PATH)
        assert (await client.frame()).opcode == TEXT
        (connection,) = here.gateway._connections
        await client.write(masked(b"{}") * 20_000)
        await until(lambda: connection.waits)

        connection.expel("too much")

        assert connection.socket.transport.is_reading()
        frames = [await client.frame()]
        while frames[-1].opcode != CLOSE:
            frames.append(await client.frame())
        assert frames[-1].code == 4100


async def test_newcomers() -> None:
    """
    Above the hard bound newcomers are refused before the upgrade, with a time after which they may return.
    """
    async with place(memory=MEMORY) as here:
        here.gateway._holdings.add(MEMORY)
        response = await here.ask(
            PATH,
            headers={
                "Upgrade": "websocket",
                "Connection": "Upgrade",
                "Sec-WebSocket-Version": "13",
                "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
            },
        )
        assert (response.status, response.headers["Retry-After"]) == (503, "1")

        await until(lambda: not here.gateway._holdings.is_full)
        await here.connect()


@pytest.mark.parametrize("user", ["", "ann"])
async def test_unknown(user: str) -> None:
    """
    For a client that has shown nothing less may wait than for one that is known.
    """
    channel = "presence-room" if user else "news"
    async with place(max_unsent_unknown=300_000) as here:
        await here.join(channel, user=user)
        (connection,) = here.gateway._connections

        assert connection.socket.max_unsent == (MIB if user else 300_000)
