"""What waits for a backend, each once."""

import asyncio
from collections.abc import Sequence

import pytest

from libs.common.errors import Unavailable
from services.gateway.presence.distinct_queue import DistinctQueue, by_parts
from tests.support.deadline import DEADLINE
from tests.support.services.gateway import QUICK


class Work:
    """Notes what it is asked to do; refuses some of it once."""

    def __init__(self) -> None:
        self.done: list[list[str]] = []
        self.refused: set[str] = set()
        self.during: list[str] = []
        self.queue: DistinctQueue[str] = DistinctQueue(self.do, QUICK)

    async def do(self, requests: list[str]) -> list[str]:
        self.done.append(requests)
        for request in self.during:
            self.queue.put(request)
        self.during = []
        left = [request for request in requests if request in self.refused]
        self.refused.clear()
        return left


@pytest.fixture
def work() -> Work:
    return Work()


async def settled(work: Work) -> None:
    async with asyncio.timeout(DEADLINE), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(work.queue.run())
        await work.queue.settled()
        running.cancel()


async def test_once(work: Work) -> None:
    """What is put twice is worked on once, in its first place."""
    for request in "aba":
        work.queue.put(request)
    assert len(work.queue) == 2

    await settled(work)

    assert work.done == [["a", "b"]]


async def test_again(work: Work) -> None:
    """What is left is tried again; put meanwhile it is worked on once more, and not twice."""
    work.refused, work.during = {"a"}, ["a", "b"]
    work.queue.put("a")

    await settled(work)

    assert work.done == [["a"], ["a", "b"]]


class TestByParts:
    """What is worked on together, where a part of the backend may be away."""

    async def test_together(self) -> None:
        """So many at a time, in their order."""
        done: list[Sequence[int]] = []

        async def work(requests: Sequence[int]) -> None:
            done.append(requests)

        assert await by_parts([1, 2, 3], work, batch=2) == []
        assert await by_parts([], work, batch=2) == []
        assert done == [[1, 2], [3]]

    async def test_alone(self) -> None:
        """Where it is away for one the others are worked on alone, and that one is left."""
        done: list[int] = []

        async def work(requests: Sequence[int]) -> None:
            if 2 in requests:
                raise Unavailable("roster")
            done.extend(requests)

        assert await by_parts([1, 2, 3, 4], work, batch=3) == [2]
        assert done == [1, 3, 4]
