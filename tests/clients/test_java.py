"""Journeys of Pusher's client for Java, which passes ``channel_data`` on for some kinds of channels and not for all."""

from collections.abc import AsyncIterator

import pytest

from tests.clients.sdks import PythonSdk
from tests.support.clients.back_ends import BackEnd
from tests.support.clients.pusherjs import Driver, java_driver
from tests.support.deployments.deployment import KEY, Deployment

PREFIXES = ("private-", "private-encrypted-", "presence-")


@pytest.fixture
async def java() -> AsyncIterator[Driver]:
    async with java_driver() as running:
        yield running


async def put(back: BackEnd, deployment: Deployment, user: str, room: str) -> None:
    """Put a user into a team."""
    named = [{"user": user, "group": f"team:{room}"}]
    answer = await back.send("PUT", deployment.auth.url, "/auth/memberships", memberships=named)
    assert answer.body == {"changed": 1}


async def test_every_kind(deployment: Deployment, java: Driver, room: str) -> None:
    """
    With nothing but Fanfare's auth it joins channels of every kind, hears their events, and reads what is encrypted.
    """
    for number, (name, user) in enumerate([("ann", f"ann-{room}"), ("bob", f"Боб|é-{room}")]):
        await java.connect(name, KEY, **deployment.options(number, user=user, name=name))
    channels = [f"{prefix}room.{room}" for prefix in PREFIXES]
    for name in ("ann", "bob"):
        for channel in channels:
            await java.subscribe(name, channel)

    for channel in channels:
        await PythonSdk(deployment).trigger([channel], "told", {"text": "grüße"})

    for name in ("ann", "bob"):
        for channel in channels:
            assert await java.wait_for_events(name, channel, 1) == [("told", {"text": "grüße"})]
    added = "pusher:member_added"
    await java.wait(client="ann", channel=channels[2], event=added, data=f"Боб|é-{room}")
    assert java.seen(client="ann", event="pusher:members", data=[f"ann-{room}"])


async def test_removed_and_put_back(
    deployment: Deployment, java: Driver, back: BackEnd, room: str
) -> None:
    """
    Who is removed loses channels of every kind, and joins them again on the same connection once put back.
    """
    ann = f"ann-{room}"
    await put(back, deployment, ann, room)
    await java.connect("ann", KEY, **deployment.options(0, user=ann))
    channels = [f"{prefix}team.{room}" for prefix in PREFIXES]
    for channel in channels:
        await java.subscribe("ann", channel)

    fields = {"user": ann, "group": f"team:{room}"}
    await back.send("DELETE", deployment.auth.url, "/auth/memberships", **fields)
    # Of an encrypted channel it does not tell: it wants to decrypt that too, and its thread fails.
    for channel in (channels[0], channels[2]):
        error = "pusher:subscription_error"
        (told,) = await java.wait(client="ann", channel=channel, event=error)
        assert told["data"]["status"] == 403
    for channel in channels:
        java.say("unsubscribe", client="ann", channel=channel)

    await put(back, deployment, ann, room)
    for channel in channels:
        java.say("subscribe", client="ann", channel=channel)
        succeeded = "pusher:subscription_succeeded"
        await java.wait(2, client="ann", channel=channel, event=succeeded)
