"""The inbox of listeners, and what the memory bus offers beyond its port."""

import asyncio
import gc

from libs.common.bus.inbox import Inbox
from libs.common.bus.memory import MemoryBus
from libs.common.bus.messages import (
    Broadcast,
    Counted,
    Interrupted,
    Position,
    Publication,
    Transition,
    Whisper,
)
from libs.common.bus.port import TOKEN_TTL
from libs.common.bus.settings import HistorySettings
from libs.common.channels import Channel
from tests.support.fakes.clock import Clock
from tests.support.fakes.faults import FaultyBus

CHANNEL = Channel("1", "presence-room")
CACHE = Channel("1", "presence-cache-room")


def publication(channel: Channel = CHANNEL, *, token: str = "") -> Publication:
    return Publication(channel, Broadcast(b"{}", 0.0), token=token)


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

    async def test_time_over(self) -> None:
        """Nothing came in time: nothing is taken, also after a wait that was to take longer."""
        inbox = Inbox(3)
        longer = asyncio.create_task(inbox.take(60))
        await asyncio.sleep(0)
        inbox.put(whisper(1))
        await asyncio.wait_for(longer, 10)

        assert await asyncio.wait_for(inbox.take(0.01), 10) == []

    async def test_time_of_its_own(self) -> None:
        """A wait lasts as long as it was to, also if one before it was to end sooner."""
        inbox = Inbox(3)
        assert await inbox.take(0.01) == []
        shorter = asyncio.create_task(inbox.take(0.01))
        await asyncio.sleep(0)
        inbox.put(whisper(1))
        await shorter
        loop = asyncio.get_running_loop()
        began = loop.time()

        assert await inbox.take(0.05) == []

        assert loop.time() - began >= 0.05

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

    async def test_announce_counts(self) -> None:
        """So do the memory tally's counts."""
        bus = MemoryBus()
        async with bus.listen() as listener:
            await listener.follow([CHANNEL])
            bus.announce(Counted(CHANNEL, 7))
            bus.announce(Counted(CACHE, 8))

            assert await listener.receive(0) == [Counted(CHANNEL, 7)]

    async def test_closed_listeners_are_forgotten(self) -> None:
        """A listener whose context was left receives nothing more."""
        bus = MemoryBus()
        async with bus.listen() as listener:
            await listener.follow([CHANNEL])
        await bus.publish([Publication(CHANNEL, Broadcast(b"{}", 0.0))])

        assert await listener.receive(0) == []

    async def test_window_is_exact(self) -> None:
        """It keeps no more entries than the settings say."""
        bus = MemoryBus(HistorySettings(max_entries=2))
        publication = Publication(CHANNEL, Broadcast(b"{}", 0.0))
        first, *_ = await bus.publish([publication] * 3)

        from_first = await bus.history(CHANNEL, first, limit=10)
        from_start = await bus.history(CHANNEL, Position(first.epoch, 0), limit=10)

        assert from_first.entries is not None
        assert len(from_first.entries) == 2
        assert from_start.entries is None


class TestCache:
    """What a cache channel keeps, by the clock."""

    async def test_time(self) -> None:
        """The rest of its time falls to nothing, and begins anew with the next entry."""
        clock = Clock()
        bus = MemoryBus(HistorySettings(max_age=5, cache_ttl=60), clock=clock)
        await bus.publish([publication(CACHE)])
        ttls = []
        for seconds in (0.0, 59.5, 0.5):
            clock.now += seconds
            cached = (await bus.last([CACHE]))[CACHE]
            ttls.append(cached and cached.ttl)
        (position,) = await bus.publish([publication(CACHE)])
        anew = (await bus.last([CACHE]))[CACHE]

        assert ttls == [60.0, 0.5, None]
        assert anew is not None
        assert (anew.entry.position, anew.ttl) == (position, 60.0)

    async def test_reading_leaves_its_time_alone(self) -> None:
        """Neither listeners, nor readers, nor repetitions prolong it."""
        clock = Clock()
        bus = MemoryBus(HistorySettings(cache_ttl=60), clock=clock)
        (position,) = await bus.publish([publication(CACHE, token="t")])
        clock.now += 50
        await bus.publish([publication(CACHE, token="t")])
        await bus.tops([CACHE])
        await bus.history(CACHE, position, limit=1)
        await bus.last([CACHE])

        cached = (await bus.last([CACHE]))[CACHE]

        assert cached is not None
        assert cached.ttl == 10

    async def test_asking(self) -> None:
        """To ask what is kept makes nothing."""
        bus = MemoryBus()
        await bus.last([CACHE])

        assert not bus._channels


class TestListenedTo:
    """Anybody may listen to any name."""

    async def test_nothing_is_kept(self) -> None:
        """Of names that only were asked for nothing is kept, not even while they are followed."""
        bus = MemoryBus()
        names = [Channel("1", f"listened-{number}") for number in range(2000)]
        async with bus.listen() as listener:
            followed = await listener.follow(names)
            tops = await bus.tops(names)
            for name in names:
                await bus.history(name, followed[name], limit=1)

            assert tops == followed
            assert not bus._channels
        assert not bus._listeners


class TestTokens:
    """Tokens are remembered for an hour, and no longer."""

    async def test_forgotten(self) -> None:
        """After that a publication is another, and a token may stand for another request."""
        clock = Clock()
        bus = MemoryBus(clock=clock)
        offsets, claims = [], []
        for seconds in (0.0, TOKEN_TTL - 1, 1.0):
            clock.now += seconds
            (position,) = await bus.publish([publication(token="t")])
            offsets.append(position.offset)
            claims.append(await bus.claim("1", "t", f"digest at {clock.now}"))

        assert offsets == [1, 1, 2]
        assert claims == [True, False, True]

    async def test_channel_lost(self) -> None:
        """A channel whose life has ended has seen nothing, as on Redis."""
        bus = FaultyBus()
        (old,) = await bus.publish([publication(token="t")])
        bus.lose_data()
        (new,) = await bus.publish([publication(token="t")])
        (again,) = await bus.publish([publication(token="t")])

        assert new.epoch != old.epoch
        assert again == new == Position(new.epoch, 1)

    async def test_memory(self) -> None:
        """However many there ever were, only those of the last hour are kept, each once."""
        clock = Clock()
        bus = MemoryBus(clock=clock)
        for number in range(5000):
            clock.now += TOKEN_TTL / 100
            for _ in range(2):
                await bus.publish([publication(token=f"{number}")])
                await bus.claim("1", f"{number}", "digest")

        assert len(bus._tokens) == 2 * 100
        assert not await bus.claim("1", "4901", "another")
        assert await bus.claim("1", "4899", "another")


class TestCollector:
    """What the history keeps by the thousand is no work for the garbage collector."""

    async def test_nothing_to_look_at(self) -> None:
        """An entry is tracked by none, and shares its channel with all others of the channel."""
        bus = MemoryBus()
        for _ in range(2):
            await bus.publish([publication(Channel("1", "presence-room"))])
        (top,) = (await bus.tops([CHANNEL])).values()
        first, second = (await bus.history(CHANNEL, Position(top.epoch, 0), limit=2)).entries or ()

        assert not any(map(gc.is_tracked, (first, first.position, first.broadcast)))
        assert first.channel is second.channel
