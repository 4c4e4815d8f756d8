"""What clients do wrong, by mistake or on purpose, and what then must not happen to others."""

import json

from tests.clients.sdks import PythonSdk
from tests.support.clients.pusherjs import Driver
from tests.support.clients.visitors import Visitor
from tests.support.deployments.deployment import KEY, Deployment


async def test_malformed(guests: tuple[Visitor, Visitor], room: str) -> None:
    """
    Who says nonsense is told so, and neither that connection nor the gateway suffers from it.
    """
    ann, bob = guests
    nonsense = [
        {"event": "pusher:subscribe"},
        {"event": "pusher:subscribe", "data": ""},
        {"event": "pusher:subscribe", "data": {}},
        {"event": "pusher:unsubscribe", "data": None},
        {"event": "pusher:signin"},
        {"event": "client-", "data": ""},
    ]

    for message in nonsense:
        await ann.say(json.dumps(message).encode())

    await ann.until(lambda: len(ann.errors()) == len(nonsense))
    for guest in (ann, bob):
        await guest.join(room)
    assert set(ann.errors()) <= {4009, 4300, 4301}


async def test_the_channel_of_a_user(
    deployment: Deployment, guests: tuple[Visitor, Visitor], room: str
) -> None:
    """
    Nobody else gets into a user's own channel, nor into another name of that kind, signed in or not.
    """
    eve, _ = guests
    own = f"#server-to-user-{room}"
    grant = await PythonSdk(deployment).authenticate(eve.socket_id, {"id": room})

    await eve.say(_subscribe(own))
    await eve.say(json.dumps({"event": "pusher:signin", "data": grant}).encode())
    others = [f"{own}9", "#server-to-user-", "#server-to-users", "#other"]
    for channel in [*others, own]:
        await eve.say(_subscribe(channel))

    await eve.until_in(own)
    refused = [
        frame["channel"] for frame in eve.frames if frame["event"] == "pusher:subscription_error"
    ]
    assert refused == [own, *others]


async def test_whispers(
    deployment: Deployment, node: Driver, guests: tuple[Visitor, Visitor], room: str
) -> None:
    """
    Nobody whispers on a public or an encrypted channel, to strangers, or in another's name.
    """
    _, eve = guests
    channels = [f"open-{room}", f"private-encrypted-room.{room}", f"presence-room.{room}"]
    await node.connect("ann", KEY, **deployment.options(0, user="ann"))
    for channel in channels:
        await node.subscribe("ann", channel)
    await node.do("bind", client="ann", channel=channels[2], event="client-x")

    await eve.say(_whisper(channels[2], 0))
    for channel in channels:
        await eve.join(channel, user="eve" if channel.startswith("presence") else "")
        await eve.say(_whisper(channel, 1))

    await eve.until(lambda: eve.errors() == [4301] * 3)
    heard = await node.wait(client="ann", bound="client-x")
    assert [(item["data"], item["user_id"]) for item in heard] == [({"n": 1}, "eve")]
    for channel in channels[:2]:
        assert node.events("ann", channel) == []


def _whisper(channel: str, n: int) -> bytes:
    whisper = {"event": "client-x", "channel": channel, "data": {"n": n}, "user_id": "ann"}
    return json.dumps(whisper).encode()


def _subscribe(channel: str) -> bytes:
    return json.dumps({"event": "pusher:subscribe", "data": {"channel": channel}}).encode()
