"""Pages with stock pusher-js and Echo that see who types: two gateways, endings of every kind, and who comes late."""

import json
from typing import Any

import pytest

from tests.clients.sdks import NodeSdk
from tests.support.clients.back_ends import BackEnd
from tests.support.clients.pusherjs import Driver
from tests.support.deployments.deployment import KEY, Deployment

TYPING = "fanfare:typing"


async def enter(
    node: Driver, deployment: Deployment, name: str, *, gateway: int, channel: str
) -> None:
    """Let a page with Echo into a presence channel; what it is told of typists it hears from the beginning."""
    await node.echo(name, deployment.echo(gateway, "reverb", user=name, name=name))
    await node.enter(name, "join", channel, events=[f".{TYPING}"], whispers=["typing"])


async def whisper(node: Driver, name: str, channel: str, what: str = "typing", **data: Any) -> None:
    """Let a page whisper."""
    words = {"kind": "join", "channel": channel, "name": what, "data": data}
    await node.do("whisper", client=name, **words)


async def until(node: Driver, name: str, channel: str, *users: str) -> None:
    """Wait until the last that a page was told is that these users type."""

    def told() -> list[dict[str, Any]]:
        lists = node.seen(client=name, channel=channel, listened=f".{TYPING}")
        return lists if lists and lists[-1]["data"] == {"user_ids": sorted(users)} else []

    await node.wait_until(told)


async def test_whispers(deployment: Deployment, node: Driver, room: str) -> None:
    """
    Who whispers is on everybody's list, who comes late has it too; the whisper reaches the others as ever.
    """
    channel = f"room.{room}"
    ann, bob, cat = (f"{name}-{room}" for name in ("ann", "bob", "cat"))
    await enter(node, deployment, ann, gateway=0, channel=channel)
    await enter(node, deployment, bob, gateway=1, channel=channel)

    await whisper(node, ann, channel, by=ann)

    for name in (ann, bob):
        await until(node, name, channel, ann)
    (heard,) = await node.wait(client=bob, channel=channel, whispered="typing")
    assert heard["data"] == {"by": ann}
    assert not node.seen(client=ann, whispered="typing")
    await whisper(node, bob, channel)
    for name in (ann, bob):
        await until(node, name, channel, ann, bob)
    await enter(node, deployment, cat, gateway=1, channel=channel)
    await until(node, cat, channel, ann, bob)


async def test_endings(deployment: Deployment, node: Driver, back: BackEnd, room: str) -> None:
    """
    A user is off the list at once who stops, sends, leaves or is gone, or of whom a back end publishes what was sent.

    Somebody else began to type before, and does so still: it was not the time that cleared the list.
    """
    endings = ("stopped", "sent", "left", "gone", "published")
    channels = {ending: f"room.{ending}-{room}" for ending in endings}
    users = {ending: f"{ending}-{room}" for ending in endings}
    bob = f"bob-{room}"
    await node.echo(bob, deployment.echo(1, "reverb", user=bob))
    for ending in endings:
        channel, user = channels[ending], users[ending]
        await node.enter(bob, "join", channel, events=[f".{TYPING}"])
        await whisper(node, bob, channel)
        await enter(node, deployment, user, gateway=0, channel=channel)
        await whisper(node, user, channel)
    for ending in endings:
        await until(node, bob, channels[ending], bob, users[ending])

    await whisper(node, users["stopped"], channels["stopped"], typing=False)
    await whisper(node, users["sent"], channels["sent"], what="message", text="Hello")
    await node.do("leave", client=users["left"], channel=channels["left"])
    await node.do("disconnect", client=users["gone"])
    body = {"name": "said", "channel": f"presence-{channels['published']}", "data": "{}"}
    body["user_id"] = users["published"]
    answer = await back.post(deployment.dispatcher.url, "/apps/1/events", json.dumps(body).encode())
    assert answer.status == 200

    for ending in endings:
        await until(node, bob, channels[ending], bob)


async def test_coming_back(deployment: Deployment, node: Driver, room: str) -> None:
    """
    Who was away while the list cleared is told of an empty one, and keeps no old one.
    """
    channel, ann, bob = f"room.{room}", f"ann-{room}", f"bob-{room}"
    await enter(node, deployment, ann, gateway=0, channel=channel)
    await enter(node, deployment, bob, gateway=1, channel=channel)
    await whisper(node, ann, channel)
    await until(node, bob, channel, ann)

    await node.do("disconnect", client=bob)
    await node.wait(client=ann, channel=channel, leaving={"name": bob})
    await whisper(node, ann, channel, typing=False)
    await until(node, ann, channel)
    assert node.seen(client=bob, listened=f".{TYPING}")[-1]["data"] == {"user_ids": [ann]}
    await node.do("reconnect", client=bob)

    await until(node, bob, channel)


async def test_of_a_back_end(
    deployment: Deployment, node: Driver, back: BackEnd, room: str
) -> None:
    """
    In a public channel, where clients cannot whisper, a back end says who types, and asks who does.
    """
    channel = f"room-{room}"
    path = f"/presence/apps/1/channels/{channel}/typing"
    for number, name in enumerate(("ann", "bob")):
        await node.connect(name, KEY, **deployment.options(number))
        await node.subscribe(name, channel)

    for is_typing, users in ((True, ["7"]), (False, [])):
        answer = await back.send(
            "POST", deployment.presence.url, path, user_id="7", typing=is_typing
        )
        assert answer.status == 200

        for name in ("ann", "bob"):
            await node.wait(client=name, channel=channel, event=TYPING, data={"user_ids": users})
        answer = await back.get(deployment.presence.url, path)
        assert answer.body == {"user_ids": users, "count": len(users)}


@pytest.mark.parametrize("kind", ["private", "join"])
async def test_whoever_it_is(deployment: Deployment, node: Driver, kind: str, room: str) -> None:
    """
    Whatever a page says of itself, the list has the user whom its permission names.
    """
    channel, eve = f"room.{room}", f"eve-{room}"
    await node.echo(eve, deployment.echo(0, "reverb", user=eve))
    await node.enter(eve, kind, channel, events=[f".{TYPING}"])

    words = {"kind": kind, "channel": channel, "name": "typing"}
    node.say("whisper", client=eve, data={"user_id": "ann", "typing": True}, **words)

    await until(node, eve, channel, eve)


async def test_nobody(deployment: Deployment, node: Driver, room: str) -> None:
    """
    A page of which nobody knows the user is told so once; its whisper passes, and no list has it.
    """
    NodeSdk(node, deployment)
    channel = f"private-room.{room}"
    for number, name in enumerate(("ann", "bob")):
        await node.connect(name, KEY, backend="backend", **deployment.options(number))
        await node.subscribe(name, channel)

    for number in range(2):
        words = {"channel": channel, "event": "client-typing", "data": {"n": number}}
        node.say("trigger", client="ann", **words)

    heard = [("client-typing", {"n": number}) for number in range(2)]
    assert await node.wait_for_events("bob", channel, 2) == heard
    (told,) = await node.wait_for("error", client="ann")
    assert told["error"]["code"] == 4303
