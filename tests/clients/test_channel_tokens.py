"""Journeys with channel tokens: what a back end fetched, shown by stock pusher-js for each channel."""

from tests.support.clients.back_ends import BackEnd
from tests.support.clients.pusherjs import Driver
from tests.support.deployments.deployment import KEY, Deployment

ERROR = "pusher:subscription_error"


async def token(back: BackEnd, deployment: Deployment, user: str, *channels: str) -> str:
    """Fetch a token for a user."""
    words = {"user": user, "channels": channels, "user_info": {"name": "Ann"}}
    answer = await back.send("POST", deployment.auth.url, "/auth/tokens", **words)
    assert answer.status == 200, answer.body
    return str(answer.body["token"])


async def test_shown_and_revoked(
    deployment: Deployment, node: Driver, back: BackEnd, room: str
) -> None:
    """
    A token opens the channels that it names; when it is revoked the page is told 401 for each, and others stay.
    """
    private, presence = f"private-x.{room}", f"presence-x.{room}"
    user = f"ann-{room}"
    member = {"user_id": user}
    first = await token(back, deployment, user, f"*-x.{room}")
    other = await token(back, deployment, user, f"*-x.{room}")
    await node.connect("ann", KEY, token=first, member=member, **deployment.options(0))
    await node.connect("again", KEY, token=other, member=member, **deployment.options(1))
    for name in ("ann", "again"):
        await node.subscribe(name, private)
        told = await node.subscribe(name, presence)
        assert told["members"] == {user: {"name": "Ann"}}
    node.say("subscribe", client="ann", channel=f"private-y.{room}")
    (seen,) = await node.wait(client="ann", channel=f"private-y.{room}", event=ERROR)
    assert seen["data"]["status"] == 403

    answer = await back.send("POST", deployment.auth.url, "/auth/revoke", token=first)

    assert (answer.status, answer.body) == (200, {})
    for channel in (private, presence):
        (seen,) = await node.wait(client="ann", channel=channel, event=ERROR)
        assert (seen["data"]["type"], seen["data"]["status"]) == ("AuthError", 401)
    await back.publish(deployment.dispatcher.url, private, {"n": 1})
    assert await node.wait_for_events("again", private, 1) == [("step", {"n": 1})]
    assert node.events("ann", private) == []


async def test_while_auth_is_away(
    fragile: Deployment, node: Driver, back: BackEnd, room: str
) -> None:
    """
    Who has a token needs no auth: it joins while every auth process is stopped.
    """
    private = f"private-x.{room}"
    shown = await token(back, fragile, "ann", private)
    await fragile.auth.stop()

    await node.connect("ann", KEY, token=shown, **fragile.options(0))
    await node.subscribe("ann", private)

    await back.publish(fragile.dispatcher.url, private, {"n": 1})
    assert await node.wait_for_events("ann", private, 1) == [("step", {"n": 1})]
