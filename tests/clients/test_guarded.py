"""Journeys in public channels that a policy guards: pages only sign in, and subscribe when they like."""

from tests.support.clients.back_ends import BackEnd
from tests.support.clients.pusherjs import Driver
from tests.support.deployments.deployment import KEY, Deployment

ERROR = "pusher:subscription_error"
SUCCEEDED = "pusher:subscription_succeeded"


async def test_sign_in(deployment: Deployment, node: Driver, back: BackEnd, room: str) -> None:
    """
    Who signs in is let in or not, by what its JWT says, also if it subscribed before; who does not sign in waits.
    """
    channel = f"offers.{room}"
    for number, (name, company) in enumerate([("ann", room), ("eve", "other"), ("bob", room)]):
        options = deployment.options(number % 2, user=f"{name}-{room}", companies=[company])
        await node.connect(name, KEY, **options)
        node.say("subscribe", client=name, channel=channel)
    for name in ("ann", "eve"):
        node.say("signin", client=name)

    await node.wait(client="ann", channel=channel, event=SUCCEEDED)
    (refused,) = await node.wait(client="eve", channel=channel, event=ERROR)
    await back.publish(deployment.dispatcher.url, channel, {"n": 1})

    assert (refused["data"]["type"], refused["data"]["status"]) == ("AuthError", 403)
    assert await node.wait_for_events("ann", channel, 1) == [("step", {"n": 1})]
    for name in ("eve", "bob"):
        await node.subscribe(name, f"news.{room}")  # Public channels without a policy stay open.
        assert node.events(name, channel) == []
    assert node.seen(client="bob", channel=channel) == []


async def test_late(deployment: Deployment, node: Driver, back: BackEnd, room: str) -> None:
    """
    Who signs in when it was told already that it takes that is let in all the same.
    """
    channel = f"offers.{room}"
    await node.connect("ann", KEY, **deployment.options(0, user=f"ann-{room}", companies=[room]))
    node.say("subscribe", client="ann", channel=channel)
    (refused,) = await node.wait(client="ann", channel=channel, event=ERROR)
    assert (refused["data"]["type"], refused["data"]["status"]) == ("AuthError", 401)

    node.say("signin", client="ann")

    await node.wait(client="ann", channel=channel, event=SUCCEEDED)
    await back.publish(deployment.dispatcher.url, channel, {"n": 1})
    assert await node.wait_for_events("ann", channel, 1) == [("step", {"n": 1})]


async def test_return(deployment: Deployment, node: Driver, back: BackEnd, room: str) -> None:
    """
    Who comes back is let in again, though pusher-js subscribes before it has signed in again.
    """
    channel = f"offers.{room}"
    options = deployment.options(0, user=f"ann-{room}", companies=[room])
    await node.connect("ann", KEY, **options)
    node.say("signin", client="ann")
    await node.subscribe("ann", channel)

    node.say("disconnect", client="ann")
    await node.wait(client="ann", state="disconnected")
    node.say("reconnect", client="ann")

    await node.wait(2, client="ann", channel=channel, event=SUCCEEDED)
    await back.publish(deployment.dispatcher.url, channel, {"n": 1})
    assert await node.wait_for_events("ann", channel, 1) == [("step", {"n": 1})]
    assert node.seen(client="ann", channel=channel, event=ERROR) == []


async def test_echo(deployment: Deployment, node: Driver, back: BackEnd, room: str) -> None:
    """
    Laravel Echo's public channels are guarded alike.
    """
    channel = f"offers.{room}"
    options = deployment.echo(1, "reverb", user=f"ann-{room}", companies=[room])
    await node.echo("ann", options)
    node.say("signin", client="ann")
    await node.enter("ann", "channel", channel)
    await node.do("listen", client="ann", kind="channel", channel=channel, event=".step")

    await back.publish(deployment.dispatcher.url, channel, {"n": 1})

    (seen,) = await node.wait(client="ann", channel=channel, listened=".step")
    assert seen["data"] == {"n": 1}
