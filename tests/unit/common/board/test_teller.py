"""The teller: tells while it lives, and takes leave."""

import asyncio
import itertools

from libs.common.board.memory import MemoryBoard
from libs.common.board.port import BoardEntry
from libs.common.board.teller import Teller
from libs.common.errors import Unavailable
from tests.support.deadline import DEADLINE


class AwayBoard(MemoryBoard):
    """A board that is away as long as a test says."""

    is_away = False
    tried = 0

    async def tell(self, process: str, text: bytes, *, ttl: float) -> None:
        """See `Board.tell`."""
        self.tried += 1
        if self.is_away:
            raise Unavailable("control")
        await super().tell(process, text, ttl=ttl)

    async def withdraw(self, process: str) -> None:
        """See `Board.withdraw`."""
        if self.is_away:
            raise Unavailable("control")
        await super().withdraw(process)


async def told(board: MemoryBoard, text: bytes) -> BoardEntry:
    """Wait until a text stands there."""
    async with asyncio.timeout(DEADLINE):
        while not (found := [each for each in await board.read() if each.text == text]):
            await asyncio.sleep(0)
    return found[0]


async def test_again_and_again() -> None:
    """Each telling says how things are now; at the end nothing stands there."""
    board, numbers = AwayBoard(), itertools.count()
    teller = Teller(board, lambda: b"%d" % next(numbers), interval=0.0)
    task = asyncio.create_task(teller.run())

    entry = await told(board, b"3")
    task.cancel()
    await asyncio.wait([task])

    assert task.cancelled()
    assert (entry.process, entry.is_silent) == (teller.process, False)
    assert await board.read() == []


async def test_away() -> None:
    """While the board is away it goes on trying, and it can end."""
    board = AwayBoard()
    board.is_away = True
    task = asyncio.create_task(Teller(board, lambda: b"x", interval=0.0).run())

    async with asyncio.timeout(DEADLINE):
        while board.tried < 3:
            await asyncio.sleep(0)
    board.is_away = False
    await told(board, b"x")
    board.is_away = True
    task.cancel()
    await asyncio.wait([task])

    assert task.cancelled()


def test_names() -> None:
    """No two have the same name."""
    tellers = [Teller(MemoryBoard(), bytes) for _ in range(2)]

    assert tellers[0].process != tellers[1].process
