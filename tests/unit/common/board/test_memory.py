"""The board in memory: how long the silent are named."""

from libs.common.board.memory import MemoryBoard
from libs.common.board.port import KEPT
from tests.support.fakes.clock import Clock


async def test_forgotten() -> None:
    """Who is silent is named for an hour, with the age of what it told last."""
    clock = Clock()
    board = MemoryBoard(clock)
    await board.tell("a", b"text", ttl=10.0)

    clock.now += 10.0
    (silent,) = await board.read()
    clock.now += KEPT - 1
    (late,) = await board.read()
    clock.now += 1

    assert (silent.is_silent, silent.age) == (True, 10.0)
    assert late.age == KEPT + 9
    assert await board.read() == []
