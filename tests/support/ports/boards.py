"""Boards on any backend, as two processes have them."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from libs.common.board.memory import MemoryBoard
from libs.common.board.port import MOST, Board
from libs.common.board.redis import RedisBoard
from libs.common.config.address import Url
from libs.common.redis.connection import RedisConnection
from libs.common.redis.keys import Keys

MEMORY = "memory://"


@asynccontextmanager
async def boards(url: str, prefix: str, *, most: int = MOST) -> AsyncIterator[tuple[Board, Board]]:
    """Open the board of one deployment twice."""
    if url == MEMORY:
        memory = MemoryBoard(most=most)
        yield memory, memory
        return
    async with AsyncExitStack() as stack:
        one, other = [
            await stack.enter_async_context(RedisConnection(Url(url), "control")) for _ in range(2)
        ]
        keys = Keys(prefix)
        yield RedisBoard(one, keys, most=most), RedisBoard(other, keys, most=most)
