"""A connection that ends at the door leaves memory without the collector."""

import asyncio
import gc
import socket
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web

from libs.common.config.address import Address
from libs.common.web.door.limits import DoorLimits
from libs.common.web.listeners import listening
from tests.support.clients.raw_client import RawClient
from tests.support.services.gateway import until
from tests.support.services.listener import uncollected

MAX_HEAD = 1024
LOOPBACK = (Address("127.0.0.1", 0),)


async def resets(client: RawClient) -> None:
    client.reset()


async def leaves(client: RawClient) -> None:
    client.close()


async def says_too_much(client: RawClient) -> None:
    await client.write(b"GET /" + b"x" * MAX_HEAD)
    assert b" 431 " in await client.rest()
    client.close()


async def says_nothing(client: RawClient) -> None:
    assert await client.rest() == b""
    client.close()


def transports() -> list[object]:
    return [each for each in gc.get_objects() if isinstance(each, asyncio.Transport)]


@pytest.mark.parametrize(
    "end,timeout", [(resets, 10.0), (leaves, 10.0), (says_too_much, 10.0), (says_nothing, 0.05)]
)
async def test_nothing_is_held(end: Callable[[RawClient], Awaitable[None]], timeout: float) -> None:
    limits = DoorLimits(max_head=MAX_HEAD, handshake_timeout=timeout)
    async with listening(web.Application(), LOOPBACK, limits=limits) as (address,):
        with uncollected():
            others = transports()
            connection = socket.create_connection((address.host, address.port))
            connection.settimeout(0)
            await until(lambda: len(transports()) > len(others))

            await end(RawClient(connection))

            await until(lambda: len(transports()) == len(others))
