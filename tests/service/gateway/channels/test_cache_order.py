"""Events of cache channels that are published while somebody comes."""

import asyncio

import pytest

from libs.common.bus.messages import Position
from libs.common.bus.port import History
from libs.common.bus.settings import HistorySettings
from libs.common.channels import Channel
from services.gateway.channels import fanout
from tests.support.clients.client import SUCCEEDED
from tests.support.fakes.faults import FaultyBus
from tests.support.ports.caches import CHANNEL, MISS, ROOM, position, publish, subscribed
from tests.support.services.gateway import place, until


class Forgetful(FaultyBus):
    """
    A bus that keeps two entries, and whose histories are read when a test says so.

    Attributes:
        histories: How many may be read.
        readings: How many were asked for.
    """

    def __init__(self) -> None:
        super().__init__(HistorySettings(max_entries=2))
        self.histories = asyncio.Semaphore(0)
        self.readings = 0

    async def history(self, channel: Channel, after: Position, *, limit: int) -> History:
        """See `Bus.history`."""
        self.readings += 1
        await self.histories.acquire()
        return await super().history(channel, after, limit=limit)


class TestOrder:
    """An event that is published while somebody comes reaches it exactly once, in order."""

    async def test_while_following(self) -> None:
        """
        What is published while the channel is being followed comes as the last event.
        """
        async with place() as here:
            await publish(here, ROOM, "1")
            here.bus.follows.clear()
            client = await here.connect()
            await client.ask(ROOM)
            await until(lambda: here.bus.held == 1)
            await publish(here, ROOM, "2", "3")
            here.bus.follows.set()

            await client.expect(SUCCEEDED, ROOM)

            assert await client.expect("news", ROOM) == 3
            await publish(here, ROOM, "4")
            assert await client.expect("news", ROOM) == 4
            await client.expect_nothing_else()

    async def test_while_reading(self) -> None:
        """
        What is published while the last event is being read comes once, and the older one not after it.
        """
        async with place() as here:
            await publish(here, ROOM, "1")
            here.bus.reads.clear()
            client = await here.connect()
            await client.ask(ROOM)
            await until(lambda: here.gateway.state().channels == 1)
            await publish(here, ROOM, "2")
            await until(lambda: position(here, CHANNEL).offset == 2)
            here.bus.reads.set()

            await client.expect(SUCCEEDED, ROOM)

            assert await client.expect("news", ROOM) == 2
            await client.expect_nothing_else()

    async def test_read_before_it_is_heard(self) -> None:
        """
        What the bus keeps already and is still on its way here comes once, after what is before it.
        """
        async with place(position_check=0.05) as here:
            here.bus.follows.clear()
            client = await here.connect()
            await client.ask(ROOM)
            await until(lambda: here.bus.held == 1)
            here.bus.loses = lambda _: True
            await publish(here, ROOM, "1", "2")
            await until(lambda: here.bus.lost == 2)
            here.bus.follows.set()

            await client.expect(SUCCEEDED, ROOM)

            assert [await client.expect("news", ROOM) for _ in range(2)] == [1, 2]
            here.bus.loses = lambda _: False
            await publish(here, ROOM, "3")
            assert await client.expect("news", ROOM) == 3
            await client.expect_nothing_else()

    async def test_in_another_life(self) -> None:
        """
        So does what the bus keeps of another life of the history, which is read from its beginning.
        """
        async with place(position_check=0.05) as here:
            await publish(here, ROOM, "1")
            here.bus.follows.clear()
            client = await here.connect()
            await client.ask(ROOM)
            await until(lambda: here.bus.held == 1)
            here.bus.loses = lambda _: True
            here.bus.lose_data()
            await publish(here, ROOM, "2")
            here.bus.follows.set()

            await client.expect(SUCCEEDED, ROOM)

            assert (await client.expect("fanfare:resync", ROOM))["reason"] == "epoch"
            assert await client.expect("news", ROOM) == 2
            await client.expect_nothing_else()

    async def test_large_crowd(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        Who comes while an event is being written to many others gets it once.
        """
        monkeypatch.setattr(fanout, "SLICE", 1)
        async with place() as here:
            crowd = [await subscribed(here, ROOM) for _ in range(10)]
            late = [await here.connect() for _ in range(3)]
            await publish(here, ROOM, *map(str, range(50)))
            for client in late:
                await client.ask(ROOM)
            await until(lambda: position(here, CHANNEL).offset == 50)
            await publish(here, ROOM, "50")

            for client in crowd:
                await client.expect(MISS, ROOM)
                assert [await client.expect("news", ROOM) for _ in range(51)] == list(range(51))
            for client in late:
                await client.expect(SUCCEEDED, ROOM)
                numbers = [(await client.read())["data"]]
                if numbers == [{}]:  # It was here before the first.
                    numbers = [-1]
                while numbers[-1] < 50:
                    numbers.append(await client.expect("news", ROOM))
                assert numbers == list(range(numbers[0], 51))

    async def test_promised_in_vain(self) -> None:
        """
        Who was to get what comes, and then it cannot be had, is told that it missed something.
        """
        bus = Forgetful()
        async with place(bus=bus) as here:
            first, second = await subscribed(here, ROOM), await here.connect()
            await first.expect(MISS, ROOM)
            bus.lose_data()
            await publish(here, ROOM, "1", "2", "3", "4", "5")
            await until(lambda: bus.readings == 1)
            bus.histories.release()
            await until(lambda: bus.readings == 2)

            await second.subscribe(ROOM)
            for _ in range(100):
                bus.histories.release()

            assert (await second.expect("fanfare:resync", ROOM))["reason"] == "expired"
            third = await subscribed(here, ROOM)
            assert await third.expect("news", ROOM) == 5
