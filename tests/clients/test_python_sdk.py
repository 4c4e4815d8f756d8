"""Pusher's own SDK for Python, as a back end uses it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from pusher import Pusher  # type: ignore[import-untyped]
from pusher.errors import PusherBadAuth, PusherBadRequest  # type: ignore[import-untyped]

from libs.common.apps import App
from libs.common.secret import Secret
from tests.support.deployment import KEY, SECRET, Deployment
from tests.support.visitors import Visitor, visitors

APP = App(id="1", key=KEY, secrets=(Secret(SECRET),))


def sdk_of(deployment: Deployment, *, secret: str = SECRET) -> Any:
    """Set the SDK up as its manual says, but for the host."""
    process = deployment.dispatcher
    return Pusher(
        app_id="1", key=KEY, secret=secret, host=process.host, port=process.port, ssl=False
    )


async def call(method: Callable[..., Any], *args: Any) -> Any:
    """Call the SDK, which waits for its answer."""
    return await asyncio.to_thread(method, *args)


@pytest.fixture
async def guests(deployment: Deployment) -> AsyncIterator[tuple[Visitor, Visitor]]:
    """Yield a client of each gateway."""
    async with visitors(APP) as visitor:
        ann, bob = visitor(), visitor()
        for guest, gateway in zip((ann, bob), deployment.gateways, strict=True):
            await guest.connect(gateway.url)
        yield ann, bob


class TestTrigger:
    """What it posts is heard."""

    async def test_one_channel_and_several(
        self, deployment: Deployment, guests: tuple[Visitor, Visitor], room: str
    ) -> None:
        """
        Clients of all gateways hear it, in order, with the data as they were given.
        """
        sdk, first, second = sdk_of(deployment), f"first-{room}", f"second-{room}"
        for guest in guests:
            await guest.join(first)
            await guest.join(second)

        answers = [
            await call(sdk.trigger, first, "moved", {"n": 1, "text": "grüße"}),
            await call(sdk.trigger, [first, second], "moved", {"n": 2}),
            await call(sdk.trigger, second, "moved", "text"),
        ]

        assert answers == [{}, {}, {}]
        for guest in guests:
            await guest.until_heard(second, "text")
            assert guest.heard(first) == [{"n": 1, "text": "grüße"}, {"n": 2}]
            assert guest.heard(second) == [{"n": 2}, "text"]

    async def test_batch(
        self, deployment: Deployment, guests: tuple[Visitor, Visitor], room: str
    ) -> None:
        batch = [{"channel": room, "name": "moved", "data": {"n": n}} for n in range(10)]
        for guest in guests:
            await guest.join(room)

        answer = await call(sdk_of(deployment).trigger_batch, batch)

        assert answer == {}
        for guest in guests:
            await guest.until_heard(room, {"n": 9})
            assert guest.heard(room) == [{"n": n} for n in range(10)]

    async def test_all_but_the_originator(
        self, deployment: Deployment, guests: tuple[Visitor, Visitor], room: str
    ) -> None:
        """
        The socket that is named does not hear what it caused, whichever gateway has it.
        """
        ann, bob = guests
        sdk = sdk_of(deployment)
        for guest in guests:
            await guest.join(room)

        await call(sdk.trigger, room, "moved", {"n": 1}, ann.socket_id)
        await call(sdk.trigger, room, "moved", {"n": 2}, bob.socket_id)
        await call(sdk.trigger, room, "moved", {"n": 3})

        for guest, heard in ((ann, [2, 3]), (bob, [1, 3])):
            await guest.until_heard(room, {"n": 3})
            assert guest.heard(room) == [{"n": n} for n in heard]

    async def test_refused(self, deployment: Deployment, room: str) -> None:
        """
        It raises the errors that its manual names.
        """
        with pytest.raises(PusherBadAuth, match="the signature does not match"):
            await call(sdk_of(deployment, secret="wrong").trigger, room, "moved", {})
        with pytest.raises(PusherBadRequest, match="are reserved"):
            await call(sdk_of(deployment).trigger, room, "pusher:moved", {})


class TestAuthenticate:
    """What it signs is believed."""

    async def test_private_and_presence(
        self, deployment: Deployment, guests: tuple[Visitor, Visitor], room: str
    ) -> None:
        ann, bob = guests
        sdk, private, presence = sdk_of(deployment), f"private-{room}", f"presence-{room}"

        for guest, name in ((ann, "ann"), (bob, "bob")):
            for channel, member in ((private, None), (presence, {"user_id": name})):
                grant = sdk.authenticate(channel, guest.socket_id, member)
                message = {"event": "pusher:subscribe", "data": {"channel": channel, **grant}}
                await guest.say(json.dumps(message).encode())

        for guest in guests:
            await guest.until_members(presence, "ann", "bob")
        await ann.until(lambda: ann.is_in(private))
        await bob.until(lambda: bob.is_in(private))
