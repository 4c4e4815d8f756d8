"""Users are online while a connection is theirs, on whatever gateway."""

import asyncio
import time

import msgspec

from libs.common.apps.memory import MemoryApps
from libs.common.apps.signatures import grant_token
from libs.common.control.commands import Command
from libs.common.control.memory import MemoryControl
from libs.common.roster.device import MOST, OTHERS, Device
from tests.service.gateway.presence.signed import devices, is_online, online, sign_in
from tests.support.clients.pusher import subscribe
from tests.support.deadline import DEADLINE
from tests.support.fakes.tallies import subscriptions
from tests.support.services.gateway import APP, Place, place, until
from tests.support.tokens.channel_tokens import channel_token

PATIENT = MemoryApps([msgspec.structs.replace(APP, leave_grace=DEADLINE)])
MUTE = MemoryApps([msgspec.structs.replace(APP, client_events=False)])


async def seated(here: Place, user: str, *members: str) -> None:
    """Wait until these devices, and no others, are a user's."""
    await until(lambda: here.roster.users(online(user)) == set(members))


async def told(here: Place) -> None:
    """Wait until the roster was told everything."""
    await until(lambda: here.gateway.state().untold == 0)


class TestWhose:
    """Sign-in, channel token, grant."""

    async def test_sign_in(self) -> None:
        """
        A user is online from the sign-in until the last connection goes, and its grace is over.
        """
        async with place() as here:
            first = await sign_in(await here.connect(), "ann")
            second = await sign_in(await here.connect(), "ann")
            await seated(here, "ann", first.socket_id, second.socket_id)
            assert here.tally.held(subscriptions(online("ann"))) == 0  # No list of channels has it.

            await first.close()
            await seated(here, "ann", second.socket_id)
            await second.close()
            await seated(here, "ann")

    async def test_nobody(self) -> None:
        """
        A client that shows nothing costs nothing.
        """
        async with place() as here:
            await here.join("news")

            assert here.gateway.state().online == 0
            assert not here.roster.inner._rooms

    async def test_grant_of_auth(self) -> None:
        """
        Auth's permission for a private channel names its user.
        """
        async with place() as here:
            client = await here.connect()
            holder = '{"user_id":"ann"}'
            auth = grant_token(APP, client.socket_id, channel="private-a", holder=holder)

            await client.send(subscribe("private-a", auth=auth))

            await seated(here, "ann", client.socket_id)

    async def test_member(self) -> None:
        """
        A back end's permission for a presence channel names it, and the device; it stays when it leaves.
        """
        async with place() as here:
            client = await here.connect()
            await client.subscribe("presence-a", user="ann", info={"device": "phone"})
            await seated(here, "ann", "phone")

            await client.unsubscribe("presence-a")
            await client.expect_nothing_else()
            await told(here)

            assert devices(here, "ann") == {"phone": Device("phone")}

    async def test_carried_token(self) -> None:
        """
        The token that a client connects with names it, until a sign-in says otherwise.
        """
        async with place() as here:
            text, _ = channel_token("ann", "*", now=time.time())
            client = await here.connect(f"/app/app-key?protocol=7&token={text}")
            await seated(here, "ann", client.socket_id)

            await sign_in(client, "bob")

            await seated(here, "bob", client.socket_id)
            await seated(here, "ann")

    async def test_revoked_token(self) -> None:
        """
        When its token is revoked a connection is nobody's, at once, and stays open.
        """
        control = MemoryControl()
        async with place(apps=PATIENT, control=control) as here:
            now = time.time()
            text, token = channel_token("ann", "*", now=now)
            client = await here.connect(f"/app/app-key?protocol=7&token={text}")
            await seated(here, "ann", client.socket_id)

            await control.send(Command("revoke", APP.id, token.jti, now, now + 60, kind="jti"))

            await seated(here, "ann")
            await client.expect_nothing_else()


class TestDevices:
    """What the client names them, else connections."""

    async def test_two_tabs(self) -> None:
        async with place() as here, place(bus=here.bus, roster=here.roster) as there:
            tabs = [
                await sign_in(await each.connect(), "ann", device="laptop")
                for each in (here, there)
            ]
            await until(lambda: len(here.roster.seats(online("ann"))) == len(tabs))

            assert devices(here, "ann") == {"laptop": Device("laptop")}

    async def test_named_later(self) -> None:
        """
        A connection whose device gets a name is never out of its user's channel.
        """
        async with place() as here:
            client = await here.join("presence-a", user="ann")
            await seated(here, "ann", client.socket_id)

            await sign_in(client, "ann", device="phone")

            await seated(here, "ann", "phone")
            room = here.roster.inner._rooms[online("ann")]
            assert room.version == 3 + here.roster.inner._highest

    async def test_too_many(self) -> None:
        """
        Beyond a bound devices are one, so that a user's channel stays small.
        """
        async with place() as here, place(bus=here.bus, roster=here.roster) as there:
            places = [here, there] * (MOST // 2 + 2)
            clients = [await sign_in(await each.connect(), "bot") for each in places]
            await until(lambda: len(here.roster.seats(online("bot"))) == len(clients))

            assert len(devices(here, "bot")) == MOST + 1
            assert OTHERS in devices(here, "bot")


class TestActivity:
    """Active, or away."""

    async def test_said(self) -> None:
        """
        A client says so where its app has no client events, too.
        """
        async with place(apps=MUTE) as here:
            client = await here.join("private-a")
            await sign_in(client, "ann")
            await client.whisper("private-a", "client-away", data=True)
            await until(lambda: Device(is_away=True) in devices(here, "ann").values())

            await client.whisper("private-a", "client-away", data=False)

            await until(lambda: Device() in devices(here, "ann").values())
            await client.expect_nothing_else()

    async def test_silence(self) -> None:
        """
        Who says nothing for long is away, whatever pings and pongs tell, until it says something.
        """
        async with place(away_after=0.5, activity_timeout=1.0) as here:
            client = await sign_in(await here.connect(), "ann")
            await until(lambda: Device(is_away=True) in devices(here, "ann").values())
            await client.expect_nothing_else()
            await told(here)
            assert devices(here, "ann") == {client.socket_id: Device(is_away=True)}

            await client.subscribe("news")

            await until(lambda: Device() in devices(here, "ann").values())

    async def test_second_tab(self) -> None:
        """
        A device that was away is active when a second connection of it comes.
        """
        async with place() as here, place(bus=here.bus, roster=here.roster) as there:
            first = await here.join("private-a")
            await sign_in(first, "ann", device="x")
            await first.whisper("private-a", "client-away", data=True)
            await until(lambda: devices(here, "ann") == {"x": Device("x", is_away=True)})

            second = await sign_in(await there.connect(), "ann", device="x")

            assert second.socket_id
            await until(lambda: devices(here, "ann") == {"x": Device("x")})

    async def test_roster_away(self) -> None:
        """
        What changes while the roster is away is told when it is back.
        """
        async with place() as here:
            client = await here.join("private-a")
            await sign_in(client, "ann")
            await seated(here, "ann", client.socket_id)
            here.roster.is_away = True
            await client.whisper("private-a", "client-away", data=True)
            await until(lambda: here.roster.refusals > 2)

            here.roster.is_away = False

            await until(lambda: devices(here, "ann") == {client.socket_id: Device(is_away=True)})


class TestFaults:
    """The roster, and gateways, come and go."""

    async def test_roster_away(self) -> None:
        """
        Nobody waits for it; who came and went meanwhile was never there, and who stays is online then.
        """
        async with place() as here:
            here.roster.is_away = True
            ann = await sign_in(await here.connect(), "ann")
            bob = await sign_in(await here.connect(), "bob")
            await ann.close()
            await until(lambda: here.roster.refusals > 2)

            here.roster.is_away = False

            await seated(here, "bob", bob.socket_id)
            await told(here)
            assert not is_online(here, "ann")

    async def test_answer_lost(self) -> None:
        """
        A seat that was taken although its join failed is left by who has gone meanwhile.
        """
        async with place() as here:
            here.roster.loses_answers = True
            ann = await sign_in(await here.connect(), "ann")
            await until(lambda: is_online(here, "ann"))
            await ann.close()
            here.roster.loses_answers = False

            await seated(here, "ann")

    async def test_part_away(self) -> None:
        """
        Where a part of the roster is away the others do not wait.
        """
        async with place() as here:
            here.roster.away_for = {online("ann")}
            ann = await sign_in(await here.connect(), "ann")
            bob = await sign_in(await here.connect(), "bob")
            await seated(here, "bob", bob.socket_id)
            await bob.close()
            await seated(here, "bob")

            here.roster.away_for = set()

            await seated(here, "ann", ann.socket_id)

    async def test_lease_lost(self) -> None:
        """
        Under its next name the gateway seats everybody again.
        """
        async with place(lease_renew=0.05) as here:
            ann = await sign_in(await here.connect(), "ann")
            await seated(here, "ann", ann.socket_id)
            former = here.gateway.state().name

            here.roster.clear(former)

            await until(lambda: here.gateway.state().name != former)
            await until(
                lambda: (
                    set(here.roster.seats(online("ann")).values()) == {here.gateway.state().name}
                )
            )

    async def test_data_lost(self) -> None:
        async with place(lease_renew=0.05) as here:
            ann = await sign_in(await here.connect(), "ann")
            await seated(here, "ann", ann.socket_id)

            here.roster.lose_data()

            await seated(here, "ann", ann.socket_id)

    async def test_too_many_departures(self) -> None:
        """
        More departures than may wait cost the gateway its name; who stays is online under the next.
        """
        async with place(max_waiting=2, lease_renew=0.05) as here:
            ann = await sign_in(await here.connect(), "ann")
            others = [await sign_in(await here.connect(), "bob") for _ in range(4)]
            await until(lambda: len(here.roster.seats(online("bob"))) == 4)
            await seated(here, "ann", ann.socket_id)
            former = here.gateway.state().name
            here.roster.away_for = {online("bob")}
            for client in others:
                await client.close()
            await until(lambda: here.gateway.state().name != former)
            here.roster.away_for = set()

            await until(
                lambda: (
                    set(here.roster.seats(online("ann")).values()) == {here.gateway.state().name}
                )
            )
            await told(here)

    async def test_drain(self) -> None:
        """
        The users of a gateway that drains have the grace to come back elsewhere.
        """
        async with place(apps=PATIENT) as there:
            async with place(bus=there.bus, roster=there.roster, apps=PATIENT) as here:
                ann = await sign_in(await here.connect(), "ann")
                await seated(here, "ann", ann.socket_id)
                async with asyncio.timeout(DEADLINE):
                    await here.gateway.drain()
                assert ann.socket_id in here.roster.leaving()

            back = await sign_in(await there.connect(), "ann")

            await seated(there, "ann", ann.socket_id, back.socket_id)
