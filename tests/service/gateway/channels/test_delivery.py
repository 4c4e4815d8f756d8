"""From the bus to sockets: in order, without a duplicate, and no gap that is neither repaired nor told."""

import asyncio
from dataclasses import replace

import pytest

from libs.common.bus.messages import Delivery, Entry
from libs.common.bus.settings import HistorySettings
from libs.common.channels import Channel
from libs.common.errors import Unavailable
from services.gateway.channels import fanout, feed
from tests.support.clients.client import Client
from tests.support.deadline import DEADLINE
from tests.support.fakes.faults import FaultyBus
from tests.support.services.gateway import APP, QUICK, place, publication, until

ENCRYPTED = "private-encrypted-1"


def numbers(first: int, last: int) -> list[str]:
    return [str(number) for number in range(first, last + 1)]


async def heard(client: Client, count: int, channel: str = "a") -> list[str]:
    """Read so many events of a channel."""
    return [str(await client.expect("news", channel)) for _ in range(count)]


def offsets(*wanted: int) -> "Losing":
    return Losing(set(wanted))


class Losing:
    """Loses the entries with these offsets, each once: what is read again from the history is not lost."""

    def __init__(self, wanted: set[int]) -> None:
        self._wanted = wanted

    def __call__(self, delivery: Delivery) -> bool:
        if not isinstance(delivery, Entry) or delivery.position.offset not in self._wanted:
            return False
        self._wanted.discard(delivery.position.offset)
        return True


class TestFanout:
    """architecture.md, 1: encoded once, joined, written to everybody."""

    async def test_everybody_everywhere(self) -> None:
        """
        All subscribers on all gateways get all events, in order.
        """
        async with place() as here, place(bus=here.bus, roster=here.roster) as there:
            clients = [await at.join("a") for at in (here, here, there)]

            for number in range(1, 11):
                await here.publish("a", str(number))

            for client in clients:
                assert await heard(client, 10) == numbers(1, 10)

    async def test_burst(self) -> None:
        """
        A burst arrives joined, one event after the other, in order and whole.
        """
        async with place() as here:
            clients = [await here.join("a", "b") for _ in range(3)]

            await here.bus.publish(
                [publication(channel, each) for each in numbers(1, 500) for channel in "ab"]
            )

            for client in clients:
                read = [await client.read() for _ in range(1000)]
                for channel in "ab":
                    ours = [each["data"] for each in read if each["channel"] == channel]
                    assert ours == list(range(1, 501))

    async def test_large_events(self) -> None:
        """
        Events that are too large to be joined with others keep their order all the same.
        """
        async with place() as here:
            client = await here.join("a")
            texts = [letter * 40_000 for letter in "abcdefghi"]

            await here.publish("a", *texts)

            assert await heard(client, 9) == texts

    async def test_many_subscribers(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        In a channel with more subscribers than are written to at once each gets all, in order.
        """
        monkeypatch.setattr(fanout, "SLICE", 3)
        async with place() as here:
            clients = [await here.join("a") for _ in range(10)]

            for number in range(1, 21):
                await here.publish("a", str(number))

            for client in clients:
                assert await heard(client, 20) == numbers(1, 20)

    async def test_excluded(self) -> None:
        """
        An originator does not get its event: alone, joined with others, or where it is one of several.
        """
        async with place() as here:
            first, second = await here.join("a"), await here.join("a")

            await here.publish("a", "1", excluded=[first.socket_id])
            await here.bus.publish(
                [
                    publication("a", "2"),
                    publication("a", "3", excluded=[first.socket_id, "9.9"]),
                    publication("a", "4", excluded=[second.socket_id]),
                    publication("a", "5", excluded=[first.socket_id, second.socket_id]),
                    publication("a", "6"),
                ]
            )

            assert await heard(first, 3) == ["2", "4", "6"]
            assert await heard(second, 4) == ["1", "2", "3", "6"]

    async def test_too_slow(self) -> None:
        """
        A client that does not read is sent away, and others go on receiving.
        """
        async with place(max_unsent=65_536, timers=replace(QUICK, closing=0.1)) as here:
            slow, quick = await here.join("a"), await here.join("a")
            text = "x" * 60_000

            async with asyncio.timeout(DEADLINE):
                while not here.gateway.counters.closed:
                    await here.publish("a", text)
                    assert await heard(quick, 1) == [text]

            assert here.gateway.counters.closed == {4100: 1}
            await slow.close()


class TestRepair:
    """architecture.md, 2: a gap is repaired from the history or announced, never silent."""

    async def test_gap(self) -> None:
        """
        What got lost on its way is read from the history; everybody gets everything once, in order.
        """
        async with place() as here:
            clients = [await here.join("a"), await here.join("a")]
            here.bus.loses = offsets(2, 3, 7)

            await here.publish("a", *numbers(1, 5))
            for client in clients:
                assert await heard(client, 5) == numbers(1, 5)
            await here.publish("a", *numbers(6, 10))
            for client in clients:
                assert await heard(client, 5) == numbers(6, 10)

            assert here.gateway.counters.gaps == 2
            assert here.gateway.counters.mismatches == 0
            assert here.gateway.counters.gaps_unrepaired == 0

    async def test_long_gap(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        A gap that is longer than one reading of the history is read in several.
        """
        monkeypatch.setattr(feed, "REPAIR_LIMIT", 4)
        async with place() as here:
            client = await here.join("a")
            here.bus.loses = offsets(*range(1, 12))

            await here.publish("a", *numbers(1, 12))

            assert await heard(client, 12) == numbers(1, 12)

    async def test_gap_in_a_burst(self) -> None:
        """
        What came before the gap in the same burst is delivered before it, and nothing twice.
        """
        async with place() as here:
            client = await here.join("a", "b")
            here.bus.loses = offsets(4)

            await here.publish("a", *numbers(1, 8))
            await here.publish("a", "9")

            assert await heard(client, 9) == numbers(1, 9)

    @pytest.mark.parametrize(
        "channel,event", [("a", "fanfare:resync"), (ENCRYPTED, "pusher:fanfare-resync")]
    )
    async def test_expired(self, channel: str, event: str) -> None:
        """
        What the history has no more is announced, under a name that pusher-js does not try to decrypt.
        """
        async with place(bus=FaultyBus(HistorySettings(max_entries=2))) as here:
            client = await here.join(channel)
            here.bus.loses = offsets(1, 2, 3, 4)

            await here.publish(channel, *numbers(1, 5))

            assert await client.expect(event, channel) == {"reason": "expired"}
            await here.publish(channel, "6")
            assert await heard(client, 1, channel) == ["6"]
            assert here.gateway.counters.gaps_unrepaired == 1

    async def test_epoch(self) -> None:
        """
        When the bus begins anew, that is announced, and the new history is delivered from its beginning.
        """
        async with place() as here:
            client = await here.join("a")
            await here.publish("a", "1")
            assert await heard(client, 1) == ["1"]

            here.bus.lose_data()
            await here.publish("a", "2")

            assert await client.expect("fanfare:resync", "a") == {"reason": "epoch"}
            await here.publish("a", "3")
            assert await heard(client, 2) == ["2", "3"]

    async def test_interrupted(self) -> None:
        """
        After an interruption what was missed is found without waiting for a next event.
        """
        async with place() as here:
            client = await here.join("a", "b")
            here.bus.loses = lambda _: True
            await here.publish("a", "1", "2")
            await here.publish("b", "1")
            await until(lambda: here.bus.lost == 3)
            here.bus.loses = lambda _: False
            here.bus.interrupt()

            read = [await client.read() for _ in range(3)]
            assert [each["data"] for each in read if each["channel"] == "a"] == [1, 2]
            assert [each["data"] for each in read if each["channel"] == "b"] == [1]
            assert here.gateway.counters.gaps == 2

    async def test_lost_last_entry(self) -> None:
        """
        A lost entry that no other follows is found when positions are compared.
        """
        async with place(position_check=0.05) as here:
            client = await here.join("a")
            here.bus.loses = offsets(1)

            await here.publish("a", "1")

            assert await heard(client, 1) == ["1"]
            assert (here.gateway.counters.gaps, here.gateway.counters.mismatches) == (1, 1)

    async def test_lost_behind_old_ones(self) -> None:
        """
        After a failover to a replica that lagged, new entries look like old ones; that is found, and told.
        """
        async with place(position_check=0.05) as here:
            client, other = await here.join("a"), await here.connect()
            await here.publish("a", *numbers(1, 5000))
            await heard(client, 5000)
            here.bus.inner._channels[Channel(APP.id, "a")].offset = 5

            async with asyncio.timeout(DEADLINE):
                while not here.gateway.counters.gaps_unrepaired:
                    await here.publish("a", "x")
                    await other.expect_nothing_else()

            assert await client.expect("fanfare:resync", "a") == {"reason": "expired"}

    async def test_history_away(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        A gap that cannot be repaired at once is repaired when the bus is back.
        """
        async with place() as here:
            client = await here.join("a")
            here.bus.loses = offsets(1)
            asked = asyncio.Event()

            async def fail(*_: object, **__: object) -> None:
                asked.set()
                raise Unavailable("bus")

            monkeypatch.setattr(here.bus, "history", fail)
            await here.publish("a", "1", "2")
            async with asyncio.timeout(DEADLINE):
                await asked.wait()
            await client.expect_nothing_else()
            await until(lambda: not here.gateway.state().is_listening)

            monkeypatch.undo()

            assert await heard(client, 2) == ["1", "2"]


class TestFollowing:
    """What is followed, and for how long."""

    async def test_unfollowed(self) -> None:
        """
        A channel that its last client has left is followed no longer; later clients follow it anew.
        """
        async with place(linger=0.01) as here:
            client = await here.join("a")
            channel = Channel(APP.id, "a")
            assert here.bus.followed == {channel}

            await client.unsubscribe("a")
            await until(lambda: not here.bus.followed)
            await here.publish("a", "1")

            await client.subscribe("a")
            await here.publish("a", "2")
            assert await heard(client, 1) == ["2"]
            assert here.bus.followed == {channel}

    async def test_closed(self) -> None:
        """
        So it is when its last client's connection ends.
        """
        async with place(linger=0.01) as here:
            client = await here.join("a")

            await client.close()

            await until(lambda: not here.bus.followed)

    async def test_lingers(self) -> None:
        """
        For a while it is followed on, so that who comes back need not wait for the bus.
        """
        async with place(linger=DEADLINE) as here:
            client = await here.join("a")
            await client.unsubscribe("a")
            await client.expect_nothing_else()

            here.bus.is_away = True

            assert await client.subscribe("a") == {}

    async def test_meanwhile(self) -> None:
        """
        What comes while a channel is being followed is not delivered to who is admitted later, nor missed.
        """
        async with place() as here:
            client, other = await here.connect(), await here.join("b")
            here.bus.follows.clear()
            await client.ask("a")
            await until(lambda: here.bus.held == 1)
            await here.publish("a", "1", "2")
            await here.publish("b", "marker")
            assert await heard(other, 1, "b") == ["marker"]

            here.bus.follows.set()
            await client.expect("pusher_internal:subscription_succeeded", "a")
            await here.publish("a", "3")

            assert await heard(client, 1) == ["3"]
            assert here.gateway.counters.gaps == 0

    async def test_not_waited_for(self) -> None:
        """
        While the bus is slow to follow a channel, events of others flow.
        """
        async with place(position_check=0.01) as here:
            client, other = await here.join("a", "quiet"), await here.connect()
            here.bus.follows.clear()
            await other.ask("b")
            await other.expect_nothing_else()
            looks = here.bus.comparisons + 3

            async with asyncio.timeout(DEADLINE):
                while here.bus.comparisons < looks:
                    await here.publish("a", "x")
                    assert await heard(client, 1) == ["x"]

            here.bus.follows.set()
            assert await other.expect("pusher_internal:subscription_succeeded", "b") == {}

    async def test_not_under_a_question(self) -> None:
        """
        A channel for which somebody is being seated stays followed, however long that takes.
        """
        async with place(linger=0.0) as here:
            client, other = await here.connect(), await here.join("a")
            here.roster.answers.clear()
            await client.ask("presence-1", user="ann")
            await until(lambda: here.roster.joins > 0)
            await other.unsubscribe("a")
            await until(lambda: Channel(APP.id, "a") not in here.bus.followed)

            here.roster.answers.set()

            data = await client.expect("pusher_internal:subscription_succeeded", "presence-1")
            assert data["presence"]["ids"] == ["ann"]
