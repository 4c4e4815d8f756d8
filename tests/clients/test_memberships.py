"""Journeys of who belongs to a team: nothing but a JWT and Fanfare's endpoints, and removal while they listen."""

from tests.support.clients.back_ends import BackEnd
from tests.support.clients.pusherjs import Driver, Seen
from tests.support.deployments.deployment import KEY, Deployment

PREFIXES = ("private-", "presence-", "private-encrypted-")
KINDS = ("private", "join", "encryptedPrivate")  # Echo's methods for them.
PATH = "/auth/memberships"


async def put(back: BackEnd, deployment: Deployment, room: str, *users: str) -> None:
    """Put users into a team."""
    named = [{"user": user, "group": f"team:{room}"} for user in users]
    answer = await back.send("PUT", deployment.auth.url, PATH, memberships=named)
    assert (answer.status, answer.body) == (200, {"changed": len(users)})


async def refused(node: Driver, client: str, channel: str) -> Seen:
    """Wait until a client is told that it is not, or no longer, in a channel."""
    error = "pusher:subscription_error"
    (first, *_) = await node.wait(client=client, channel=channel, event=error)
    return dict(first["data"])


async def test_pages_of_members(
    deployment: Deployment, node: Driver, back: BackEnd, room: str
) -> None:
    """
    Who belongs to a team joins its channels of every kind, with pusher-js and with Echo; who does not gets 403.
    """
    ann, bob, eve = (f"{name}-{room}" for name in ("ann", "bob", "eve"))
    await put(back, deployment, room, ann, bob)
    await node.connect("ann", KEY, **deployment.options(0, user=ann, name="Ann"))
    await node.echo("bob", deployment.echo(1, "reverb", user=bob, name="Bob"))
    await node.connect("eve", KEY, **deployment.options(1, user=eve))

    for prefix, kind in zip(PREFIXES, KINDS, strict=True):
        await node.subscribe("ann", f"{prefix}team.{room}")
        here = await node.enter("bob", kind, f"team.{room}")
        node.say("subscribe", client="eve", channel=f"{prefix}team.{room}")
        assert (await refused(node, "eve", f"{prefix}team.{room}"))["status"] == 403
        if kind == "join":
            assert here["here"] == [{"name": "Ann"}, {"name": "Bob"}]


async def test_removed_while_there(
    deployment: Deployment, node: Driver, back: BackEnd, room: str
) -> None:
    """
    Who is removed from a team loses its channels at once, on every gateway, and may not return; others stay.
    """
    ann, bob = f"ann-{room}", f"bob-{room}"
    await put(back, deployment, room, ann, bob)
    channels = [f"{prefix}team.{room}" for prefix in PREFIXES]
    for number, (name, user) in enumerate([("phone", ann), ("laptop", ann), ("bob", bob)]):
        await node.connect(name, KEY, **deployment.options(number % 2, user=user))
        for channel in (*channels, f"private-room.{room}"):
            await node.subscribe(name, channel)

    fields = {"user": ann, "group": f"team:{room}"}
    answer = await back.send("DELETE", deployment.auth.url, PATH, **fields)

    assert answer.body == {"changed": 1}
    for name in ("phone", "laptop"):
        for channel in channels:
            told = await refused(node, name, channel)
            assert (told["type"], told["status"]) == ("AuthError", 403)
    removed = "pusher:member_removed"
    await node.wait(client="bob", channel=f"presence-team.{room}", event=removed)
    for channel in (channels[0], f"private-room.{room}"):
        await back.publish(deployment.dispatcher.url, channel, {"n": 1})
    for name in ("phone", "laptop", "bob"):
        await node.wait_for_events(name, f"private-room.{room}", 1)
    await node.wait_for_events("bob", channels[0], 1)
    assert node.events("phone", channels[0]) == node.events("laptop", channels[0]) == []
    node.say("unsubscribe", client="phone", channel=channels[0])
    node.say("subscribe", client="phone", channel=channels[0])
    await node.wait(2, client="phone", channel=channels[0], event="pusher:subscription_error")
