"""Signed-in users over real WebSockets, and commands that end what they have open."""

import json
import time
from typing import Any

from libs.common.apps.app import App
from libs.common.apps.signatures import token, user_text
from libs.common.channels import Channel
from libs.common.control.commands import Command
from libs.common.control.memory import MemoryControl
from tests.support.clients.client import SUCCEEDED, Client
from tests.support.clients.pusher import subscribe
from tests.support.fakes.tallies import subscriptions
from tests.support.services.gateway import APP, place, until


def signin(app: App, socket_id: str, user: str) -> dict[str, Any]:
    text = json.dumps({"id": user})
    data = {"auth": token(app, user_text(socket_id, text)), "user_data": text}
    return {"event": "pusher:signin", "data": data}


async def signed_in(client: Client, user: str) -> Client:
    await client.send(signin(APP, client.socket_id, user))
    await client.expect("pusher:signin_success")
    return client


def terminate(user: str, *, at: float, app: str = APP.id) -> Command:
    return Command("terminate", app, user, at, at + 60)


OWN = "#server-to-user-ann"


class TestOwnChannel:
    """What is sent to a user reaches a client as soon as that is told that it is signed in."""

    async def test_at_once(self) -> None:
        """
        Also without a subscribe, which is only confirmed.
        """
        async with place() as here:
            ann = await signed_in(await here.connect(), "ann")
            await here.publish(OWN, "1")
            assert await ann.expect("news", OWN) == 1

            await ann.send(subscribe(OWN))
            await ann.expect(SUCCEEDED, OWN)
            await here.publish(OWN, "2")

            assert await ann.expect("news", OWN) == 2
            await ann.expect_nothing_else()
            assert here.tally.held(subscriptions(Channel(APP.id, OWN))) == 1

    async def test_bus_away(self) -> None:
        """
        While the bus is away the client is told after a while, and it is in the channel when that is back.
        """
        async with place() as here:
            ann = await here.connect()
            here.bus.is_away = True

            await signed_in(ann, "ann")
            here.bus.is_away = False
            await until(lambda: here.tally.held(subscriptions(Channel(APP.id, OWN))) == 1)
            await here.publish(OWN, "1")

            assert await ann.expect("news", OWN) == 1
            await ann.expect_nothing_else()

    async def test_gone_meanwhile(self) -> None:
        """
        Who goes while it is being brought in leaves nothing behind.
        """
        async with place() as here:
            ann, bob = await here.connect(), await here.connect()
            here.bus.follows.clear()
            await ann.send(signin(APP, ann.socket_id, "ann"))
            await until(lambda: here.gateway.state().waiting == 1)
            await ann.close()
            await until(lambda: here.gateway.state().connections == 1)

            here.bus.follows.set()
            await until(lambda: here.gateway.state().waiting == 0)
            await signed_in(bob, "bob")

            assert here.tally.held(subscriptions(Channel(APP.id, OWN))) == 0


class TestTerminate:
    """Orders to terminate a user."""

    async def test_ends_what_is_open(self) -> None:
        """
        Every connection of the user is told and closed with 4009; those of others are not.
        """
        control = MemoryControl()
        async with place(control=control) as here:
            both = [await signed_in(await here.connect(), "ann") for _ in range(2)]
            bob = await signed_in(await here.connect(), "bob")
            nobody = await here.connect()

            await control.send(terminate("ann", at=time.time()))

            for client in both:
                await client.expect_error(4009)
                assert await client.expect_close() == 4009
            await bob.expect_nothing_else()
            await nobody.expect_nothing_else()

    async def test_of_another_app(self) -> None:
        """
        A user of another app with the same id is another user.
        """
        control = MemoryControl()
        async with place(control=control) as here:
            ann = await signed_in(await here.connect(), "ann")
            await control.send(terminate("ann", at=time.time(), app="2"))
            await control.send(terminate("bob", at=time.time()))

            await ann.expect_nothing_else()

    async def test_that_comes_late(self) -> None:
        """
        A command that was given before the user signed in does not end what came after.
        """
        control = MemoryControl()
        async with place(control=control) as here:
            ann = await signed_in(await here.connect(), "ann")
            await control.send(terminate("ann", at=time.time() - 30))
            bob = await signed_in(await here.connect(), "bob")
            await control.send(terminate("bob", at=time.time()))

            await bob.expect_error(4009)
            await ann.expect_nothing_else()

    async def test_of_who_is_gone(self) -> None:
        """
        Of a user who went, nothing is kept.
        """
        control = MemoryControl()
        async with place(control=control) as here:
            ann = await signed_in(await here.connect(), "ann")
            await ann.websocket.close()
            again = await signed_in(await here.connect(), "ann")
            await control.send(terminate("ann", at=time.time()))

            await again.expect_error(4009)
