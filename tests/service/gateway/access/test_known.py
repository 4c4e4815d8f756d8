"""Clients that must prove to be somebody, over real sockets."""

import json

import msgspec

from libs.common.apps.app import App
from libs.common.apps.memory import MemoryApps
from libs.common.apps.signatures import token, user_text
from tests.support.clients.client import Client
from tests.support.services.gateway import APP, place


async def sign_in(client: Client, app: App) -> None:
    text = '{"id":"ann"}'
    data = {"auth": token(app, user_text(client.socket_id, text)), "user_data": text}
    await client.send(json.dumps({"event": "pusher:signin", "data": data}))
    await client.expect("pusher:signin_success")


async def test_sent_away() -> None:
    """
    Whoever shows no token in time is told and closed with 4009; whoever did stays, backends away or not.
    """
    apps = MemoryApps([APP])
    async with place(apps=apps) as here:
        public = await here.join("a")
        signed, private, waiting = [await here.connect() for _ in range(3)]
        await sign_in(signed, APP)
        await private.subscribe("private-a")
        here.roster.is_away = True
        await waiting.ask("presence-a", user="ann")
        await waiting.expect_nothing_else()

        apps.adopt([msgspec.structs.replace(APP, auth_timeout=0.2)])

        nobody = await here.connect()
        for client in (nobody, public):
            await client.expect_error(4009)
            assert await client.expect_close() == 4009
        for client in (signed, private, waiting):
            await client.expect_nothing_else()


async def test_introduced() -> None:
    """
    A timeout that is introduced holds for who is connected, from the next look at it.
    """
    apps = MemoryApps([APP])
    async with place(apps=apps, activity_timeout=0.2) as here:
        client = await here.connect()

        apps.adopt([msgspec.structs.replace(APP, auth_timeout=0.1)])

        await client.expect_error(4009)
        assert await client.expect_close() == 4009
