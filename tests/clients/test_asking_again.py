"""docs/auth.md, "With stock pusher-js": what asks again after a no, and what a first sign-in makes good."""

from tests.clients.test_channel_tokens import token
from tests.support.clients.back_ends import BackEnd
from tests.support.clients.pusherjs import Driver
from tests.support.deployments.deployment import KEY, Deployment

ERROR = "pusher:subscription_error"
SUCCEEDED = "pusher:subscription_succeeded"


async def test_subscribe(one: Deployment, node: Driver, back: BackEnd, room: str) -> None:
    """
    Where the gateway refused a token, a newer one is shown after the channel's own `disconnect`; handlers stay bound.
    """
    channel = f"private-x.{room}"
    narrow, wide = [await token(back, one, "ann", name) for name in (f"private-y.{room}", channel)]
    await node.connect("ann", KEY, token=narrow, **one.options(0))
    node.say("subscribe", client="ann", channel=channel)
    (refused,) = await node.wait(client="ann", channel=channel, event=ERROR)

    node.say("renew", client="ann", token=wide)
    node.say("again", client="ann", channel=channel)

    await node.wait(client="ann", channel=channel, event=SUCCEEDED)
    assert refused["data"]["status"] == 403
    assert len(node.seen(client="ann", channel=channel, event=ERROR)) == 1


async def test_sign_in(one: Deployment, node: Driver, back: BackEnd, room: str) -> None:
    """
    A sign-in that was refused is made good by a reconnect; a channel token that names a guarded channel opens it.
    """
    channel = f"offers.{room}"
    good = await token(back, one, f"ann-{room}", channel)
    await node.connect("ann", KEY, token=f"{good}x", **one.options(0))
    node.say("subscribe", client="ann", channel=channel)
    node.say("signin", client="ann")
    (refused,) = await node.wait_for("error", client="ann")

    node.say("renew", client="ann", token=good)
    node.say("disconnect", client="ann")
    node.say("reconnect", client="ann")

    await node.wait(client="ann", channel=channel, event=SUCCEEDED)
    await node.wait(client="ann", user_channel=f"#server-to-user-ann-{room}")
    assert refused["error"]["code"] == 4009
    assert node.seen(client="ann", channel=channel, event=ERROR) == []
