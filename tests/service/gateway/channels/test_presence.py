"""Members over real WebSockets: a snapshot, then each change once, on all gateways."""

import asyncio

import msgspec

from libs.common.apps.app import App
from libs.common.apps.limits import Limits
from libs.common.apps.memory import MemoryApps
from libs.common.bus.messages import Delivery, Transition
from libs.common.channels import Channel
from libs.common.roster.port import JoinRequest, Seat
from tests.support.clients.client import ADDED, REMOVED, SUCCEEDED, Client
from tests.support.deadline import DEADLINE
from tests.support.services.gateway import APP, Place, place, until

ROOM = "presence-room"
CHANNEL = Channel(APP.id, ROOM)
PATIENT = msgspec.structs.replace(APP, leave_grace=DEADLINE)


def of(app: App) -> MemoryApps:
    return MemoryApps([app])


async def expect_no_news(here: Place, client: Client) -> None:
    """See that the next that a client hears of the room is an event which comes now."""
    await here.publish(ROOM, "marker")
    assert await client.expect("news", ROOM) == "marker"


class TestJourney:
    """docs/protocol.md, "Presence"."""

    async def test_two_clients(self) -> None:
        """
        Each is shown who is there, itself included; the others hear of it; and so it is when one leaves.
        """
        async with place() as here:
            ann = await here.connect()
            await ann.ask(ROOM, user="ann", info={"name": "Ann"})
            data = await ann.expect(SUCCEEDED, ROOM)
            assert data == {
                "presence": {"ids": ["ann"], "hash": {"ann": {"name": "Ann"}}, "count": 1}
            }

            bob = await here.connect()
            await bob.ask(ROOM, user="bob")
            data = await bob.expect(SUCCEEDED, ROOM)
            assert data["presence"] == {
                "ids": ["ann", "bob"],
                "hash": {"ann": {"name": "Ann"}, "bob": None},
                "count": 2,
            }
            assert await ann.expect(ADDED, ROOM) == {"user_id": "bob", "user_info": None}

            await bob.unsubscribe(ROOM)
            assert await ann.expect(REMOVED, ROOM) == {"user_id": "bob"}
            await bob.expect_nothing_else()

    async def test_two_gateways(self) -> None:
        """
        Members are those of all gateways, and each change is told everywhere, once.
        """
        async with place() as here, place(bus=here.bus, roster=here.roster) as there:
            ann = await here.join(ROOM, user="ann")
            bob = await there.connect()

            assert await bob.subscribe(ROOM, user="bob") == ["ann", "bob"]
            assert (await ann.expect(ADDED, ROOM))["user_id"] == "bob"
            await ann.unsubscribe(ROOM)

            assert await bob.expect(REMOVED, ROOM) == {"user_id": "ann"}
            await expect_no_news(here, bob)

    async def test_many(self) -> None:
        """
        When many come at once, each view becomes that of the roster: nobody comes twice or leaves unseen.
        """
        app = msgspec.structs.replace(APP, limits=Limits(members=0))
        async with (
            place(apps=of(app)) as here,
            place(bus=here.bus, roster=here.roster, apps=of(app)) as there,
        ):
            users = [f"user-{number}" for number in range(30)]
            clients = [await (here, there)[place % 2].connect() for place in range(len(users))]
            for client, user in zip(clients, users, strict=True):
                await client.ask(ROOM, user=user)

            for client in clients:
                seen = set((await client.expect(SUCCEEDED, ROOM))["presence"]["ids"])
                while seen != set(users):
                    user = (await client.expect(ADDED, ROOM))["user_id"]
                    assert user not in seen
                    seen.add(user)
                await client.expect_nothing_else()

    async def test_second_connection(self) -> None:
        """
        A user comes with its first connection and leaves with the last.
        """
        async with place() as here:
            ann = await here.join(ROOM, user="ann")
            first, second = await here.connect(), await here.connect()
            await first.subscribe(ROOM, user="bob")
            assert (await ann.expect(ADDED, ROOM))["user_id"] == "bob"
            assert await second.subscribe(ROOM, user="bob") == ["ann", "bob"]

            await first.unsubscribe(ROOM)
            await first.expect_nothing_else()
            await expect_no_news(here, ann)

            await second.unsubscribe(ROOM)
            assert await ann.expect(REMOVED, ROOM) == {"user_id": "bob"}

    async def test_subscribed_twice(self) -> None:
        """
        Subscribing twice shows the members again, and announces nobody.
        """
        async with place() as here:
            ann, bob = await here.join(ROOM, user="ann"), await here.join(ROOM, user="bob")
            await ann.expect(ADDED, ROOM)

            assert await bob.subscribe(ROOM, user="bob") == ["ann", "bob"]

            await expect_no_news(here, ann)

    async def test_full(self) -> None:
        """
        One user too many is refused; another connection of a member is not, and a place that is left is free.
        """
        async with place() as here:
            clients = [await here.join(ROOM, user=name) for name in ("ann", "bob", "cy")]
            late = await here.connect()

            await late.ask(ROOM, user="dee")

            data = await late.expect("pusher:subscription_error", ROOM)
            assert (data["type"], data["status"]) == ("LimitReached", 4100)
            await here.join(ROOM, user="ann")
            await clients[2].unsubscribe(ROOM)
            await until(lambda: here.roster.users(CHANNEL) == {"ann", "bob"})
            assert set(await late.subscribe(ROOM, user="dee")) == {"ann", "bob", "dee"}


class TestLeaving:
    """architecture.md, 5, "Leaving"."""

    async def test_after_grace(self) -> None:
        """
        A closed connection's member leaves when its grace has passed.
        """
        async with place() as here:
            ann, bob = await here.join(ROOM, user="ann"), await here.join(ROOM, user="bob")
            await ann.expect(ADDED, ROOM)

            await bob.close()

            assert await ann.expect(REMOVED, ROOM) == {"user_id": "bob"}

    async def test_without_grace(self) -> None:
        """
        With a grace of 0 it leaves at once.
        """
        app = msgspec.structs.replace(APP, leave_grace=0.0)
        async with place(apps=of(app)) as here:
            ann, bob = await here.join(ROOM, user="ann"), await here.join(ROOM, user="bob")
            await ann.expect(ADDED, ROOM)

            await bob.close()

            assert await ann.expect(REMOVED, ROOM) == {"user_id": "bob"}

    async def test_returns(self) -> None:
        """
        Who returns within the grace never left, for the others.
        """
        async with place(apps=of(PATIENT)) as here:
            ann, bob = await here.join(ROOM, user="ann"), await here.join(ROOM, user="bob")
            await ann.expect(ADDED, ROOM)
            await bob.close()
            await until(lambda: here.roster.leaving() == {bob.socket_id})

            back = await here.join(ROOM, user="bob")

            here.roster.ahead = 2 * PATIENT.leave_grace
            await until(lambda: set(here.roster.seats(CHANNEL)) == {ann.socket_id, back.socket_id})
            await expect_no_news(here, ann)

    async def test_gone_while_joining(self) -> None:
        """
        Who goes before its answer comes is not left behind as a member.
        """
        async with place() as here:
            client = await here.connect()
            here.roster.answers.clear()
            await client.ask(ROOM, user="ann")
            await until(lambda: here.roster.users(CHANNEL) == {"ann"})

            await client.close()
            await until(lambda: here.gateway.counters.closed == {1000: 1})
            here.roster.answers.set()

            await until(lambda: not here.roster.seats(CHANNEL))

    async def test_gone_after_a_lost_answer(self) -> None:
        """
        Nor is one whose seat was taken, while the answer got lost, and who goes before it is asked for again.
        """
        async with place() as here:
            client = await here.connect()
            here.roster.loses_answers = True
            await client.ask(ROOM, user="ann")
            await until(lambda: here.roster.refusals > 0)

            await client.close()

            await until(lambda: not here.roster.seats(CHANNEL))

    async def test_unsubscribed_while_joining(self) -> None:
        """
        Who unsubscribes before its answer comes leaves at once, and hears nothing of the channel.
        """
        async with place(apps=of(PATIENT)) as here:
            client = await here.connect()
            here.roster.answers.clear()
            await client.ask(ROOM, user="ann")
            await until(lambda: here.roster.joins == 1)

            await client.unsubscribe(ROOM)
            await client.expect_nothing_else()
            here.roster.answers.set()

            await until(lambda: not here.roster.seats(CHANNEL))
            await client.expect_nothing_else()


class TestRepair:
    """architecture.md, 5, "Snapshot, then diffs"."""

    async def test_lost_transition(self) -> None:
        """
        A lost change is found with the next, and each is told once.
        """
        async with place() as here:
            ann = await here.join(ROOM, user="ann")
            lost = asyncio.Event()

            def loses(delivery: Delivery) -> bool:
                is_lost = isinstance(delivery, Transition) and delivery.user_id == "bob"
                if is_lost:
                    lost.set()
                return is_lost

            here.bus.loses = loses
            async with place(bus=here.bus, roster=here.roster) as there:
                bob = await there.join(ROOM, user="bob")
                async with asyncio.timeout(DEADLINE):
                    await lost.wait()
                await there.join(ROOM, user="cy")

                told = {(await ann.expect(ADDED, ROOM))["user_id"] for _ in range(2)}

                assert told == {"bob", "cy"}
                assert (await bob.expect(ADDED, ROOM))["user_id"] == "cy"
                await expect_no_news(here, ann)
                assert here.gateway.counters.member_gaps == 1
                assert there.gateway.counters.member_gaps == 0

    async def test_interrupted(self) -> None:
        """
        After an interruption members are compared without waiting for a next change.
        """
        async with place() as here, place(bus=here.bus, roster=here.roster) as there:
            ann = await here.join(ROOM, user="ann")
            here.bus.loses = lambda _: True
            others = [await there.join(ROOM, user=user) for user in ("bob", "cy")]

            here.bus.loses = lambda _: False
            here.bus.interrupt()

            told = {(await ann.expect(ADDED, ROOM))["user_id"] for _ in range(2)}
            assert told == {"bob", "cy"}
            await expect_no_news(here, ann)
            for other in others:
                await other.close()

    async def test_joining_meanwhile(self) -> None:
        """
        Who comes while a channel is being followed is shown to the newcomer, once.
        """
        async with place() as here, place(bus=here.bus, roster=here.roster) as there:
            bob, marker = await there.join(ROOM, user="bob"), await here.join("marker")
            here.bus.follows.clear()
            ann, cy = await here.connect(), await there.connect()
            await ann.ask(ROOM, user="ann")
            await until(lambda: here.bus.held == 1)
            await cy.subscribe(ROOM, user="cy")
            await bob.expect(ADDED, ROOM)
            await here.publish("marker", "1")
            await marker.expect("news", "marker")

            here.bus.follows.set()

            seen = set((await ann.expect(SUCCEEDED, ROOM))["presence"]["ids"])
            assert seen == {"ann", "bob", "cy"}
            await expect_no_news(here, ann)

    async def test_roster_away(self) -> None:
        """
        A gap that cannot be repaired at once is repaired when the roster is back.
        """
        async with place() as here:
            ann = await here.join(ROOM, user="ann")
            here.bus.loses = lambda each: isinstance(each, Transition) and each.user_id == "bob"
            here.roster.is_away = True
            elsewhere = Seat(CHANNEL, "1.1", "elsewhere"), Seat(CHANNEL, "2.2", "elsewhere")
            await here.roster.inner.join(
                [
                    JoinRequest(seat, user, "null")
                    for seat, user in zip(elsewhere, ("bob", "cy"), strict=True)
                ]
            )
            await until(lambda: here.roster.refusals > 0)
            await ann.expect_nothing_else()

            here.roster.is_away = False

            assert {(await ann.expect(ADDED, ROOM))["user_id"] for _ in range(2)} == {"bob", "cy"}
            await expect_no_news(here, ann)

    async def test_overtaken_snapshot(self) -> None:
        """
        An answer of the roster that changes have overtaken on its way takes nothing back.
        """
        async with place() as here, place(bus=here.bus) as there:
            there.roster.inner = here.roster.inner
            there.roster.inner_leases = here.roster.inner_leases
            ann = await here.join(ROOM, user="ann")
            here.roster.answers.clear()
            late = await here.connect()
            await late.ask(ROOM, user="ann")
            await until(lambda: here.roster.joins == 2)

            bob = await there.join(ROOM, user="bob")
            assert (await ann.expect(ADDED, ROOM))["user_id"] == "bob"
            here.roster.answers.set()

            assert (await late.expect(SUCCEEDED, ROOM))["presence"]["ids"] == ["ann", "bob"]
            await expect_no_news(here, ann)
            await expect_no_news(here, bob)
