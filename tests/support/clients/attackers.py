"""Clients who mean no good: many sockets at once, which say too much or too little, or break off."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from tests.support.clients.raw_client import TEXT, RawClient
from tests.support.deadline import DEADLINE

TOGETHER = 50  # That connect at the same time.


async def caller(port: int) -> RawClient:
    """Connect to loopback, and say nothing yet."""
    connection = socket.socket()
    connection.settimeout(0)
    async with asyncio.timeout(DEADLINE):
        await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port))
    return RawClient(connection)


async def greeted(port: int, path: str, *, receives: int = 0) -> RawClient:
    """Connect and upgrade, and read the greeting; see `RawClient.connect`."""
    client = await RawClient.connect(port, path, receives=receives)
    assert (await client.frame()).opcode == TEXT
    return client


@asynccontextmanager
async def callers(port: int, many: int) -> AsyncIterator[Sequence[RawClient]]:
    """Connect many who say nothing yet; they leave in the end."""
    async with AsyncExitStack() as stack:
        clients = [await caller(port) for _ in range(many)]
        for client in clients:
            stack.callback(client.close)
        yield clients


@asynccontextmanager
async def attackers(
    port: int, path: str, many: int, *, receives: int = 4096
) -> AsyncIterator[Sequence[RawClient]]:
    """Connect many who read their greeting, and nothing more; they leave in the end."""
    async with AsyncExitStack() as stack:
        clients: list[RawClient] = []
        for _ in range(many):
            clients.append(await greeted(port, path, receives=receives))
            stack.callback(clients[-1].close)
        yield clients


async def flooding(clients: Sequence[RawClient], data: bytes) -> None:
    """Have all of them send it at the same moment, or what they can until they are cut off."""
    await asyncio.gather(*(_flood(client, data) for client in clients))


async def _flood(client: RawClient, data: bytes) -> None:
    with suppress(OSError):
        await client.write(data)
