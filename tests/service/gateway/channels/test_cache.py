"""Cache channels over a real socket: newcomers get the last event, or are told that there is none."""

from typing import Any

import pytest

from libs.common.bus.messages import Cached, Entry
from libs.common.bus.settings import HistorySettings
from libs.common.channels import Channel
from tests.support.clients.client import ADDED, SUCCEEDED
from tests.support.fakes.faults import FaultyBus
from tests.support.ports.caches import CHANNEL, KINDS, MISS, ROOM, position, publish, subscribed
from tests.support.services.gateway import APP, place, until


class Counting(FaultyBus):
    """A bus that counts how often the last events are read, and of how many channels."""

    def __init__(self, history: HistorySettings | None = None) -> None:
        super().__init__(history)
        self.readings: list[int] = []

    async def last(self, channels: Any) -> dict[Channel, Cached | None]:
        """See `Bus.last`."""
        self.readings.append(len(channels))
        return await super().last(channels)


class TestNewcomers:
    """Pusher, "Cache channels"."""

    @pytest.mark.parametrize("channel", KINDS)
    async def test_miss(self, channel: str) -> None:
        """
        Where nothing was published a newcomer is told so, right after its subscription; its data is ``{}``.
        """
        async with place() as here:
            client = await subscribed(here, channel)

            assert await client.expect(MISS, channel) == {}
            await client.expect_nothing_else()

    @pytest.mark.parametrize("channel", KINDS)
    async def test_last_event(self, channel: str) -> None:
        """
        Else it gets the last event, right after its subscription, be the channel open here or not.
        """
        async with place() as here:
            await publish(here, channel, "1", "2")
            first = await subscribed(here, channel)
            assert await first.expect("news", channel) == 2
            await publish(here, channel, "3")
            assert await first.expect("news", channel) == 3

            second = await subscribed(here, channel)

            assert await second.expect("news", channel) == 3
            await second.expect_nothing_else()

    async def test_other_channels(self) -> None:
        """
        Other channels keep nothing, whatever their names contain.
        """
        async with place() as here:
            for channel in ("a", "private-a", "presence-a", "my-cache-a", "private-my-cache-a"):
                await publish(here, channel, "1")

                client = await subscribed(here, channel)

                await client.expect_nothing_else()

    async def test_members_first(self) -> None:
        """
        In a presence channel the members come first; who comes and goes is not what is kept.
        """
        async with place() as here:
            channel = "presence-cache-a"
            ann = await here.connect()
            assert await ann.subscribe(channel, user="ann") == ["ann"]
            await ann.expect(MISS, channel)
            await publish(here, channel, "1")
            assert await ann.expect("news", channel) == 1

            bob = await here.connect()
            assert await bob.subscribe(channel, user="bob") == ["ann", "bob"]

            assert await bob.expect("news", channel) == 1
            await ann.expect(ADDED, channel)
            cy = await here.connect()
            assert len(await cy.subscribe(channel, user="cy")) == 3
            assert await cy.expect("news", channel) == 1

    async def test_client_events(self) -> None:
        """
        What clients say to each other is not kept.
        """
        async with place() as here:
            first, second = await subscribed(here, ROOM), await subscribed(here, ROOM)
            for client in (first, second):
                await client.expect(MISS, ROOM)
            await first.whisper(ROOM, "client-typing", "x")
            await second.expect("client-typing", ROOM)

            third = await subscribed(here, ROOM)

            await third.expect(MISS, ROOM)

    async def test_expired(self) -> None:
        """
        What was published long ago is not sent, neither from here nor from the bus.
        """
        async with place() as here:
            await publish(here, ROOM, "old", age=1801)
            first = await subscribed(here, ROOM)
            await first.expect(MISS, ROOM)
            await publish(here, ROOM, "as old", age=1801)
            await first.expect("news", ROOM)

            second = await subscribed(here, ROOM)

            await second.expect(MISS, ROOM)

    async def test_again(self) -> None:
        """
        Who leaves and comes back is a newcomer.
        """
        async with place() as here:
            client = await subscribed(here, ROOM)
            await client.expect(MISS, ROOM)
            await publish(here, ROOM, "1")
            await client.expect("news", ROOM)
            await client.unsubscribe(ROOM)

            await client.subscribe(ROOM)

            assert await client.expect("news", ROOM) == 1

    async def test_storm(self) -> None:
        """
        However many come at once, and come later, the bus is read once, and again when all had gone.
        """
        bus = Counting()
        async with place(bus=bus, linger=0.0) as here:
            bus.reads.clear()
            clients = [await here.connect() for _ in range(20)]
            for client in clients:
                await client.ask(ROOM)
                await client.expect_nothing_else()
            bus.reads.set()
            for client in clients:
                await client.expect(SUCCEEDED, ROOM)
                await client.expect(MISS, ROOM)
            clients.append(await subscribed(here, ROOM))
            assert bus.readings == [1]

            for client in clients:
                await client.close()
            await until(lambda: CHANNEL not in bus.followed)
            await subscribed(here, ROOM)

            assert bus.readings == [1, 1]


class TestOutages:
    """Nobody is admitted before it is known what it is to be sent."""

    async def test_bus_away(self) -> None:
        """
        Who comes to a channel whose last event is not known waits; where it is known nobody does.
        """
        async with place() as here:
            await publish(here, ROOM, "1")
            first, second = await subscribed(here, ROOM), await here.connect()
            await first.expect("news", ROOM)
            here.bus.is_away = True

            await second.subscribe(ROOM)
            assert await second.expect("news", ROOM) == 1
            await second.ask("cache-b")
            await until(lambda: here.bus.refusals > 1)
            await second.expect_nothing_else()
            here.bus.is_away = False

            await second.expect(SUCCEEDED, "cache-b")
            await second.expect(MISS, "cache-b")

    async def test_away_in_part(self) -> None:
        """
        Where the part of the bus is away that keeps it, only its newcomers wait.
        """
        async with place() as here:
            client, other = await here.connect(), await here.connect()
            here.bus.follows.clear()
            await client.ask(ROOM)
            await until(lambda: here.bus.held == 1)
            here.bus.away_for = {CHANNEL}
            here.bus.follows.set()
            await until(lambda: here.bus.refusals > 0)

            await other.subscribe("cache-b")
            await other.expect(MISS, "cache-b")
            await client.expect_nothing_else()
            here.bus.away_for = set()

            await client.expect(SUCCEEDED, ROOM)
            await client.expect(MISS, ROOM)

    @pytest.mark.parametrize("channel", KINDS)
    async def test_gap(self, channel: str) -> None:
        """
        After a gap that cannot be repaired newcomers get what the bus keeps, not what was heard here last.
        """
        bus = FaultyBus(HistorySettings(max_entries=2))
        async with place(bus=bus) as here:
            first = await subscribed(here, channel)
            await first.expect(MISS, channel)
            await publish(here, channel, "1")
            await first.expect("news", channel)
            bus.loses = lambda each: isinstance(each, Entry) and each.position.offset < 5
            await publish(here, channel, "2", "3", "4", "5")
            event = "pusher:fanfare-resync" if "encrypted" in channel else "fanfare:resync"
            await first.expect(event, channel)

            second = await subscribed(here, channel)

            assert await second.expect("news", channel) == 5
            await second.expect_nothing_else()
            await first.close()

    async def test_gap_while_reading(self) -> None:
        """
        What was read before such a gap is older than what is kept by now, and is read again.
        """
        bus = FaultyBus(HistorySettings(max_entries=2))
        async with place(bus=bus) as here:
            await publish(here, ROOM, "1")
            bus.reads.clear()
            client = await here.connect()
            await client.ask(ROOM)
            await until(lambda: here.gateway.state().channels == 1)
            await client.expect_nothing_else()
            bus.loses = lambda each: isinstance(each, Entry) and each.position.offset < 5
            await publish(here, ROOM, "2", "3", "4", "5")
            await until(lambda: position(here, CHANNEL).offset == 5)
            bus.reads.set()

            await client.expect(SUCCEEDED, ROOM)

            assert await client.expect("news", ROOM) == 5
            await client.expect_nothing_else()

    async def test_gap_while_a_member_is_seated(self) -> None:
        """
        Who is being seated meanwhile gets what is kept by then, too.
        """
        channel = "presence-cache-a"
        bus = FaultyBus(HistorySettings(max_entries=2))
        async with place(bus=bus) as here:
            await publish(here, channel, "1")
            here.roster.answers.clear()
            client = await here.connect()
            await client.ask(channel, user="ann")
            await until(lambda: here.roster.joins == 1)
            bus.loses = lambda each: isinstance(each, Entry) and each.position.offset < 5
            await publish(here, channel, "2", "3", "4", "5")
            await until(lambda: position(here, Channel(APP.id, channel)).offset == 5)
            here.roster.answers.set()

            data = await client.expect(SUCCEEDED, channel)

            assert data["presence"]["ids"] == ["ann"]
            assert await client.expect("news", channel) == 5
            await client.expect_nothing_else()
