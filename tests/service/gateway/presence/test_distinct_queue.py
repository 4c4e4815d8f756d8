"""What waits for a backend, each once."""

import asyncio

import pytest

from services.gateway.presence.distinct_queue import DistinctQueue
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
