"""Where requests wait for a backend."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.gateway.channels.retry_queue import RetryQueue
from tests.support.deadline import DEADLINE


class Worker:
    """Does what it can: numbers that are not in its way."""

    def __init__(self) -> None:
        self.done: list[int] = []
        self.cannot: set[int] = set()
        self.failures = 0
        self.may = asyncio.Event()
        self.may.set()

    async def work(self, numbers: list[int]) -> list[int]:
        await self.may.wait()
        self.done += [number for number in numbers if number not in self.cannot]
        left = [number for number in numbers if number in self.cannot]
        if left:
            self.failures += 1
            self.cannot.clear()
        return left


@asynccontextmanager
async def running(queue: RetryQueue[int]) -> AsyncIterator[None]:
    task = asyncio.create_task(queue.run())
    try:
        async with asyncio.timeout(DEADLINE):
            yield
    finally:
        task.cancel()


class TestRetryQueue:
    """Worked on together, and tried again for as long as a backend is away."""

    async def test_order(self) -> None:
        """
        Requests are worked on in the order of their coming, whenever they come.
        """
        worker = Worker()
        queue = RetryQueue(worker.work)
        async with running(queue):
            for number in range(10):
                queue.put(number)
                await asyncio.sleep(0)
            await queue.settled()

        assert worker.done == list(range(10))

    async def test_again(self) -> None:
        """
        What failed is tried again, before what came after it.
        """
        worker = Worker()
        worker.cannot = {1, 3}
        queue = RetryQueue(worker.work)
        async with running(queue):
            for number in range(5):
                queue.put(number)
            await queue.settled()

        assert worker.done == [0, 2, 4, 1, 3]
        assert worker.failures == 1

    async def test_length(self) -> None:
        """
        What is being worked on counts as waiting.
        """
        worker = Worker()
        worker.may.clear()
        queue = RetryQueue(worker.work)
        async with running(queue):
            queue.put(1)
            await asyncio.sleep(0)
            queue.put(2)
            assert len(queue) == 2

            worker.may.set()
            await queue.settled()
            assert len(queue) == 0

    async def test_settled_once_more(self) -> None:
        """
        It is settled when nothing waits, and again when what came later is done.
        """
        worker = Worker()
        queue = RetryQueue(worker.work)
        async with running(queue):
            await queue.settled()
            queue.put(1)
            await queue.settled()

        assert worker.done == [1]
