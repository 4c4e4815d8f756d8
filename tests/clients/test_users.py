"""Journeys of signed-in users, with stock pusher-js and the Python SDK."""

import asyncio

from pusher import Pusher  # type: ignore[import-untyped]

from tests.support.deployment import KEY, SECRET, Deployment
from tests.support.pusherjs import Driver


def backend(deployment: Deployment) -> Pusher:
    dispatcher = deployment.dispatcher
    return Pusher(
        app_id="1", key=KEY, secret=SECRET, host=dispatcher.host, port=dispatcher.port, ssl=False
    )


async def test_sent_to_a_user(deployment: Deployment, node: Driver, room: str) -> None:
    """
    What is sent to a user reaches that user's connections on every gateway, and nobody else's.
    """
    for number, name in enumerate(["phone", "laptop"]):
        await node.connect(name, KEY, **deployment.options(number, user=room))
        node.say("signin", client=name)
        assert (await node.wait(client=name, signed_in=room))[0]
    await node.connect("other", KEY, **deployment.options(0, user=f"{room}9"))
    node.say("signin", client="other")
    await node.wait(client="other", signed_in=f"{room}9")
    for name, user in (("phone", room), ("laptop", room), ("other", f"{room}9")):
        await node.wait(client=name, user_channel=f"#server-to-user-{user}")

    await asyncio.to_thread(backend(deployment).send_to_user, room, "greeted", {"a": 1})
    await asyncio.to_thread(backend(deployment).send_to_user, f"{room}9", "last", {})

    for name in ("phone", "laptop"):
        (seen,) = await node.wait(client=name, user_event="greeted")
        assert seen["data"] == {"a": 1}
    await node.wait(client="other", user_event="last")
    assert node.seen(client="other", user_event="greeted") == []


async def test_terminated(deployment: Deployment, node: Driver, room: str) -> None:
    """
    A user whose connections are terminated is disconnected everywhere, and does not return; others stay.
    """
    for number, name in enumerate(["phone", "laptop"]):
        await node.connect(name, KEY, **deployment.options(number, user=room))
        node.say("signin", client=name)
        await node.wait(client=name, signed_in=room)
    await node.connect("other", KEY, **deployment.options(0, user=f"{room}9"))

    await asyncio.to_thread(backend(deployment).terminate_user_connections, room)

    for name in ("phone", "laptop"):
        assert await node.wait(client=name, state="disconnected")
    assert node.seen(client="other", state="disconnected") == []
