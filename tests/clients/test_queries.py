"""What back ends ask about channels, with the SDKs, and the counts that pages are told."""

from typing import Any

import pytest

from tests.clients.conftest import APP
from tests.clients.sdks import NodeSdk, Refused, Sdk, eventually
from tests.support.clients.back_ends import BackEnd
from tests.support.clients.pusherjs import Driver
from tests.support.clients.visitors import Visitor, visitors
from tests.support.deployments.deployment import KEY, Deployment

Guests = tuple[Visitor, Visitor]


class TestChannels:
    """Which channels are occupied, and by whom."""

    async def test_counts(self, sdk: Sdk, guests: Guests, room: str) -> None:
        """
        Occupied channels are found by prefix; users and subscriptions of both gateways are counted.
        """
        ann, bob = guests
        public, presence = f"q{room}_=@,.;open", f"presence-q{room}"
        for guest, user in ((ann, "ann"), (bob, "bob")):
            await guest.join(public)
            await guest.join(presence, user=user)

        assert await sdk.channel(presence, "user_count", "subscription_count") == {
            "occupied": True,
            "user_count": 2,
            "subscription_count": 2,
        }
        assert await sdk.channel(public, "subscription_count") == {
            "occupied": True,
            "subscription_count": 2,
        }
        assert await sdk.channels(f"q{room}_=@,.;") == {"channels": {public: {}}}
        assert await sdk.channels(presence, "user_count") == {
            "channels": {presence: {"user_count": 2}}
        }
        assert (await sdk.channels(""))["channels"].items() >= {public: {}, presence: {}}.items()
        users = (await sdk.users(presence))["users"]
        assert sorted(user["id"] for user in users) == ["ann", "bob"]

        await bob.leave()
        await eventually(
            lambda: sdk.channel(presence, "user_count", "subscription_count"),
            {"occupied": True, "user_count": 1, "subscription_count": 1},
        )
        await ann.leave()
        await eventually(lambda: sdk.channel(public), {"occupied": False})
        await eventually(lambda: sdk.channels(presence), {"channels": {}})

    async def test_at_once(self, deployment: Deployment, sdk: Sdk, node: Driver, room: str) -> None:
        """
        Whoever asks when a page is told that it is subscribed finds it counted, each time.
        """
        for number in range(6):
            name = f"page{number}"
            await node.connect(name, KEY, **deployment.options(number % 2, user=name))
            for channel in (f"o{room}", f"presence-room.{room}", f"o{room}-{number}"):
                await node.subscribe(name, channel)
                count = 1 if channel.endswith(f"-{number}") else number + 1

                told = await sdk.channel(channel, "subscription_count")
                assert told == {"occupied": True, "subscription_count": count}
                assert channel in (await sdk.channels(channel))["channels"]

    async def test_refused(self, sdk: Sdk, room: str) -> None:
        """
        What a channel cannot have is not asked of it.
        """
        for wrong in (
            sdk.channels("", "user_count"),
            sdk.channels("open-", "user_count"),
            sdk.channel(f"open-{room}", "user_count"),
            sdk.channel(f"open-{room}", "cache"),
            sdk.users(f"open-{room}"),
        ):
            with pytest.raises(Refused) as refused:
                await wrong
            assert refused.value.status == 400


class TestConnections:
    """How many connections the app has, as Reverb tells it."""

    async def test_at_once(self, deployment: Deployment, back: BackEnd) -> None:
        """
        Whoever asks when a client is told that it is connected finds it counted, each time.
        """

        async def told() -> int:
            answer = await back.get(deployment.dispatcher.url, "/apps/1/connections")
            return int(answer.body["connections"])

        await eventually(told, 0)  # Of the tests before.
        async with visitors(APP) as visitor:
            for number in range(1, 21):
                await visitor().connect(deployment.gateways[number % 2].url)
                assert await told() == number


class TestInfo:
    """What is told of channels in the answer to a publish."""

    async def test_of_an_event(
        self, deployment: Deployment, node: Driver, guests: Guests, room: str
    ) -> None:
        sdk, public, presence = NodeSdk(node, deployment), f"i{room}", f"presence-i{room}"
        for guest, user in zip(guests, ("ann", "bob"), strict=True):
            await guest.join(public)
            await guest.join(presence, user=user)

        told = await sdk.trigger(
            [public, presence], "moved", {}, info="user_count,subscription_count"
        )

        assert told == {
            "channels": {
                public: {"subscription_count": 2},
                presence: {"user_count": 2, "subscription_count": 2},
            }
        }

    async def test_of_a_batch(self, sdk: Sdk, guests: Guests, room: str) -> None:
        """
        Each event's answer stands at its place, also where nothing was asked.
        """
        public, presence = f"b{room}", f"presence-b{room}"
        for guest in guests:
            await guest.join(public)
            await guest.join(presence, user="ann")
        event = {"name": "moved", "data": "{}"}
        batch = [
            {**event, "channel": public, "info": "subscription_count"},
            {**event, "channel": public},
            {**event, "channel": presence, "info": "user_count"},
        ]

        told = await sdk.trigger_batch(batch)

        assert told == {"batch": [{"subscription_count": 2}, {}, {"user_count": 1}]}


async def test_pages_are_told(deployment: Deployment, node: Driver, room: str) -> None:
    """
    Pages are told how many subscribe a channel, on both gateways, where it is no presence channel.
    """
    public, presence = f"counted-{room}", f"presence-room.{room}"
    for number, name in enumerate(["ann", "bob"]):
        await node.connect(name, KEY, **deployment.options(number, user=name))
        await node.subscribe(name, public)
        await node.subscribe(name, presence)

    event = "pusher:subscription_count"
    for name in ("ann", "bob"):
        await node.wait(client=name, channel=public, event=event, data={"subscription_count": 2})
        assert await _count(node, name, public) == 2
    node.say("unsubscribe", client="bob", channel=public)
    await eventually(lambda: _count(node, "ann", public), 1)
    told = node.seen(client="ann", channel=public, event=event)
    assert told[-1]["data"] == {"subscription_count": 1}
    for name in ("ann", "bob"):
        assert node.seen(client=name, channel=presence, event=event) == []


async def _count(node: Driver, client: str, channel: str) -> Any:
    """Ask pusher-js how many are subscribed, as far as it was told."""
    return (await node.ask("look", client=client, channel=channel))["count"]
