"""What many ask for at the same time is done in one go."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from libs.common.errors import Unavailable
from services.presence.receipts.batched_calls import BatchedCalls, TooManyWaiting
from tests.support.deadline import DEADLINE


class Work:
    """
    Doubles numbers.

    Attributes:
        batches: What was asked, batch by batch.
        gate: While it is not set, it takes its time.
        is_away: Whether it fails.
    """

    def __init__(self) -> None:
        self.batches: list[Sequence[int]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.is_away = False

    async def __call__(self, asked: Sequence[int]) -> Sequence[int]:
        self.batches.append(asked)
        await self.gate.wait()
        if self.is_away:
            raise Unavailable("bus")
        return [2 * each for each in asked]


@pytest.fixture
def work() -> Work:
    return Work()


@asynccontextmanager
async def running(work: Work) -> AsyncIterator[BatchedCalls[int, int]]:
    """Run calls of at most 4 at once, of which 10 may wait."""
    calls = BatchedCalls(work, "receipts", at_once=4, most_waiting=10)
    async with asyncio.timeout(DEADLINE), asyncio.TaskGroup() as tasks:
        task = tasks.create_task(calls.run())
        yield calls
        task.cancel()


async def test_alone(work: Work) -> None:
    """Who asks alone waits for nobody."""
    async with running(work) as calls:
        assert await calls.ask([1, 2]) == [2, 4]
        assert await calls.ask([3]) == [6]

    assert work.batches == [[1, 2], [3]]


async def test_together(work: Work) -> None:
    """What comes while a batch is under way is the next, as far as it fits; each gets its own answer."""
    work.gate.clear()
    async with running(work) as calls, asyncio.TaskGroup() as tasks:
        asked = [tasks.create_task(calls.ask([1]))]
        while not work.batches:
            await asyncio.sleep(0)
        asked += [tasks.create_task(calls.ask(each)) for each in ([2, 3], [4], [5, 6])]
        await asyncio.sleep(0)
        work.gate.set()

    assert [task.result() for task in asked] == [[2], [4, 6], [8], [10, 12]]
    assert work.batches == [[1], [2, 3, 4], [5, 6]]


async def test_away(work: Work) -> None:
    """All of a batch are told, and the next ones are tried."""
    work.is_away = True
    async with running(work) as calls:
        failed = await asyncio.gather(calls.ask([1]), calls.ask([2]), return_exceptions=True)
        work.is_away = False
        again = await calls.ask([1])

    assert [type(error) for error in failed] == [Unavailable, Unavailable]
    assert {str(error) for error in failed} == {"the bus backend is unavailable"}
    assert failed[0] is not failed[1]
    assert again == [2]


async def test_full(work: Work) -> None:
    """Too many do not wait: they are told to come again, and there is room when a batch begins."""
    work.gate.clear()
    async with running(work) as calls, asyncio.TaskGroup() as tasks:
        tasks.create_task(calls.ask([1]))
        while not work.batches:
            await asyncio.sleep(0)
        tasks.create_task(calls.ask([2] * 4))
        tasks.create_task(calls.ask([3] * 4))
        await asyncio.sleep(0)

        with pytest.raises(TooManyWaiting, match="more than 10 receipts"):
            await calls.ask([4] * 3)
        tasks.create_task(calls.ask([5, 5]))
        await asyncio.sleep(0)
        work.gate.set()

    assert [len(batch) for batch in work.batches] == [1, 4, 4, 2]


async def test_gone(work: Work) -> None:
    """Who asked and is gone by now takes no answer from the others."""
    work.gate.clear()
    async with running(work) as calls, asyncio.TaskGroup() as tasks:
        gone, other = [tasks.create_task(calls.ask([each])) for each in (1, 2)]
        while not work.batches:
            await asyncio.sleep(0)
        gone.cancel()
        await asyncio.sleep(0)
        work.gate.set()
        assert await other == [4]


async def test_end(work: Work) -> None:
    """When the process ends, nobody waits for ever."""
    work.gate.clear()
    async with asyncio.timeout(DEADLINE), asyncio.TaskGroup() as tasks, running(work) as calls:
        asked = [tasks.create_task(_trouble(calls, each)) for each in (1, 2)]
        while not work.batches:
            await asyncio.sleep(0)

    assert [task.result() for task in asked] == ["receipts", "receipts"]
    with pytest.raises(Unavailable):
        await calls.ask([3])


async def _trouble(calls: BatchedCalls[int, int], number: int) -> str:
    try:
        await calls.ask([number])
    except Unavailable as error:
        return error.backend
    return ""
