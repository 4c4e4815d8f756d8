"""Subscribing and unsubscribing over real WebSockets."""

import pytest
from msgspec import structs

from libs.common.apps.app import App
from libs.common.apps.limits import Limits
from libs.common.apps.memory import MemoryApps
from libs.common.config.secret import Secret
from tests.support.clients.pusher import subscribe_private
from tests.support.services.gateway import APP, place, until

OTHER = App(id="2", key="key-2", secrets=(Secret("other"),))


class TestSubscribe:
    """docs/protocol.md, "Subscribe / unsubscribe"."""

    @pytest.mark.parametrize("channel", ["news", "private-1", "private-encrypted-1"])
    async def test_events(self, channel: str) -> None:
        """
        A subscription is confirmed, and what is published from then on arrives as it was published.
        """
        async with place() as here:
            client = await here.connect()
            await here.publish(channel, "before")

            assert await client.subscribe(channel) == {}
            await here.publish(channel, '{"a": 1}', "no JSON", event="sold")

            assert await client.expect("sold", channel) == {"a": 1}
            assert await client.expect("sold", channel) == "no JSON"

    async def test_twice(self) -> None:
        """
        Subscribing twice is confirmed twice, and events come once.
        """
        async with place() as here:
            client = await here.join("news", "news")

            await here.publish("news", "1", "2")

            assert await client.expect("news", "news") == 1
            assert await client.expect("news", "news") == 2

    async def test_unsubscribe(self) -> None:
        """
        After an unsubscribe nothing comes of that channel, until it is subscribed to again.
        """
        async with place() as here:
            client = await here.join("a", "b")
            await client.unsubscribe("a")
            await client.expect_nothing_else()

            await here.publish("a", "1")
            await here.publish("b", "2")
            assert await client.expect("news", "b") == 2

            await client.subscribe("a")
            await here.publish("a", "3")
            assert await client.expect("news", "a") == 3

    async def test_unsubscribe_while_joining(self) -> None:
        """
        Who unsubscribes before it is admitted ends up not subscribed.
        """
        async with place() as here:
            client, other = await here.connect(), await here.connect()
            here.bus.is_away = True
            await client.ask("a")
            await until(lambda: here.bus.refusals > 0)
            await client.unsubscribe("a")
            await client.expect_nothing_else()

            here.bus.is_away = False
            await other.subscribe("a")
            await other.subscribe("b")
            await here.publish("a", "1")

            assert await other.expect("news", "a") == 1
            await client.expect_nothing_else()

    async def test_apps_are_apart(self) -> None:
        """
        A channel of one app is another than that of the same name of another app.
        """
        async with place(apps=MemoryApps([APP, OTHER])) as here:
            ours = await here.join("news")
            theirs = await here.connect("/app/key-2", app=OTHER)
            await theirs.subscribe("news")

            await here.publish("news", "1")

            assert await ours.expect("news", "news") == 1
            await theirs.expect_nothing_else()

    async def test_too_many(self) -> None:
        """
        A channel above the limit is refused, those below stay.
        """
        app = structs.replace(APP, limits=Limits(channels=1))
        async with place(apps=MemoryApps([app])) as here:
            client = await here.join("a")

            await client.ask("b")

            assert (await client.expect("pusher:subscription_error", "b"))["type"] == "LimitReached"
            await here.publish("a", "1")
            assert await client.expect("news", "a") == 1


class TestAppsThatChange:
    """Secrets and switches of an app reach the clients that are connected."""

    async def test_new_secret(self) -> None:
        """
        A connection that was there before a secret was rotated takes tokens of the new one, and no others.
        """
        apps = MemoryApps([APP])
        async with place(apps=apps) as here:
            client = await here.connect()

            rotated = structs.replace(APP, secrets=(Secret("new"),))
            apps.adopt([rotated])

            await client.send(subscribe_private(rotated, client.socket_id, "private-1"))
            await client.expect("pusher_internal:subscription_succeeded", "private-1")
            await client.send(subscribe_private(APP, client.socket_id, "private-2"))
            refusal = await client.expect("pusher:subscription_error", "private-2")
            assert refusal["type"] == "AuthError"

    @pytest.mark.parametrize("gone", [True, False])
    async def test_switched_off(self, *, gone: bool) -> None:
        """
        Of an app that was switched off, or taken away, a client that speaks is told so and does not return.
        """
        apps = MemoryApps([APP])
        async with place(apps=apps) as here:
            client = await here.connect()

            apps.adopt([] if gone else [structs.replace(APP, enabled=False)])

            code = 4001 if gone else 4003
            await client.send({"event": "pusher:ping", "data": {}})
            await client.expect_error(code)
            assert await client.expect_close() == code

    async def test_switched_off_in_silence(self) -> None:
        """
        A client that says nothing is told at the next look at the apps, long before its silence is judged.
        """
        apps = MemoryApps([APP])
        async with place(apps=apps, activity_timeout=3600) as here:
            client = await here.connect()

            apps.adopt([structs.replace(APP, enabled=False)])

            await client.expect_error(4003)
            assert await client.expect_close() == 4003
