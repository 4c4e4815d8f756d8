"""Subscribers of many channels are told at once, and of one channel one thing after the other."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from libs.common.bus.memory import MemoryBus
from libs.common.bus.messages import Broadcast
from libs.common.channels import Channel
from libs.common.marks.mark import Mark
from libs.common.marks.port import Reading
from services.presence.receipts import announcer
from services.presence.receipts.announcer import ReadAnnouncer
from services.presence.receipts.pending import PAUSE
from tests.support.deadline import DEADLINE
from tests.support.fakes.clock import Clock

SLOW, QUICK, OTHER = (Channel("1", f"private-{name}") for name in ("slow", "quick", "other"))


class SlowBus(MemoryBus):
    """A bus that takes its time for some channels, as where one master is about to be given up."""

    def __init__(self) -> None:
        super().__init__()
        self.slow: set[Channel] = set()
        self.goes_on = asyncio.Event()
        self.told: list[Channel] = []

    async def whisper(self, channel: Channel, broadcast: Broadcast) -> None:
        self.told.append(channel)
        if channel in self.slow:
            await self.goes_on.wait()
        await super().whisper(channel, broadcast)


@asynccontextmanager
async def running(bus: SlowBus, clock: Clock) -> AsyncIterator[ReadAnnouncer]:
    telling = ReadAnnouncer(bus, clock)
    async with asyncio.timeout(DEADLINE), asyncio.TaskGroup() as tasks:
        task = tasks.create_task(telling.run())
        yield telling
        task.cancel()


def reading(channel: Channel, number: int = 1) -> Reading:
    return Reading(channel, "7", Mark(number))


async def test_one_is_slow() -> None:
    """Who is told late keeps nobody else waiting, whatever else is to be told to it."""
    bus, clock = SlowBus(), Clock()
    bus.slow = {SLOW}
    async with running(bus, clock) as telling, asyncio.TaskGroup() as tasks:
        late = tasks.create_task(telling.tell([reading(SLOW)]))
        while not bus.told:
            await asyncio.sleep(0)
        await telling.tell([reading(QUICK)])
        clock.now += PAUSE
        later = tasks.create_task(telling.tell([reading(SLOW, 2)]))
        await telling.tell([reading(QUICK, 2)])
        during = [*bus.told], late.done(), later.done()
        bus.goes_on.set()

    assert during == ([SLOW, QUICK, QUICK], False, False)
    assert bus.told == [SLOW, QUICK, QUICK, SLOW]


async def test_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """So many channels are told at once, and no more; the next follows one that was."""
    monkeypatch.setattr(announcer, "AT_ONCE", 2)
    bus = SlowBus()
    bus.slow = {SLOW, QUICK, OTHER}
    async with running(bus, Clock()) as telling, asyncio.TaskGroup() as tasks:
        tasks.create_task(telling.tell([reading(each) for each in (SLOW, QUICK, OTHER)]))
        while len(bus.told) < 2:
            await asyncio.sleep(0)
        for _ in range(10):
            await asyncio.sleep(0)
        assert len(bus.told) == 2
        bus.goes_on.set()

    assert len(bus.told) == 3
