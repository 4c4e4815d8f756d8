"""Journeys of signed-in users, with stock pusher-js and the SDKs."""

import pytest

from libs.common.apps.app import App
from libs.common.config.secret import Secret
from tests.clients.sdks import NodeSdk, Sdk
from tests.support.clients.back_ends import back_end
from tests.support.clients.pusherjs import Driver
from tests.support.deployments.deployment import KEY, SECRET, Deployment


async def test_sent_to_a_user(deployment: Deployment, node: Driver, sdk: Sdk, room: str) -> None:
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
    await sdk.send_to_user(room, "greeted", {"a": 1})
    await sdk.send_to_user(f"{room}9", "last", {})

    for name in ("phone", "laptop"):
        (seen,) = await node.wait(client=name, user_event="greeted")
        assert seen["data"] == {"a": 1}
    await node.wait(client="other", user_event="last")
    assert node.seen(client="other", user_event="greeted") == []


@pytest.mark.parametrize("user", ["auth0|5f", "did:web:x", "a+b@x.org", "Zo\u00eb", "x/y {z}#?%&"])
async def test_any_id(deployment: Deployment, node: Driver, room: str, user: str) -> None:
    """
    Whoever may sign in gets what is sent to it: by the SDK that takes such ids, by hand, and by a route.
    """
    user = f"{user}{room}"
    NodeSdk(node, deployment)
    await node.connect("ann", KEY, **deployment.options(1, user=user))
    node.say("signin", client="ann")
    await node.wait(client="ann", signed_in=user)
    await node.wait(client="ann", user_channel=f"#server-to-user-{user}")

    await NodeSdk(node, deployment).send_to_user(user, "by-sdk", 1)
    async with back_end(App(id="1", key=KEY, secrets=(Secret(SECRET),))) as own:
        url = deployment.dispatcher.url
        answer = await own.publish(url, f"#server-to-user-{user}", 2, event="by-hand")
        assert answer.status == 200, answer
    await deployment.tell("user.greeted", {"user": user, "number": 3})

    for event, data in (("by-sdk", 1), ("by-hand", 2), ("user.greeted", {"number": 3})):
        (seen,) = await node.wait(client="ann", user_event=event)
        assert seen["data"] == data


async def test_straight_after(deployment: Deployment, node: Driver, sdk: Sdk, room: str) -> None:
    """
    What is sent to a user when a page has just been told that it is signed in reaches it, each time.
    """
    for number in range(6):
        name, user = f"page{number}", f"{room}-{number}"
        await node.connect(name, KEY, **deployment.options(number % 2, user=user))
        node.say("signin", client=name)
        await node.wait(client=name, signed_in=user)

        await sdk.send_to_user(user, "greeted", number)

        (seen,) = await node.wait(client=name, user_event="greeted")
        assert seen["data"] == number


async def test_terminated(deployment: Deployment, node: Driver, sdk: Sdk, room: str) -> None:
    """
    A user whose connections are terminated is disconnected everywhere, and does not return; others stay.
    """
    user = f"{room}_=@example.org,;"  # Every character that the SDKs let an id have.
    for number, name in enumerate(["phone", "laptop"]):
        await node.connect(name, KEY, **deployment.options(number, user=user))
        node.say("signin", client=name)
        await node.wait(client=name, signed_in=user)
    await node.connect("other", KEY, **deployment.options(0, user=room))
    node.say("signin", client="other")
    await node.wait(client="other", signed_in=room)

    assert await sdk.terminate(user) == {}

    for name in ("phone", "laptop"):
        await node.wait(client=name, state="disconnected")
        told, *_ = await node.wait_for("error", client=name)
        assert told["error"]["code"] == 4009
        # From this state pusher-js comes back only when the page tells it to.
        assert (await node.ask("look", client=name))["state"] == "disconnected"
    assert (await node.ask("look", client="other"))["state"] == "connected"


async def test_signed_by_a_back_end(deployment: Deployment, node: Driver, room: str) -> None:
    """
    Pages whose own back end signs, with npm's SDK, sign in and join private and presence channels.
    """
    NodeSdk(node, deployment)
    for number, name in enumerate(["ann", "bob"]):
        member = {"user_id": f"{name}-{room}", "user_info": {"name": name}}
        words = deployment.options(number)
        await node.connect(name, KEY, backend="backend", member=member, **words)
        node.say("signin", client=name)
        await node.wait(client=name, signed_in=f"{name}-{room}")
        await node.subscribe(name, f"private-{room}")
        told = await node.subscribe(name, f"presence-{room}")

    assert told["members"] == {f"{name}-{room}": {"name": name} for name in ("ann", "bob")}
    assert told["me"] == {"id": f"bob-{room}", "info": {"name": "bob"}}
