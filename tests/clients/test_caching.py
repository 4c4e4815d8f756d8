"""Journeys on cache channels: who comes late gets what was said last."""

import json

from tests.clients.sdks import Sdk
from tests.support.clients.pusherjs import Driver
from tests.support.deployments.deployment import KEY, Deployment

KINDS = ("cache-", "private-cache-", "private-encrypted-cache-", "presence-cache-")


async def test_the_last_event(deployment: Deployment, node: Driver, sdk: Sdk, room: str) -> None:
    """
    On each kind, pages are told that there is nothing yet; later ones get the last event, and no whisper.
    """
    channels = [f"{kind}room.{room}" for kind in KINDS]
    await node.connect("ann", KEY, **deployment.options(0, user="1"))
    for channel in channels:
        await node.subscribe("ann", channel)
        (missed,) = await node.wait(client="ann", channel=channel, event="pusher:cache_miss")
        assert missed["data"] == {}

    for channel in channels:
        await sdk.trigger([channel], "told", {"n": 1})
        await sdk.trigger([channel], "told", {"n": 2})
        await node.wait_for_events("ann", channel, 2)
    for number, name in ((0, "carl"), (1, "bob")):
        await node.connect(name, KEY, **deployment.options(number, user=name))
    await node.subscribe("carl", channels[1])
    node.say("trigger", client="ann", channel=channels[1], event="client-x", data={"n": 3})
    assert (await node.wait_for_events("carl", channels[1], 2))[1] == ("client-x", {"n": 3})
    for channel in channels:
        await node.subscribe("bob", channel)

    for channel in channels:
        assert await node.wait_for_events("bob", channel, 1) == [("told", {"n": 2})]
        assert node.seen(client="bob", channel=channel, event="pusher:cache_miss") == []
    kept = (await sdk.channel(channels[0], "cache"))["cache"]
    assert json.loads(kept["data"]) == {"n": 2}
    assert 0 < kept["ttl"] <= 1800
