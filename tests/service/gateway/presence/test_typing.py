"""Who types: told to all subscribers of a channel, on whatever gateway."""

import asyncio

from libs.common.bus.messages import Typed
from libs.common.channels import Channel
from libs.common.typists.port import Report
from tests.service.gateway.presence.signed import sign_in
from tests.service.gateway.presence.typed import (
    CHAT,
    ROOM,
    TYPING,
    heard,
    listed,
    lists,
    member,
    two,
    types,
)
from tests.support.clients.client import Client
from tests.support.deadline import DEADLINE
from tests.support.services.gateway import APP, Place, until

SENT = Report(Channel(APP.id, ROOM), "ann", "", 0.0, everywhere=True)


async def types_before_publish(here: Place, ann: Client) -> None:
    """Have a user type and send, while the gateway cannot report either, but the back end can."""
    here.typists.is_away = True
    await types(ann)
    await until(lambda: here.typists.refusals > 0)
    await here.typists.inner.report([SENT])


class TestBeginAndEnd:
    """From the first word to the last, on two gateways."""

    async def test_begins(self) -> None:
        """
        Everybody is told, also who types; the whisper goes to the others, as ever.
        """
        async with two() as (here, there):
            ann, bob = await member(here, "ann"), await member(there, "bob")

            await types(ann)

            await listed(ann, "ann")
            await listed(bob, "ann")

    async def test_whisper_passes(self) -> None:
        """
        The whisper reaches the others without waiting for anything.
        """
        async with two() as (here, there):
            ann = await member(here, "ann")
            bob = await member(there, "bob")
            here.typists.is_away = True

            await types(ann, at=1)

            message = await bob.read()
            assert (message["event"], message["data"]) == ("client-typing", {"at": 1})
            assert message["user_id"] == "ann"

    async def test_says_that_it_stops(self) -> None:
        async with two() as (here, there):
            ann, bob = await member(here, "ann"), await member(there, "bob")
            await types(ann)
            await listed(bob, "ann")

            await types(ann, typing=False)

            await listed(bob)
            await listed(ann)

    async def test_leaves(self) -> None:
        """
        Who unsubscribes types no more.
        """
        async with two() as (here, there):
            ann, bob = await member(here, "ann"), await member(there, "bob")
            await types(ann)
            await listed(bob, "ann")

            await ann.unsubscribe(ROOM)

            await listed(bob)
            await until(lambda: len(here.typists.reports) == 2)

    async def test_disconnects(self) -> None:
        """
        Nor does who disconnects; but for a second tab in which the user types, too.
        """
        async with two() as (here, there):
            ann, again = await member(here, "ann"), await member(here, "ann")
            bob = await member(there, "bob")
            await types(ann)
            await types(again)
            await listed(bob, "ann")
            await ann.close()
            await until(lambda: here.gateway.state().connections == 1)
            await types(bob)
            await listed(bob, "ann", "bob")

            await again.close()

            await listed(bob, "bob")

    async def test_sends(self) -> None:
        """
        Who sends what was typed types nowhere any more, though it typed that elsewhere.
        """
        async with two() as (here, there):
            ann, elsewhere = await member(here, "ann"), await member(there, "ann")
            bob = await member(there, "bob")
            await types(elsewhere)
            await listed(bob, "ann")

            await ann.whisper(ROOM, "client-message", {"text": "hello"})

            await listed(bob)

    async def test_published(self) -> None:
        """
        Whom a publish names types no more, though the gateway had not reported the last word yet.
        """
        async with two(ttl=0.3) as (here, there):
            ann, bob = await member(here, "ann"), await member(there, "bob")
            await types(ann)
            await listed(bob, "ann")
            await types(ann)
            await heard(ann)

            await here.typists.report([SENT])

            await until(lambda: here.gateway.state().typing == 0)
            await types(bob)
            assert await lists(bob, "bob") == [[], ["bob"]]

    async def test_published_before_it_was_reported(self) -> None:
        """So it is where the gateway had reported no word of the user yet."""
        async with two(ttl=0.3) as (here, there):
            ann, bob = await member(here, "ann"), await member(there, "bob")
            await types_before_publish(here, ann)

            here.typists.is_away = False

            await until(lambda: here.gateway.state().typing == 0)
            await types(bob)
            assert await lists(bob, "bob") == [["bob"]]

    async def test_types_on_meanwhile(self) -> None:
        """A word that comes while an older one is refused is reported at once."""
        async with two(ttl=10 * DEADLINE) as (here, there):
            ann, bob = await member(here, "ann"), await member(there, "bob")
            await types_before_publish(here, ann)
            here.typists.answers.clear()
            here.typists.is_away = False
            await until(lambda: here.typists.held > 0)
            await types(ann)
            await heard(ann)

            here.typists.answers.set()

            await listed(bob, "ann")

    async def test_time_is_over(self) -> None:
        """
        Who says nothing more has stopped when the time is over; until then it is not said again.
        """
        async with two(ttl=0.2) as (here, there):
            ann, bob = await member(here, "ann"), await member(there, "bob")

            await types(ann)

            await listed(bob, "ann")
            await listed(bob)
            assert [report.lasts > 0 for report in here.typists.reports] == [True]
            await until(lambda: here.gateway.state().typing == 0)

    async def test_goes_on(self) -> None:
        """
        Who says it again goes on; of that nobody is told.
        """
        async with two(ttl=0.3) as (here, there):
            ann, bob = await member(here, "ann"), await member(there, "bob")

            while len(here.typists.reports) < 6:
                await types(ann)
                await heard(ann)

            await types(bob)
            assert await lists(bob, "ann", "bob") == [["ann"], ["ann", "bob"]]


class TestLists:
    """What newcomers are told, and who was cut off."""

    async def test_latecomer(self) -> None:
        """
        A newcomer to another gateway is told right after its subscription is confirmed.
        """
        async with two() as (here, there):
            ann = await member(here, "ann")
            await types(ann)
            await listed(ann, "ann")

            bob = await member(there, "bob")
            assert await bob.expect(TYPING, ROOM) == {"user_ids": ["ann"]}
            eve = await member(there, "eve")
            assert await eve.expect(TYPING, ROOM) == {"user_ids": ["ann"]}

    async def test_nobody_types(self) -> None:
        """
        Where nobody did a newcomer is told nothing.
        """
        async with two() as (_, there):
            eve = await member(there, "eve")

            await eve.expect_nothing_else()
            await until(lambda: not there.gateway.state().is_unseated)
            await eve.expect_nothing_else()

    async def test_comes_back(self) -> None:
        """
        Who comes back, here or to another gateway, is told that nobody types by now.
        """
        async with two() as (here, there):
            ann, bob = await member(here, "ann"), await member(here, "bob")
            await types(ann)
            await listed(bob, "ann")
            await bob.close()
            await types(ann, typing=False)
            await listed(ann)

            for each in (here, there):
                bob = await member(each, "bob")
                assert await bob.expect(TYPING, ROOM) == {"user_ids": []}

    async def test_public_channel(self) -> None:
        """
        In a public channel back ends say who types.
        """
        async with two() as (here, _):
            eve = await here.join("news")
            report = Report(Channel(APP.id, "news"), "ann", "", DEADLINE)

            await here.typists.report([report])

            assert await eve.expect(TYPING, "news") == {"user_ids": ["ann"]}

    async def test_many(self) -> None:
        """
        Where only a number is told it is the number.
        """
        async with two() as (here, _):
            eve = await here.join("news")
            here.bus.inner.announce(Typed(Channel(APP.id, "news"), 201, None))

            assert await eve.expect(TYPING, "news") == {"count": 201}
            late = await here.join("news")
            assert await late.expect(TYPING, "news") == {"count": 201}

    async def test_told_once(self) -> None:
        """
        A list that subscribers have is not told again.
        """
        async with two() as (here, _):
            eve = await here.join("news")
            channel = Channel(APP.id, "news")
            for users in (("ann",), ("ann",), ("ann", "bob")):
                here.bus.inner.announce(Typed(channel, len(users), users))

            assert await lists(eve, "ann", "bob", channel="news") == [["ann"], ["ann", "bob"]]

    async def test_cut_off(self) -> None:
        """
        A change of which the bus told nothing is found when the bus is heard again.
        """
        async with two() as (here, there):
            ann, bob = await member(here, "ann"), await member(there, "bob")
            here.bus.loses = lambda delivery: isinstance(delivery, Typed)
            await types(ann)
            await until(lambda: len(here.typists.reports) == 1)
            here.bus.loses = lambda _: False

            here.bus.interrupt()

            await listed(bob, "ann")

    async def test_lost_while_cut_off(self) -> None:
        """
        Who believes a list is told that nobody types, though nobody knows any more that it was told.
        """
        async with two() as (here, _):
            eve = await here.join("news")
            await here.typists.report([Report(Channel(APP.id, "news"), "ann", "", DEADLINE)])
            await listed(eve, "ann", channel="news")
            here.typists.lose_data()

            here.bus.interrupt()

            await listed(eve, channel="news")

    async def test_not_read(self) -> None:
        """Of a channel that is encrypted, or a user's own, nobody asks who types."""
        async with two() as (here, _):
            eve = await sign_in(await here.join("private-encrypted-x"), "eve")
            await eve.subscribe("news")

            await until(lambda: Channel(APP.id, "news") in here.typists.asked)
            assert {channel.name for channel in here.typists.asked} == {"news"}


class TestAway:
    """Typists that are away, or have lost all."""

    async def test_told_later(self) -> None:
        """
        While they are away the newest word is kept: who has stopped by then was never there.
        """
        async with two() as (here, there):
            ann, bob = await member(here, "ann"), await member(there, "bob")
            here.typists.is_away = True
            await types(ann)
            await types(bob)
            await until(lambda: here.typists.refusals > 2)
            await types(ann, typing=False)
            await heard(ann)

            here.typists.is_away = False

            assert await lists(bob, "bob") == [["bob"]]

    async def test_part_away(self) -> None:
        """
        Where a part of them is away the others are told, and told of.
        """
        async with two() as (here, _):
            here.typists.away_for = {Channel(APP.id, CHAT)}
            ann = await member(here, "ann")
            await ann.subscribe(CHAT)
            await types(ann, CHAT)
            await types(ann, ROOM)

            await listed(ann, "ann")
            here.typists.away_for = set()
            await listed(ann, "ann", channel=CHAT)

    async def test_lost(self) -> None:
        """
        After a loss of data all is said and read again.
        """
        async with two() as (here, there):
            ann, bob = await member(here, "ann"), await member(there, "bob")
            await types(ann)
            await listed(bob, "ann")
            here.typists.lose_data()

            here.roster.clear(here.gateway.state().name)

            await until(lambda: len(here.typists.reports) == 2)
            late = await member(there, "eve")
            assert await late.expect(TYPING, ROOM) == {"user_ids": ["ann"]}

    async def test_drained(self) -> None:
        """
        A gateway that goes has told before that its users type no more.
        """
        async with two() as (here, there):
            ann, bob = await member(here, "ann"), await member(there, "bob")
            await types(ann)
            await listed(bob, "ann")

            await here.gateway.drain()

            assert here.typists.reports[-1].lasts == 0
            await listed(bob)

    async def test_drained_while_away(self) -> None:
        """It waits for typists that are away for a moment."""
        async with two() as (here, there):
            ann, bob = await member(here, "ann"), await member(there, "bob")
            await types(ann)
            await listed(bob, "ann")
            here.typists.is_away = True
            async with asyncio.TaskGroup() as tasks:
                drain = tasks.create_task(here.gateway.drain())
                await until(lambda: here.typists.refusals > 3)
                here.typists.is_away = False
                await drain

            (typing,) = await here.typists.inner.typing([Channel(APP.id, ROOM)])
            assert typing.count == 0
