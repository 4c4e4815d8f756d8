"""Pages with Echo that say how far their users have read, and see how far the others have."""

import json
from typing import Any

from tests.support.clients.back_ends import BackEnd
from tests.support.clients.pusherjs import Driver
from tests.support.deployments.deployment import Deployment

READ = "fanfare:read"


async def enter(node: Driver, deployment: Deployment, channel: str, *users: str) -> None:
    """Let users in at the gateways in turn, and have them listen."""
    for number, user in enumerate(users):
        await node.echo(user, deployment.echo(number % 2, "reverb", user=user, name=user))
        await node.enter(user, "join", channel, events=[f".{READ}"], whispers=["read"])


def marks(node: Driver, user: str, reader: str) -> list[Any]:
    """Return the marks of a reader that a page was told, in order."""
    told = [item["data"]["marks"] for item in node.seen(client=user, listened=f".{READ}")]
    return [each[reader] for each in told if reader in each]


async def until(node: Driver, user: str, reader: str, *, upto: int) -> None:
    """Wait until a page was told that a reader has come so far."""
    await node.wait_until(lambda: node.seen() if marks(node, user, reader)[-1:] == [upto] else [])


def read(node: Driver, user: str, channel: str, upto: Any) -> None:
    """Let a page say how far its user has read."""
    words = {"kind": "join", "channel": channel, "name": "read", "data": {"upto": upto}}
    node.say("whisper", client=user, **words)


async def test_whispers(deployment: Deployment, node: Driver, room: str) -> None:
    """
    A page says how far its user has read, and everybody is told; the mark never moves back.
    """
    channel, ann, bob = f"room.{room}", f"ann-{room}", f"bob-{room}"
    await enter(node, deployment, channel, ann, bob)

    read(node, ann, channel, 5)
    for user in (ann, bob):
        await until(node, user, ann, upto=5)
    (heard, *_) = await node.wait(client=bob, whispered="read")
    assert heard["data"] == {"upto": 5}
    for upto in (3, 4, 7):
        read(node, ann, channel, upto)
    for user in (ann, bob):
        await until(node, user, ann, upto=7)
        assert marks(node, user, ann) == sorted(marks(node, user, ann))


async def test_of_a_back_end(
    deployment: Deployment, node: Driver, back: BackEnd, room: str
) -> None:
    """
    A back end moves a mark, gets that which stands, and whoever comes late asks for all.
    """
    channel, ann = f"room.{room}", f"ann-{room}"
    path = f"/presence/apps/1/channels/presence-{channel}/read"
    url = deployment.presence.url
    await enter(node, deployment, channel, ann)

    for upto, stands in ((9, 9), (8, 9)):
        answer = await back.send("POST", url, path, user_id="bob", upto=upto)
        assert (answer.status, answer.body) == (200, {"user_id": "bob", "upto": stands})

    await until(node, ann, "bob", upto=9)
    assert marks(node, ann, "bob") == [9]
    answer = await back.get(url, path)
    assert answer.body == {"marks": {"bob": 9}, "cursor": None}


async def test_no_mark(deployment: Deployment, node: Driver, room: str) -> None:
    """
    A page that says what is no mark is told what one is.
    """
    channel, ann = f"room.{room}", f"ann-{room}"
    await enter(node, deployment, channel, ann)

    read(node, ann, channel, "all")

    (told,) = await node.wait_for("error", client=ann)
    assert told["error"]["code"] == 4304
    assert "whole number" in json.dumps(told["error"])
