"""Who watches users hears when they come online and go offline, on whatever gateway."""

import msgspec
from structlog.testing import capture_logs

from libs.common.apps.memory import MemoryApps
from libs.common.bus.messages import Delivery, Transition
from libs.common.roster.device import Device
from libs.common.roster.port import JoinRequest, Seat
from tests.service.gateway.presence.signed import WATCHING, is_online, online, sign_in, watching
from tests.support.clients.client import Client
from tests.support.deadline import DEADLINE
from tests.support.services.gateway import Place, place, until

APPS = MemoryApps([WATCHING])


async def come(here: Place, user: str) -> Client:
    """Connect and sign in, and wait until the user is online."""
    client = await sign_in(await here.connect(), user)
    await until(lambda: is_online(here, user))
    return client


async def expect_no_news(here: Place, client: Client) -> None:
    """See that nothing is told of a user whom others are told of."""
    await here.publish("#server-to-user-ann", "marker")
    await client.expect("news", "#server-to-user-ann")


class TestJourney:
    """Pusher, "Watchlist events"."""

    async def test_first_and_then(self) -> None:
        """
        After the sign-in a client is told of all; then of each change, whoever's gateway it is at.
        """
        async with (
            place(apps=APPS) as here,
            place(bus=here.bus, roster=here.roster, apps=APPS) as there,
        ):
            bob = await come(there, "bob")
            ann = await sign_in(await here.connect(), "ann", "bob", "cat", "dan")
            assert await watching(ann) == {"online": ["bob"], "offline": ["cat", "dan"]}

            cat = await come(there, "cat")
            assert await watching(ann) == {"online": ["cat"]}
            await bob.close()
            assert await watching(ann) == {"offline": ["bob"]}
            await cat.close()
            assert await watching(ann) == {"offline": ["cat"]}
            await ann.expect_nothing_else()

    async def test_second_connection(self) -> None:
        """
        A user goes offline with its last connection, and not while it may return.
        """
        patient = MemoryApps([msgspec.structs.replace(WATCHING, leave_grace=DEADLINE)])
        async with place(apps=patient) as here:
            first = await come(here, "bob")
            ann = await sign_in(await here.connect(), "ann", "bob", "cat")
            assert await watching(ann) == {"online": ["bob"], "offline": ["cat"]}

            await first.close()
            await until(lambda: bool(here.roster.leaving()))
            back = await come(here, "bob")
            cat = await come(here, "cat")

            assert await watching(ann) == {"online": ["cat"]}
            assert (back.socket_id, cat.socket_id) > ("", "")

    async def test_own_list(self) -> None:
        """
        A client may watch its own user, and is told of it like any other.
        """
        async with place(apps=APPS) as here:
            ann = await sign_in(await here.connect(), "ann", "ann")
            told = await watching(ann)
            if told == {"offline": ["ann"]}:  # The roster heard of it after it was asked.
                told = await watching(ann)

            assert told == {"online": ["ann"]}

    async def test_together(self) -> None:
        """
        What changes within a moment is told in one frame.
        """
        async with place(apps=APPS) as here:
            names = [f"u{number}" for number in range(20)]
            ann = await sign_in(await here.connect(), "ann", *names)
            assert await watching(ann) == {"offline": sorted(names)}
            here.roster.is_away = True
            others = [await sign_in(await here.connect(), name) for name in names]

            here.roster.is_away = False

            assert await watching(ann) == {"online": sorted(names)}
            assert len(others) == len(names)

    async def test_switched_off(self) -> None:
        async with place() as here:
            ann = await sign_in(await here.connect(), "ann", "bob")
            bob = await come(here, "bob")

            await ann.expect_nothing_else()
            assert bob.socket_id
            assert here.gateway.state().watched == 0


class TestOnce:
    """A user is followed once, for as long as somebody watches."""

    async def test_followed(self) -> None:
        async with place(apps=APPS, linger=0) as here:
            watchers = [await sign_in(await here.connect(), name, "bob") for name in ("ann", "cat")]
            for client in watchers:
                assert await watching(client) == {"offline": ["bob"]}
            assert here.gateway.state().watched == 1
            assert online("bob") in here.bus.followed

            await watchers[0].close()
            await until(lambda: here.gateway.state().connections == 1)
            bob = await come(here, "bob")
            assert await watching(watchers[1]) == {"online": ["bob"]}
            await watchers[1].close()

            await until(lambda: online("bob") not in here.bus.followed)
            assert here.gateway.state().watched == 0
            assert bob.socket_id

    async def test_gone_meanwhile(self) -> None:
        """
        A user whom nobody watches any more when the bus answers is followed no longer.
        """
        async with place(apps=APPS, linger=0) as here:
            ann = await sign_in(await here.connect(), "ann")
            here.bus.follows.clear()
            await sign_in(ann, "ann", "bob")
            await until(lambda: online("bob") in here.bus.followed)
            await ann.close()
            await until(lambda: here.gateway.state().connections == 0)

            here.bus.follows.set()

            await until(lambda: online("bob") not in here.bus.followed)

    async def test_another_list(self) -> None:
        """
        Who signs in anew is told of the new list, as a whole, and of the old one no more.
        """
        async with place(apps=APPS) as here:
            ann = await sign_in(await here.connect(), "ann", "bob", "cat")
            assert await watching(ann) == {"offline": ["bob", "cat"]}

            await sign_in(ann, "ann", "cat", "dan")

            assert await watching(ann) == {"offline": ["cat", "dan"]}
            bob = await come(here, "bob")
            await expect_no_news(here, ann)
            assert bob.socket_id

    async def test_too_many(self) -> None:
        """
        Of users beyond the gateway's bound nobody is told; the client, and operators once, hear of that.
        """
        async with place(apps=APPS, max_watched=2) as here:
            ann = await here.connect()
            with capture_logs() as lines:
                await sign_in(ann, "ann", "bob", "cat", "dan")
                await ann.expect_error(4302)
            assert [
                each["watched"] for each in lines if each["event"] == "watchlists.exceeded"
            ] == [2]
            assert await watching(ann) == {"offline": ["bob", "cat"]}
            eve = await here.connect()
            with capture_logs() as lines:
                await sign_in(eve, "eve", "dan")
                await eve.expect_error(4302)

            assert not [each for each in lines if each["event"] == "watchlists.exceeded"]
            await ann.close()
            await until(lambda: here.gateway.state().watched == 0)
            await sign_in(eve, "eve", "dan")
            assert await watching(eve) == {"offline": ["dan"]}


class TestFaults:
    """Nothing is lost while the bus or the roster is away."""

    async def test_away_at_sign_in(self) -> None:
        """
        The client is signed in, and told of users when they are known.
        """
        async with place(apps=APPS) as here:
            here.roster.is_away = True
            ann = await sign_in(await here.connect(), "ann", "bob")
            await until(lambda: here.roster.refusals > 2)
            await expect_no_news(here, ann)

            here.roster.is_away = False

            assert await watching(ann) == {"offline": ["bob"]}

    async def test_part_away(self) -> None:
        """
        Where a part of the roster is away the rest is told without it.
        """
        async with place(apps=APPS) as here:
            here.roster.away_for = {online("bob")}
            ann = await sign_in(await here.connect(), "ann", "bob", "cat")
            assert await watching(ann) == {"offline": ["cat"]}

            here.roster.away_for = set()

            assert await watching(ann) == {"offline": ["bob"]}

    async def test_before_it_was_read(self) -> None:
        """
        What happens before the roster has said who is there tells nothing by itself.
        """
        async with place(apps=APPS) as here:
            here.roster.away_for = {online("bob")}
            ann = await sign_in(await here.connect(), "ann", "bob")
            await until(lambda: here.roster.refusals > 1)

            seat = Seat(online("bob"), "1.1", "elsewhere")
            await here.roster.inner.join([JoinRequest(seat, "1.1", Device().written())])
            await expect_no_news(here, ann)
            here.roster.away_for = set()

            assert await watching(ann) == {"online": ["bob"]}

    async def test_transition_lost(self) -> None:
        """
        A change that never arrived is found when the next one does.
        """
        async with place(apps=APPS) as here:
            ann = await sign_in(await here.connect(), "ann", "bob")
            assert await watching(ann) == {"offline": ["bob"]}
            here.bus.loses = _is_transition
            first = await come(here, "bob")
            await expect_no_news(here, ann)
            here.bus.loses = lambda _: False

            second = await come(here, "bob")

            assert await watching(ann) == {"online": ["bob"]}
            assert first.socket_id != second.socket_id

    async def test_interrupted(self) -> None:
        """
        After an outage of the bus a client is told what differs from what it was told, and no more.
        """
        async with (
            place(apps=APPS) as here,
            place(bus=here.bus, roster=here.roster, apps=APPS) as there,
        ):
            bob, cat = await come(there, "bob"), await come(there, "cat")
            ann = await sign_in(await here.connect(), "ann", "bob", "cat", "dan")
            assert await watching(ann) == {"online": ["bob", "cat"], "offline": ["dan"]}
            here.bus.loses = _is_transition
            await bob.close()
            await until(lambda: not is_online(there, "bob"))
            dan = await come(there, "dan")
            await expect_no_news(here, ann)
            here.bus.loses = lambda _: False

            here.bus.interrupt()

            assert await watching(ann) == {"online": ["dan"], "offline": ["bob"]}
            await ann.expect_nothing_else()
            assert (cat.socket_id, dan.socket_id) > ("", "")


def _is_transition(delivery: Delivery) -> bool:
    return isinstance(delivery, Transition)
