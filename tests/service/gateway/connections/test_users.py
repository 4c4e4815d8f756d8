"""Signed-in users over real WebSockets, and commands that end what they have open."""

import json
import time
from typing import Any

from libs.common.apps.app import App
from libs.common.apps.signatures import token, user_text
from libs.common.control.commands import Command
from libs.common.control.memory import MemoryControl
from tests.support.clients.client import Client
from tests.support.services.gateway import APP, place


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
