"""The board on Redis: what stays there, and what a full or a silent server does."""

from collections.abc import AsyncIterator

import pytest

from libs.common.board import redis as board_redis
from libs.common.board.redis import RedisBoard
from libs.common.config.address import Url
from libs.common.errors import Unavailable
from libs.common.redis.connection import RedisConnection
from libs.common.redis.keys import Keys
from tests.support.ports.boards import boards
from tests.support.servers import redis_server
from tests.support.servers.ports import free_port
from tests.support.servers.redis.server import connect

LONG = 3600.0  # Seconds that do not pass in a test.


@pytest.fixture
async def forgetful(redis_url: str, prefix: str) -> AsyncIterator[RedisBoard]:
    """Yield a board that keeps the silent for no time."""
    async with boards(redis_url, prefix) as (board, _):
        assert isinstance(board, RedisBoard)
        yield board


async def test_forgotten(
    forgetful: RedisBoard, redis_url: str, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has been silent for long is forgotten, by who reads and by who tells next."""
    monkeypatch.setattr(board_redis, "KEPT", 0.0)
    await forgetful.tell("a", b"text", ttl=0.001)
    while await forgetful.read():
        pass
    await forgetful.tell("b", b"text", ttl=LONG)

    async with connect(redis_url) as client:
        for kind in ("texts", "told", "lapses"):
            key = Keys(prefix).single(f"board.{kind}")
            size = client.hlen if kind == "texts" else client.zcard
            assert await size(key) == 1


async def test_expires(redis_url: str, prefix: str) -> None:
    """All that is there goes by itself, when the last process has been silent for an hour."""
    async with boards(redis_url, prefix) as (board, _):
        await board.tell("a", b"text", ttl=10.0)

    async with connect(redis_url) as client:
        names = [key async for key in client.scan_iter(f"{prefix}:*")]
        times = [await client.pttl(name) for name in names]
    assert len(names) == 3
    assert all(3_500_000 < time <= 3_610_000 for time in times)


async def test_full() -> None:
    """It works where Redis has no memory left: that is when somebody looks."""
    async with redis_server() as server, connect(server.url) as client:
        await client.config_set("maxmemory", 1)
        async with boards(server.url, "p") as (one, other):
            await one.tell("a", b"text", ttl=LONG)

            assert [entry.text for entry in await other.read()] == [b"text"]


async def test_away() -> None:
    """Without Redis nothing can be told, read or withdrawn."""
    url = Url(f"redis://127.0.0.1:{free_port()}")
    async with RedisConnection(url, "control") as connection:
        board = RedisBoard(connection, Keys("p"))
        with pytest.raises(Unavailable):
            await board.tell("a", b"", ttl=1.0)
        with pytest.raises(Unavailable):
            await board.read()
        with pytest.raises(Unavailable):
            await board.withdraw("a")
