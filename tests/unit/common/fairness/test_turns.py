"""Long work that lets others have their turn."""

import asyncio

import pytest

from libs.common.fairness.turns import TURN, in_turns


async def others_during(count: int, *, turn: int = TURN) -> list[int]:
    """Work on so many things; tell after how many each turn of somebody else came."""
    done: list[int] = []
    came: list[int] = []

    async def others() -> None:
        while True:
            came.append(len(done))
            await asyncio.sleep(0)

    task = asyncio.ensure_future(others())
    await asyncio.sleep(0)
    came.clear()
    async for thing in in_turns(range(count), turn=turn):
        done += [thing]
    task.cancel()
    assert done == list(range(count))
    return came


class TestTurns:
    """After each hundred the loop does what else it has to do."""

    @pytest.mark.parametrize(
        "count, came", [(0, []), (99, []), (100, [100]), (101, [100]), (250, [100, 200])]
    )
    async def test_hundred(self, count: int, came: list[int]) -> None:
        assert await others_during(count) == came

    async def test_other_size(self) -> None:
        assert await others_during(5, turn=2) == [2, 4]
