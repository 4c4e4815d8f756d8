"""The contract of `bus.Listener`, on every adapter."""

import asyncio
from collections.abc import Sequence

import pytest

from libs.common.bus.messages import Delivery, Interrupted, Position
from libs.common.bus.port import Bus
from libs.common.channels import Channel
from tests.support.deadline import DEADLINE
from tests.support.ports.buses import (
    event,
    heard,
    heard_up_to,
    positions,
    processes,
    reached,
    texts,
)

CHANNEL = Channel("1", "private-company.7")
OTHER = Channel("1", "private-company.8")
NAMESAKE = Channel("2", "private-company.7")


class TestFollow:
    """A follower hears every entry after the position that it was told."""

    async def test_new_channel(self, bus: Bus) -> None:
        """A channel without entries has a position, which leads to its first entry."""
        async with bus.listen() as listener:
            followed = await listener.follow([CHANNEL])
            (position,) = await bus.publish([event(CHANNEL, "a")])
            deliveries = await heard(listener, 1)

        assert followed[CHANNEL].offset == 0
        assert followed[CHANNEL].epoch
        assert followed[CHANNEL].leads_to(position.epoch)
        assert position.offset == 1
        assert positions(deliveries, CHANNEL) == [position]

    async def test_no_gap(self, buses: Sequence[Bus]) -> None:
        """Who follows in the middle of a stream hears all that comes after the position."""
        followed: dict[Channel, Position] = {}

        async def stream() -> None:
            while not followed:
                await buses[1].publish([event(CHANNEL, "x")])
                await asyncio.sleep(0)

        for _ in range(5):
            followed.clear()
            async with buses[0].listen() as listener, asyncio.TaskGroup() as tasks:
                before = (await buses[0].tops([CHANNEL]))[CHANNEL]
                streaming = tasks.create_task(stream())
                await reached(buses[0], CHANNEL, before.offset + 20)
                followed |= await listener.follow([CHANNEL])
                await streaming
                (last,) = await buses[1].publish([event(CHANNEL, "last")])
                deliveries = await heard_up_to(listener, CHANNEL, last.offset)

            offsets = [position.offset for position in positions(deliveries, CHANNEL)]
            assert offsets == list(range(offsets[0], last.offset + 1))
            assert offsets[0] <= followed[CHANNEL].offset + 1

    async def test_many(self, buses: Sequence[Bus]) -> None:
        """One call follows more channels than fit into one command."""
        channels = [Channel("1", f"many-{number}") for number in range(1500)]
        async with buses[0].listen() as listener:
            followed = await listener.follow(channels)
            await buses[1].publish([event(channel, channel.name) for channel in channels])
            deliveries = await heard(listener, 1500)

        assert followed.keys() == set(channels)
        assert sorted(texts(deliveries)) == sorted(channel.name for channel in channels)

    async def test_only_what_is_followed(self, bus: Bus) -> None:
        """Channels that were not asked for are not heard, nor another app's of the same name."""
        async with bus.listen() as listener:
            await listener.follow([CHANNEL])
            await bus.publish([event(OTHER, "a"), event(NAMESAKE, "b"), event(CHANNEL, "c")])
            deliveries = await heard(listener, 1)

        assert texts(deliveries) == ["c"]

    async def test_nothing(self, bus: Bus) -> None:
        """No channels, no positions."""
        async with bus.listen() as listener:
            assert await listener.follow([]) == {}
            await listener.unfollow([])

    async def test_twice(self, bus: Bus) -> None:
        """Following again tells the position again; entries are heard once."""
        async with bus.listen() as listener:
            await listener.follow([CHANNEL])
            await bus.publish([event(CHANNEL, "a")])
            again = await listener.follow([CHANNEL, CHANNEL])
            await bus.publish([event(CHANNEL, "b")])
            deliveries = await heard(listener, 2)

        assert again[CHANNEL].offset == 1
        assert texts(deliveries) == ["a", "b"]

    async def test_unfollow(self, bus: Bus) -> None:
        """What is unfollowed is not heard any more, until it is followed again."""
        async with bus.listen() as listener:
            await listener.follow([CHANNEL, OTHER])
            await listener.unfollow([CHANNEL, Channel("1", "never-followed")])
            await bus.publish([event(CHANNEL, "a"), event(OTHER, "b")])
            while_away = await heard(listener, 1)
            back = await listener.follow([CHANNEL])
            await bus.publish([event(CHANNEL, "c")])
            after = await heard(listener, 1)

        assert texts(while_away) == ["b"]
        assert back[CHANNEL].offset == 1
        assert texts(after) == ["c"]

    async def test_two_listeners(self, buses: Sequence[Bus]) -> None:
        """Each listener hears what it follows, whatever another one does."""
        async with buses[0].listen() as one, buses[1].listen() as two:
            await one.follow([CHANNEL])
            await two.follow([CHANNEL, OTHER])
            await buses[0].publish([event(CHANNEL, "a"), event(OTHER, "b")])
            heard_by_one, heard_by_two = await heard(one, 1), await heard(two, 2)
            await one.unfollow([CHANNEL])
            await buses[0].publish([event(CHANNEL, "c")])
            later = await heard(two, 1)
            nothing = await one.receive(0)

        assert nothing == []
        assert texts(heard_by_one) == ["a"]
        assert sorted(texts(heard_by_two)) == ["a", "b"]
        assert texts(later) == ["c"]

    async def test_an_error_inside_comes_out(self, bus: Bus) -> None:
        """An exception of the block that listens leaves it as it is."""
        with pytest.raises(LookupError, match="ours"):
            async with bus.listen():
                raise LookupError("ours")


class TestReceive:
    """Deliveries wait, up to a bound, until they are taken."""

    async def test_nothing_comes(self, bus: Bus) -> None:
        """When the time is over there is an empty list."""
        async with bus.listen() as listener:
            await listener.follow([CHANNEL])

            assert await listener.receive(0.01) == []
            assert await listener.receive(0) == []

    async def test_wakes(self, bus: Bus) -> None:
        """Who waits gets a delivery long before the time is over."""
        async with bus.listen() as listener, asyncio.timeout(DEADLINE):
            await listener.follow([CHANNEL])
            async with asyncio.TaskGroup() as tasks:
                waiting = tasks.create_task(listener.receive(10 * DEADLINE))
                await bus.publish([event(CHANNEL, "a")])

        assert texts(waiting.result()) == ["a"]

    async def test_full(self, bus_url: str, prefix: str) -> None:
        """A listener that does not keep up is told that it missed something, and goes on."""
        async with processes(bus_url, prefix, backlog=10) as (bus, _), bus.listen() as listener:
            followed = await listener.follow([CHANNEL])
            deliveries: list[Delivery] = []
            async with asyncio.timeout(DEADLINE):
                while Interrupted() not in deliveries:
                    await bus.publish([event(CHANNEL, "x")] * 48)
                    deliveries += await listener.receive(1.0)
            (top,) = await bus.publish([event(CHANNEL, "last")])
            deliveries += await heard_up_to(listener, CHANNEL, top.offset)
            history = await bus.history(CHANNEL, followed[CHANNEL], limit=10_000)

        cut = len(deliveries) - deliveries[::-1].index(Interrupted())
        assert 1 <= len(deliveries[cut:]) <= 49
        offsets = [position.offset for position in positions(deliveries[cut:], CHANNEL)]
        assert offsets == list(range(offsets[0], top.offset + 1))
        assert offsets[0] > 1
        assert history.entries is not None
        assert len(history.entries) == top.offset
