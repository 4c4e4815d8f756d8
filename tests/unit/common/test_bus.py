"""The inbox of listeners, and what the memory bus offers beyond its port."""

import asyncio

from libs.common.bus import Inbox, MemoryBus, Window
from libs.common.channels import Channel
from libs.common.messages import Broadcast, Interrupted, Position, Publication, Transition, Whisper

CHANNEL = Channel("1", "presence-room")


def whisper(number: int) -> Whisper:
    return Whisper(CHANNEL, Broadcast(b"%d" % number, 0.0))


class TestInbox:
    """Deliveries wait, up to a bound, until they are taken."""

    async def test_takes_all(self) -> None:
        """All that arrived is taken at once, in order; then there is nothing."""
        inbox = Inbox(10)
        for number in range(3):
            inbox.put(whisper(number))

        assert await inbox.take(0) == [whisper(0), whisper(1), whisper(2)]
        assert await inbox.take(0) == []

    async def test_just_full(self) -> None:
        """Up to the bound nothing is lost."""
        inbox = Inbox(3)
        for number in range(3):
            inbox.put(whisper(number))

        assert len(await inbox.take(0)) == 3

    async def test_overrun(self) -> None:
        """Beyond it all that waited is replaced by one notice, and filling goes on."""
        inbox = Inbox(3)
        for number in range(4):
            inbox.put(whisper(number))

        assert await inbox.take(0) == [Interrupted(), whisper(3)]

    async def test_overrun_again(self) -> None:
        """However long nobody takes, no more than the bound waits."""
        inbox = Inbox(3)
        for number in range(100):
            inbox.put(whisper(number))

        taken = await inbox.take(0)

        assert taken[0] == Interrupted()
        assert len(taken) <= 3
        assert taken[-1] == whisper(99)
        assert taken.count(Interrupted()) == 1

    async def test_wakes_the_waiting(self) -> None:
        """Who waits is woken by the first delivery."""
        inbox = Inbox(3)
        waiting = asyncio.create_task(inbox.take(60))
        await asyncio.sleep(0)

        inbox.put(whisper(1))

        assert await asyncio.wait_for(waiting, 10) == [whisper(1)]

    async def test_waiting_given_up(self) -> None:
        """Who is cancelled while waiting takes nothing away."""
        inbox = Inbox(3)
        waiting = asyncio.create_task(inbox.take(60))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])

        inbox.put(whisper(1))

        assert await inbox.take(0) == [whisper(1)]


class TestMemoryBus:
    """What the contract suite cannot see."""

    async def test_announce(self) -> None:
        """The memory roster's transitions reach those who follow the channel."""
        bus = MemoryBus()
        transition = Transition(CHANNEL, 1, "7", "{}")
        async with bus.listen() as listener:
            await listener.follow([CHANNEL])
            bus.announce(transition)
            bus.announce(Transition(Channel("1", "presence-other"), 1, "7", "{}"))

            assert await listener.receive(0) == [transition]

    async def test_closed_listeners_are_forgotten(self) -> None:
        """A listener whose context was left receives nothing more."""
        bus = MemoryBus()
        async with bus.listen() as listener:
            await listener.follow([CHANNEL])
        await bus.publish([Publication(CHANNEL, Broadcast(b"{}", 0.0))])

        assert await listener.receive(0) == []

    async def test_window_is_exact(self) -> None:
        """It keeps no more entries than the window says."""
        bus = MemoryBus(Window(max_entries=2))
        publication = Publication(CHANNEL, Broadcast(b"{}", 0.0))
        first, *_ = await bus.publish([publication] * 3)

        from_first = await bus.history(CHANNEL, first, limit=10)
        from_start = await bus.history(CHANNEL, Position(first.epoch, 0), limit=10)

        assert from_first.entries is not None
        assert len(from_first.entries) == 2
        assert from_start.entries is None
