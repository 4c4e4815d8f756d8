"""Backends that are away: clients stay, questions and departures wait, and nothing is lost for good."""

from libs.common.channels import Channel
from tests.support.clients.client import ADDED, REMOVED, SUCCEEDED, Client
from tests.support.deadline import DEADLINE
from tests.support.fakes.faults import FaultyBus
from tests.support.services.gateway import APP, Place, place, publication, until

ROOM = "presence-room"
CHANNEL = Channel(APP.id, ROOM)


def lease_of(here: Place) -> str:
    """Return the name under which a gateway seats members."""
    return here.gateway.state().name


class TestBusAway:
    """Connected clients stay, and who asks for something new waits."""

    async def test_at_start(self) -> None:
        """
        Clients may connect; their subscribes wait, and are answered when it is back.
        """
        bus = FaultyBus()
        bus.is_away = True
        async with place(bus=bus) as here:
            client = await here.connect()
            await client.ask("a")
            await client.ask(ROOM, user="ann")
            await until(lambda: bus.refusals > 1)
            await client.expect_nothing_else()

            bus.is_away = False

            answers = [await client.read() for _ in range(2)]
            assert {each["channel"] for each in answers} == {"a", ROOM}
            assert {each["event"] for each in answers} == {SUCCEEDED}

    async def test_later(self) -> None:
        """
        Connected clients stay; what is followed can be subscribed to, and what was missed arrives afterwards.
        """
        async with place() as here:
            client, other = await here.join("a"), await here.connect()
            here.bus.is_away = True
            here.bus.interrupt()
            await until(lambda: here.bus.refusals > 3)
            assert not here.gateway.state().is_listening

            assert await other.subscribe("a") == {}
            await other.ask("b")
            await other.expect_nothing_else()
            await here.bus.inner.publish([publication("a", "1")])

            here.bus.is_away = False

            assert await client.expect("news", "a") == 1
            told = [await other.read() for _ in range(2)]
            assert {(each["event"], each["channel"]) for each in told} == {
                ("news", "a"),
                (SUCCEEDED, "b"),
            }
            await until(lambda: here.gateway.state().is_listening)

    async def test_departures(self) -> None:
        """
        Who leaves meanwhile does not wait for the bus.
        """
        async with place() as here:
            ann, bob = await here.join(ROOM, user="ann"), await here.connect()
            here.bus.is_away = True
            await bob.ask("presence-other", user="bob")
            await until(lambda: here.bus.refusals > 0)

            await ann.unsubscribe(ROOM)

            await until(lambda: not here.roster.seats(CHANNEL))

    async def test_for_long(self) -> None:
        """
        However long both are away, what there is to ask does not grow, and nobody is sent away for it.
        """
        async with place(max_waiting=3) as here:
            ann, bob = await here.join(ROOM, user="ann"), await here.join(ROOM, user="bob")
            await ann.expect(ADDED, ROOM)
            here.bus.is_away = here.roster.is_away = True
            here.bus.interrupt()
            await until(lambda: here.bus.refusals > 3)

            here.bus.is_away = False
            await until(lambda: here.roster.refusals > 0)
            for _ in range(5):
                here.bus.reads.clear()  # Else it may be back before anybody has seen that it was away.
                here.bus.interrupt()
                await until(lambda: not here.gateway.state().is_listening)
                here.bus.reads.set()
                await until(lambda: here.gateway.state().is_listening)
            assert here.gateway.state().waiting <= 2
            here.roster.is_away = False

            await here.publish(ROOM, "marker")
            for client in (ann, bob):
                assert await client.expect("news", ROOM) == "marker"
            assert here.gateway.counters.closed == {}

    async def test_too_many_wait(self) -> None:
        """
        Of more questions than may wait, those above it are sent away, so that they come back.
        """
        async with place(max_waiting=1) as here:
            here.bus.is_away = True
            first, second = await here.connect(), await here.connect()
            await first.ask("a")
            await until(lambda: here.bus.refusals > 0)

            await second.ask("b")

            await second.expect_error(4100)
            assert await second.expect_close() == 4100
            here.bus.is_away = False
            assert await first.expect(SUCCEEDED, "a") == {}


class TestRosterAway:
    """Members wait; everybody else does not notice."""

    async def test_joins_wait(self) -> None:
        """
        Who wants to join waits, and is answered when it is back.
        """
        async with place() as here:
            here.roster.is_away = True
            client = await here.connect()
            await client.ask(ROOM, user="ann")
            await until(lambda: here.roster.refusals > 3)
            await client.expect_nothing_else()

            here.roster.is_away = False

            assert (await client.expect(SUCCEEDED, ROOM))["presence"]["ids"] == ["ann"]

    async def test_others_do_not_wait(self) -> None:
        """
        Channels without members are joined as ever.
        """
        async with place() as here:
            here.roster.is_away = True
            ann, client = await here.connect(), await here.connect()
            await ann.ask(ROOM, user="ann")
            await until(lambda: here.roster.refusals > 0)

            assert await client.subscribe("a") == {}
            assert await ann.subscribe("b") == {}

    async def test_in_part(self) -> None:
        """
        Where it is away in part, members of other channels come and go as ever.
        """
        async with place() as here:
            ann = await here.join("presence-a", user="ann")
            bob = await here.join("presence-b", user="bob")
            await ann.subscribe("presence-b", user="ann")
            await bob.expect(ADDED, "presence-b")
            here.roster.away_for = {Channel(APP.id, "presence-a")}
            cy = await here.connect()
            await cy.ask("presence-a", user="cy")
            await ann.unsubscribe("presence-a")
            await until(lambda: here.roster.refusals > 1)

            await cy.subscribe("presence-b", user="cy")
            await ann.unsubscribe("presence-b")

            assert (await bob.expect(ADDED, "presence-b"))["user_id"] == "cy"
            assert (await bob.expect(REMOVED, "presence-b"))["user_id"] == "ann"
            assert (await cy.expect(REMOVED, "presence-b"))["user_id"] == "ann"
            here.roster.away_for = set()
            data = await cy.expect(SUCCEEDED, "presence-a")
            assert data["presence"]["ids"] == ["ann", "cy"]
            assert (await cy.expect(REMOVED, "presence-a"))["user_id"] == "ann"

    async def test_order(self) -> None:
        """
        Who leaves and returns meanwhile is there when it is back, and who returns and leaves is not.
        """
        async with place() as here:
            ann, bob = await here.join(ROOM, user="ann"), await here.connect()
            here.roster.is_away = True
            await ann.unsubscribe(ROOM)
            await ann.ask(ROOM, user="ann")
            await bob.ask(ROOM, user="bob")
            await until(lambda: here.roster.refusals > 2)
            await bob.unsubscribe(ROOM)
            await bob.expect_nothing_else()

            here.roster.is_away = False

            await ann.expect(SUCCEEDED, ROOM)
            await until(lambda: set(here.roster.seats(CHANNEL)) == {ann.socket_id})

    async def test_departures_are_not_lost(self) -> None:
        """
        Who leaves meanwhile has left when it is back.
        """
        async with place() as here:
            ann, bob = await here.join(ROOM, user="ann"), await here.join(ROOM, user="bob")
            await ann.expect(ADDED, ROOM)
            cy = await here.join(ROOM, user="cy")
            await ann.expect(ADDED, ROOM)
            here.roster.is_away = True
            await bob.close()
            await cy.unsubscribe(ROOM)
            await cy.expect_nothing_else()

            here.roster.is_away = False

            told = {(await ann.expect(REMOVED, ROOM))["user_id"] for _ in range(2)}
            assert told == {"bob", "cy"}

    async def test_more_departures_than_may_wait(self) -> None:
        """
        Where they are too many to be kept, the gateway takes another name, and those who stay move there.
        """
        async with place(max_waiting=1, lease_grace=0.5, lease_renew=0.05) as here:
            ann = await here.join(ROOM, user="ann")
            bob, cy = await here.join(ROOM, user="bob"), await here.join(ROOM, user="cy")
            assert {(await ann.expect(ADDED, ROOM))["user_id"] for _ in range(2)} == {"bob", "cy"}
            former = lease_of(here)
            here.roster.is_away = True
            await bob.close()
            await cy.close()
            await until(lambda: lease_of(here) != former)

            here.roster.is_away = False
            await until(lambda: lease_of(here) in here.roster.leases())
            await here.roster.release(former)

            assert {(await ann.expect(REMOVED, ROOM))["user_id"] for _ in range(2)} == {"bob", "cy"}
            assert here.roster.seats(CHANNEL) == {ann.socket_id: lease_of(here)}


class TestLeaseLost:
    """A gateway whose lease was ended comes back under another name."""

    async def test_seated_again(self) -> None:
        """
        Its members pass to the new name, and no client hears of it.
        """
        async with place() as here:
            ann = await here.join(ROOM, user="ann")
            former = lease_of(here)
            here.roster.clear(former)

            bob = await here.connect()
            assert await bob.subscribe(ROOM, user="bob") == ["ann", "bob"]

            assert (await ann.expect(ADDED, ROOM))["user_id"] == "bob"
            await until(
                lambda: (
                    here.roster.seats(CHANNEL)
                    == dict.fromkeys([ann.socket_id, bob.socket_id], lease_of(here))
                )
            )
            assert lease_of(here) != former
            await here.publish(ROOM, "marker")
            for client in (ann, bob):
                assert await client.expect("news", ROOM) == "marker"

    async def test_renewed_at_once(self) -> None:
        """
        The new name holds at once, not only when the next renewal is due.
        """
        async with place(lease_ttl=10 * DEADLINE, lease_renew=5 * DEADLINE) as here:
            await here.join(ROOM, user="ann")
            former = lease_of(here)
            here.roster.clear(former)

            await here.join(ROOM, user="bob")

            assert lease_of(here) != former
            await until(lambda: lease_of(here) in here.roster.leases())

    async def test_cleared(self) -> None:
        """
        When its seats were cleared in earnest, its members left; they return as soon as it learns of that.
        """
        async with (
            place(lease_renew=0.05) as here,
            place(bus=here.bus, roster=here.roster) as there,
        ):
            ann = await here.join(ROOM, user="ann")
            bob = await there.join(ROOM, user="bob")
            await ann.expect(ADDED, ROOM)
            former = lease_of(here)

            here.roster.clear(former)
            for seat in tuple(here.roster.inner._held[former]):
                here.roster.inner._rise(seat)

            for client in (ann, bob):
                assert await client.expect(REMOVED, ROOM) == {"user_id": "ann"}
                assert (await client.expect(ADDED, ROOM))["user_id"] == "ann"

    async def test_roster_and_bus_lost_their_data(self) -> None:
        """
        When everything is lost, everybody who is still here is seated again, and each view becomes true.
        """
        never = 5 * DEADLINE
        async with (
            place(lease_ttl=2 * never, lease_renew=never) as here,
            place(
                bus=here.bus, roster=here.roster, lease_ttl=2 * never, lease_renew=never
            ) as there,
        ):
            ann, bob = await here.join(ROOM, user="ann"), await there.join(ROOM, user="bob")
            await ann.expect(ADDED, ROOM)

            here.roster.lose_data()
            here.bus.lose_data()
            await here.publish(ROOM, "first of a new life")

            await until(lambda: here.roster.users(CHANNEL) == {"ann", "bob"})
            await here.publish(ROOM, "last")
            for client in (ann, bob):
                assert await _view(client, {"ann", "bob"}) == {"ann", "bob"}


async def _view(client: Client, seen: set[str]) -> set[str]:
    """Apply what a client hears, up to the last event, to what it has seen."""
    while (message := await client.read())["data"] != "last":
        if message["event"] == ADDED:
            assert message["data"]["user_id"] not in seen
            seen.add(message["data"]["user_id"])
        if message["event"] == REMOVED:
            seen.remove(message["data"]["user_id"])
    return seen
