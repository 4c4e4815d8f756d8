"""Backends that are away in part: only who needs that part waits."""

import asyncio
from collections import deque
from dataclasses import replace

import pytest

from libs.common.bus.memory import _Memory
from libs.common.bus.messages import Position
from libs.common.bus.port import History
from libs.common.bus.settings import HistorySettings
from libs.common.channels import Channel
from services.gateway.channels.feed import REPAIR_LIMIT
from tests.support.clients.client import ADDED, SUCCEEDED
from tests.support.deadline import DEADLINE
from tests.support.fakes.faults import FaultyBus
from tests.support.services.gateway import APP, QUICK, place, publication, until

ROOM = "presence-room"
CHANNEL = Channel(APP.id, ROOM)
OTHER = Channel(APP.id, "presence-other")


class TestBusAwayInPart:
    """One server of the bus is away."""

    @pytest.mark.parametrize("away,present", [("a", "b"), (ROOM, OTHER.name)])
    async def test_follows(self, away: str, present: str) -> None:
        """
        Only subscribes to its channels wait, whoever else asks together with them.
        """
        async with place() as here:
            client = await here.connect()
            here.bus.away_for = {Channel(APP.id, away)}
            await client.ask(away, user="ann")
            await until(lambda: here.bus.refusals > 0)

            await client.ask(present, user="ann")

            assert (await client.read())["channel"] == present
            here.bus.away_for = set()
            await client.expect(SUCCEEDED, away)

    async def test_members_who_are_here(self) -> None:
        """
        A channel that is followed already is joined, while another of the same batch cannot be.
        """
        async with place() as here:
            ann, bob = await here.join(ROOM, user="ann"), await here.connect()
            here.bus.away_for = {CHANNEL, OTHER}
            await bob.ask(OTHER.name, user="bob")
            await until(lambda: here.bus.refusals > 0)

            assert await bob.subscribe(ROOM, user="bob") == ["ann", "bob"]
            assert (await ann.expect(ADDED, ROOM))["user_id"] == "bob"

    async def test_checks(self) -> None:
        """
        A lost last entry of a channel that is not away is found.
        """
        async with place(position_check=0.05) as here:
            client = await here.join("a", "b")
            here.bus.away_for = {Channel(APP.id, "a")}
            here.bus.loses = lambda _: True

            await here.publish("b", "1")

            assert await client.expect("news", "b") == 1
            await until(lambda: not here.gateway.state().is_listening)
            here.bus.away_for = set()
            await until(lambda: here.gateway.state().is_listening)

    async def test_deliveries_do_not_wait(self) -> None:
        """
        While a comparison of positions waits for the bus, deliveries go on.
        """
        async with place(position_check=0.05) as here:
            client = await here.join("a")
            here.bus.reads.clear()
            compared = here.bus.comparisons
            await until(lambda: here.bus.comparisons > compared)

            await here.publish("a", "1")

            assert await client.expect("news", "a") == 1
            here.bus.reads.set()


class TestRosterAwayInPart:
    """One server of the roster is away."""

    async def test_seated_again_does_not_count(self) -> None:
        """
        Members who are seated again leave others their place among those who may wait.
        """
        async with place(max_waiting=2) as here:
            members = [await here.join(ROOM, user=user) for user in ("ann", "bob", "cy")]
            here.roster.away_for = {CHANNEL}
            here.bus.interrupt()
            await until(lambda: here.roster.refusals > 0)

            client = await here.connect()

            assert await client.subscribe(OTHER.name, user="dee") == ["dee"]
            assert set(here.roster.seats(CHANNEL)) == {member.socket_id for member in members}

    async def test_others_are_seated_again(self) -> None:
        """
        Who cannot be seated again keeps nobody else from it, and does not wait twice.
        """
        async with place() as here:
            ann = await here.join(ROOM, user="ann")
            bob = await here.join(OTHER.name, user="bob")
            here.roster.away_for = {CHANNEL}
            here.bus.interrupt()
            await until(lambda: here.roster.refusals > 0)
            here.roster.inner._rooms.pop(OTHER)

            here.bus.interrupt()

            await until(lambda: set(here.roster.seats(OTHER)) == {bob.socket_id})
            assert here.gateway.state().waiting <= 2
            assert set(here.roster.seats(CHANNEL)) == {ann.socket_id}

    async def test_drain(self) -> None:
        """
        A departure that cannot be told does not keep the lease from being released.
        """
        async with place(timers=replace(QUICK, settling=0.1, closing=0.1)) as here:
            member = await here.join(ROOM, user="ann")
            name = here.gateway.state().name
            await until(lambda: name in here.roster.leases())
            here.roster.away_for = {CHANNEL}

            async with asyncio.timeout(DEADLINE):
                await here.gateway.drain()

            assert name not in here.roster.leases()
            assert set(here.roster.seats(CHANNEL)) == {member.socket_id}


async def test_renamed_while_joining() -> None:
    """A join that is answered after its lease was lost is asked again, under the new name."""
    async with place(lease_renew=0.05) as here:
        client = await here.connect()
        here.roster.answers.clear()
        await client.ask(ROOM, user="ann")
        await until(lambda: here.roster.joins > 0)
        former = here.gateway.state().name

        here.roster.clear(former)
        await until(lambda: here.gateway.state().name != former)
        here.roster.answers.set()

        await client.expect(SUCCEEDED, ROOM)
        assert here.roster.seats(CHANNEL) == {client.socket_id: here.gateway.state().name}


async def test_one_loss_is_told_once() -> None:
    """Where also the beginning of a new epoch is gone, clients are told of one loss."""
    async with place(bus=FaultyBus(HistorySettings(max_entries=2))) as here:
        client = await here.join("a")
        here.bus.lose_data()
        await here.publish("a", "1", "2", "3", "4", "5")
        assert await client.expect("fanfare:resync", "a") == {"reason": "epoch"}

        await here.publish("a", "6")

        assert await client.expect("news", "a") == 6


class Forgetful(FaultyBus):
    """A bus that loses its data once somebody has read a history."""

    forgets = False

    async def history(self, channel: Channel, after: Position, *, limit: int) -> History:
        """See `Bus.history`."""
        history = await super().history(channel, after, limit=limit)
        if self.forgets:
            self.forgets = False
            self.lose_data()
        return history


class TestOrigin:
    """Channels that had no entry when they were followed."""

    async def test_first(self) -> None:
        """The first entry is the next: nothing is repaired, and nobody is told of a loss."""
        async with place(position_check=0.01) as here:
            client = await here.join("a")
            compared = here.bus.comparisons
            await until(lambda: here.bus.comparisons > compared + 2)
            await here.publish("a", "1", "2")

            assert [await client.expect("news", "a") for _ in range(2)] == [1, 2]
            counters = here.gateway.counters
            assert (counters.gaps, counters.mismatches, counters.gaps_unrepaired) == (0, 0, 0)

    async def test_missed(self) -> None:
        """What was missed of the beginning is read from there."""
        async with place() as here:
            client = await here.join("a")
            here.bus.loses = lambda _: here.bus.lost < 2

            await here.publish("a", "1", "2", "3")

            assert [await client.expect("news", "a") for _ in range(3)] == [1, 2, 3]
            assert here.gateway.counters.gaps_unrepaired == 0

    async def test_gone(self) -> None:
        """What the history has no more of the beginning is told: it is of the same life."""
        async with place(bus=FaultyBus(HistorySettings(max_entries=2))) as here:
            client = await here.join("a")
            here.bus.loses = lambda _: here.bus.lost < 3

            await here.publish("a", "1", "2", "3", "4")

            assert await client.expect("fanfare:resync", "a") == {"reason": "expired"}

    async def test_lost(self) -> None:
        """Where the bus has lost its data meanwhile, that is told, and the new history delivered."""
        async with place() as here:
            client = await here.join("a")
            here.bus.lose_data()
            await here.publish("a", "1")

            assert await client.expect("fanfare:resync", "a") == {"reason": "epoch"}
            assert await client.expect("news", "a") == 1

    async def test_lost_while_it_is_read(self) -> None:
        """A repair that began before the first entry, and finds the history lost after it, tells so."""
        bus = Forgetful()
        async with place(bus=bus) as here:
            client = await here.join("a")
            bus.loses, bus.forgets = lambda _: bus.lost < REPAIR_LIMIT, True
            await bus.publish([publication("a", f"{n}") for n in range(REPAIR_LIMIT + 1)])

            heard = [await client.expect("news", "a") for _ in range(REPAIR_LIMIT)]
            assert heard == list(range(REPAIR_LIMIT))
            assert await client.expect("fanfare:resync", "a") == {"reason": "epoch"}

    async def test_former_release(self) -> None:
        """An epoch that a former release has given is another: told as a loss, and nothing is lost."""
        async with place() as here:
            client = await here.join("a")
            one = publication("a", "1")
            here.bus.inner._channels[one.channel] = _Memory(one.channel, deque(), "0123abcd7")
            await here.bus.publish([one, publication("a", "2")])

            assert await client.expect("fanfare:resync", "a") == {"reason": "epoch"}
            assert [await client.expect("news", "a") for _ in range(2)] == [1, 2]
