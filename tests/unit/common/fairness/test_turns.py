"""Long work that lets others have their turn."""

import asyncio

import pytest

from libs.common.fairness.turns import LONGEST, TURN, in_turns


async def others_during(count: int, *, turn: int = TURN, each: float = 0.0) -> list[int]:
    """Work on so many things, each for so many seconds; tell after how many others had their turns."""
    done: list[int] = []
    came: list[int] = []

    def now() -> float:
        return len(done) * each

    async def others() -> None:
        while True:
            came.append(len(done))
            await asyncio.sleep(0)

    task = asyncio.ensure_future(others())
    await asyncio.sleep(0)
    came.clear()
    async for thing in in_turns(range(count), turn=turn, clock=now):
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

    @pytest.mark.parametrize(
        "each, came", [(LONGEST * 0.4, [3, 6]), (LONGEST * 2, [1, 2, 3, 4, 5, 6])]
    )
    async def test_long(self, each: float, came: list[int]) -> None:
        """Or after less, where each takes long: an expression may."""
        assert await others_during(6, each=each) == came
