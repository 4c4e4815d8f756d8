"""Which channels are found to be behind the bus, and when they are compared."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from libs.common.bus.messages import Entry, Position
from libs.common.channels import online_channel
from services.gateway.channels.hub import Hub
from services.gateway.channels.position_check import PositionCheck
from services.gateway.timers import Timers
from tests.support.deadline import DEADLINE
from tests.support.fakes.faults import FaultyBus
from tests.support.services.gateway import publication, until

AGES = 100 * DEADLINE
OFTEN = Timers(poll=0.001, retry_first=0.001, retry_longest=0.001)


class Checked:
    """
    A check that runs, of one channel of which two entries were published.

    Attributes:
        bus: Has them.
        hub: Follows the channel, from before them.
        unseated: Whether seats may have been lost.
        check: What is tested.
        top: The channel's position on the bus.
    """

    def __init__(self, interval: float) -> None:
        self.bus = FaultyBus()
        self.hub: Hub[Any] = Hub()
        self.unseated = asyncio.Event()
        self.check = PositionCheck(
            self.bus, self.hub, interval=interval, unseated=self.unseated, timers=OFTEN
        )
        self.top = Position("", 0)

    async def begin(self) -> None:
        """Publish, and follow."""
        first, second = publication("a", "1"), publication("a", "2")
        await self.bus.publish([first, second])
        (self.top,) = (await self.bus.tops([first.channel])).values()
        self.hub.open(first.channel, Position(self.top.epoch, 0), now=0.0)

    def deliver(self) -> None:
        """Have the newest entry delivered after all."""
        one = publication("a", "2")
        room = self.hub.room(one.channel)
        assert room is not None
        self.hub.advance(room, Entry(one.channel, self.top, one.broadcast))

    async def cleared(self) -> None:
        """Wait until there is no doubt any more."""
        await until(lambda: not self.check.is_in_doubt)

    def behind(self) -> list[str]:
        """Name what is behind."""
        return [channel.name for channel in self.check.behind()]


@asynccontextmanager
async def checked(interval: float = AGES) -> AsyncIterator[Checked]:
    it = Checked(interval)
    await it.begin()
    running = asyncio.create_task(it.check.run())
    try:
        yield it
    finally:
        running.cancel()
        await asyncio.wait([running])


async def test_doubt() -> None:
    """After a doubt everything is compared, and what is behind is named once."""
    async with checked() as it:
        it.check.doubt()

        await it.cleared()

        assert it.unseated.is_set()
        assert it.behind() == ["a"]
        assert it.behind() == []


async def test_doubt_of_some() -> None:
    """Where the doubt is of some channels alone, the others are not asked for."""
    async with checked() as it:
        other = publication("b", "1")
        await it.bus.publish([other])
        it.hub.open(other.channel, Position("another", 7), now=0.0)

        it.check.doubt(frozenset({other.channel}))
        await it.cleared()
        assert it.unseated.is_set()
        assert it.behind() == ["b"]

        it.check.doubt(frozenset({other.channel}))
        it.check.doubt()
        it.check.doubt(frozenset({other.channel}))
        await it.cleared()
        assert sorted(it.behind()) == ["a", "b"]


async def test_doubt_of_some_while_the_bus_is_away() -> None:
    """The doubt stays one of these channels alone."""
    async with checked() as it:
        it.bus.is_away = True
        it.check.doubt(frozenset({online_channel("1", "ann"), publication("a", "1").channel}))
        await until(lambda: it.bus.refusals > 2)
        it.hub.open(publication("b", "1").channel, Position("another", 7), now=0.0)

        it.bus.is_away = False

        await it.cleared()
        assert it.behind() == ["a"]


async def test_delivered_since() -> None:
    """What deliveries have brought up to date since it was compared needs no repair."""
    async with checked() as it:
        it.check.doubt()
        await it.cleared()

        it.deliver()

        assert it.behind() == []


async def test_first_entries() -> None:
    """A channel that had no entry is behind once it has some, and not where they have come since."""
    async with checked() as it:
        quiet, found = publication("quiet", "1"), publication("found", "1")
        for each in (quiet, found):
            (origin,) = (await it.bus.tops([each.channel])).values()
            it.hub.open(each.channel, origin, now=0.0)
            (position,) = await it.bus.publish([each])
        it.check.doubt(frozenset({quiet.channel, found.channel}))
        await it.cleared()

        it.hub.judge(Entry(found.channel, position, found.broadcast))

        assert it.behind() == ["quiet"]


async def test_begun_anew_since() -> None:
    """Who has come to the first entry of a new history is not behind the origin that was read before."""
    async with checked() as it:
        it.bus.lose_data()
        it.check.doubt()
        await it.cleared()
        (it.top,) = await it.bus.publish([publication("a", "1")])

        it.deliver()

        assert it.behind() == []


async def test_bus_away() -> None:
    """While the bus is away the doubt stays, and seats are not touched."""
    async with checked() as it:
        it.bus.is_away = True
        it.check.doubt()
        await until(lambda: it.bus.refusals > 2)
        assert it.check.is_in_doubt
        assert not it.unseated.is_set()

        it.bus.is_away = False

        await it.cleared()
        assert it.behind() == ["a"]


async def test_silent() -> None:
    """Without a doubt silent channels are compared after an interval; no seat is taken again."""
    async with checked(interval=0.01) as it:
        await until(lambda: it.behind() == ["a"])

        assert not it.unseated.is_set()


async def test_own_channels_of_users() -> None:
    """Where users' connections are seated nothing is published, and nothing is compared."""
    async with checked() as it:
        own = online_channel("1", "ann")
        it.hub.open(own, Position("another", 7), now=0.0)
        it.check.doubt()

        await it.cleared()

        assert it.behind() == ["a"]
