"""Several facts in one request."""

import asyncio
from collections.abc import Sequence

import pytest

from libs.common.lifecycle.facts import Fact, Recorded, Stream
from services.presence.webhooks.batches import Batches
from tests.support.deadline import DEADLINE


class Sent:
    """Takes batches, or has them wait."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.begun = asyncio.Event()

    async def send(self, records: Sequence[Recorded]) -> None:
        self.begun.set()
        await self.open.wait()
        self.batches.append([record.number for record in records])


def record(number: int) -> Recorded:
    return Recorded(Stream("1", 0), number, "e", Fact(kind="cache_miss", app="1", channel="c"))


async def tell(batches: Batches, *numbers: int) -> None:
    ids = [record(number).id for number in numbers]
    for number in numbers:
        batches.add(record(number))
    try:
        await batches.sent(ids)
    finally:
        batches.forget(ids)


@pytest.fixture
def sent() -> Sent:
    return Sent()


@pytest.fixture
def batches(sent: Sent) -> Batches:
    return Batches(sent.send, most=3, delay=0.0)


async def test_bound(batches: Batches, sent: Sent) -> None:
    async with asyncio.timeout(DEADLINE):
        await tell(batches, 1, 2, 3, 4)

    assert sent.batches == [[1, 2, 3], [4]]


async def test_together(batches: Batches, sent: Sent) -> None:
    """What comes while another is under way goes with the next, in order."""
    sent.open.clear()
    async with asyncio.timeout(DEADLINE), asyncio.TaskGroup() as tasks:
        tasks.create_task(tell(batches, 1))
        await sent.begun.wait()
        for number in (2, 3, 4):
            tasks.create_task(tell(batches, number))
        await asyncio.sleep(0)
        sent.open.set()

    assert sent.batches == [[1], [2, 3, 4]]


async def test_cancelled(batches: Batches, sent: Sent) -> None:
    """What nobody waits for any more is not sent, and the rest is, by who waits for it."""
    sent.open.clear()
    async with asyncio.timeout(DEADLINE), asyncio.TaskGroup() as tasks:
        first = tasks.create_task(tell(batches, 1))
        await sent.begun.wait()
        tasks.create_task(tell(batches, 2))
        await asyncio.sleep(0)
        first.cancel()
        sent.open.set()

    assert sent.batches == [[2]]


async def test_none(batches: Batches, sent: Sent) -> None:
    await tell(batches)

    assert sent.batches == []
