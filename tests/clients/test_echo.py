"""Journeys of pages with Laravel Echo 2.5, with each of the broadcasters that speak Pusher's protocol."""

import pytest

from tests.clients.sdks import NodeSdk, PythonSdk, eventually
from tests.support.clients.pusherjs import Driver
from tests.support.deployments.deployment import Deployment


@pytest.fixture(params=["reverb", "pusher"])
def broadcaster(request: pytest.FixtureRequest) -> str:
    """Return each broadcaster in its turn."""
    return str(request.param)


class TestEcho:
    """Pages in Laravel's manner, at two gateways."""

    async def test_events(
        self, deployment: Deployment, broadcaster: str, node: Driver, room: str
    ) -> None:
        """
        Pages hear events of each kind of channel, by their own names and by those of classes in PHP.
        """
        sdk = NodeSdk(node, deployment)
        kinds = {"channel": "", "private": "private-", "encryptedPrivate": "private-encrypted-"}
        channel = f"room.{room}"
        for number, name in enumerate(["ann", "bob"]):
            await node.echo(name, deployment.echo(number, broadcaster, user=name))
            for kind in kinds:
                await node.enter(name, kind, channel)
                for event in (".moved", "OrderShipped"):
                    await node.do("listen", client=name, kind=kind, channel=channel, event=event)

        for prefix in kinds.values():
            await sdk.trigger([prefix + channel], "moved", {"to": prefix})
            await sdk.trigger([prefix + channel], r"App\Events\OrderShipped", {"to": prefix})

        for name in ("ann", "bob"):
            for event in (".moved", "OrderShipped"):
                heard = await node.wait(3, client=name, channel=channel, listened=event)
                assert {item["data"]["to"] for item in heard} == set(kinds.values())

    async def test_to_others(
        self, deployment: Deployment, broadcaster: str, node: Driver, room: str
    ) -> None:
        """
        The page whose `X-Socket-ID` a back end names is left out; notifications reach their user alone.
        """
        sdk, channel, ids = PythonSdk(deployment), f"room.{room}", {}
        for number, name in enumerate(["ann", "bob"]):
            user = f"{room}-{name}"
            ids[name] = await node.echo(name, deployment.echo(number, broadcaster, user=user))
            await node.enter(name, "private", channel)
            await node.do("listen", client=name, kind="private", channel=channel, event="Moved")
            await node.enter(name, "private", f"App.Models.User.{user}")
            await node.do("notification", client=name, channel=f"App.Models.User.{user}")

        own = (await node.ask("socket_id", client="ann"))["socket_id"]
        await sdk.trigger([f"private-{channel}"], r"App\Events\Moved", {"n": 1}, socket_id=own)
        await sdk.trigger([f"private-{channel}"], r"App\Events\Moved", {"n": 2})
        for name in ("ann", "bob"):
            await sdk.trigger(
                [f"private-App.Models.User.{room}-{name}"],
                r"Illuminate\Notifications\Events\BroadcastNotificationCreated",
                {"id": name, "type": r"App\Notifications\Paid"},
            )

        assert own == ids["ann"]
        for name, heard in (("ann", [2]), ("bob", [1, 2])):
            seen = await node.wait(len(heard), client=name, channel=channel, listened="Moved")
            assert [item["data"]["n"] for item in seen] == heard
            notified = await node.wait_for("notified", client=name)
            assert [item["notified"]["id"] for item in notified] == [name]

    async def test_presence(
        self, deployment: Deployment, broadcaster: str, node: Driver, room: str
    ) -> None:
        """
        Pages see who is here, who joins and who leaves, and whisper to all but themselves.
        """
        channel = f"room.{room}"
        await node.echo("ann", deployment.echo(0, broadcaster, user="1", name="Ann"))
        assert (await node.enter("ann", "join", channel))["here"] == [{"name": "Ann"}]
        await node.echo("bob", deployment.echo(1, broadcaster, user="2", name="Bob"))
        here = (await node.enter("bob", "join", channel))["here"]
        assert sorted(member["name"] for member in here) == ["Ann", "Bob"]
        await node.wait(client="ann", channel=channel, joining={"name": "Bob"})

        for name in ("ann", "bob"):
            await node.do(
                "listen_for_whisper", client=name, kind="join", channel=channel, name="typing"
            )
        for name in ("ann", "bob"):
            data = {"by": name}
            node.say("whisper", client=name, kind="join", channel=channel, name="typing", data=data)
        for name, other in (("ann", "bob"), ("bob", "ann")):
            heard = await node.wait(client=name, channel=channel, whispered="typing")
            assert [item["data"] for item in heard] == [{"by": other}]

        node.say("leave", client="bob", channel=channel)
        await node.wait(client="ann", channel=channel, leaving={"name": "Bob"})
        node.say("leave", client="ann", channel=channel)
        ask = PythonSdk(deployment).channel
        await eventually(lambda: ask(f"presence-{channel}"), {"occupied": False})

    async def test_refused(
        self, deployment: Deployment, broadcaster: str, node: Driver, room: str
    ) -> None:
        """
        A page is told of a refusal on the channel, whether auth refuses or the gateway does, and goes on.
        """
        NodeSdk(node, deployment, "wrong")
        await node.echo("ann", deployment.echo(0, broadcaster, user="ann", companies=["8"]))
        await node.echo("eve", deployment.echo(1, broadcaster), backend="backend")
        for name in ("ann", "eve"):
            node.say("enter", client=name, kind="private", channel=f"company.{room}")

        for name, status in (("ann", 403), ("eve", 401)):
            (told,) = await node.wait_for("refused", client=name, channel=f"company.{room}")
            assert (told["refused"]["type"], told["refused"]["status"]) == ("AuthError", status)
            await node.enter(name, "channel", f"news.{room}")
