"""Pusher's own SDKs of PyPI and npm, as back ends use them."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.clients.sdks import Refused, Sdk
from tests.support.clients.visitors import Visitor
from tests.support.deployments.deployment import OLD_SECRET, SECRET

Guests = tuple[Visitor, Visitor]


class TestTrigger:
    """What they post is heard."""

    async def test_one_channel_and_several(self, sdk: Sdk, guests: Guests, room: str) -> None:
        """
        Clients of all gateways hear it, in order, with the data as they were given, be they empty.
        """
        first, second = f"first-{room}", f"Second_=@,.;{room}"
        for guest in guests:
            await guest.join(first)
            await guest.join(second)

        answers = [
            await sdk.trigger([first], "moved", {"n": 1, "text": "grüße"}),
            await sdk.trigger([first, second], "moved", {"n": 2}),
            await sdk.trigger([second], "moved", ""),
            await sdk.trigger([second], "moved", "text"),
        ]

        assert answers == [{}, {}, {}, {}]
        for guest in guests:
            await guest.until_heard(second, "text")
            assert guest.heard(first) == [{"n": 1, "text": "grüße"}, {"n": 2}]
            assert guest.heard(second) == [{"n": 2}, "", "text"]

    async def test_batch(self, sdk: Sdk, guests: Guests, room: str) -> None:
        batch = [{"channel": room, "name": "moved", "data": {"n": n}} for n in range(10)]
        for guest in guests:
            await guest.join(room)

        answer = await sdk.trigger_batch(batch)

        assert answer == {}
        for guest in guests:
            await guest.until_heard(room, {"n": 9})
            assert guest.heard(room) == [{"n": n} for n in range(10)]

    async def test_all_but_the_originator(self, sdk: Sdk, guests: Guests, room: str) -> None:
        """
        The socket that is named does not hear what it caused, whichever gateway has it.
        """
        ann, bob = guests
        event = {"channel": room, "name": "moved"}
        for guest in guests:
            await guest.join(room)

        await sdk.trigger([room], "moved", {"n": 1}, socket_id=ann.socket_id)
        await sdk.trigger_batch([{**event, "data": {"n": 2}, "socket_id": bob.socket_id}])
        await sdk.trigger([room], "moved", {"n": 3})

        for guest, heard in ((ann, [2, 3]), (bob, [1, 3])):
            await guest.until_heard(room, {"n": 3})
            assert guest.heard(room) == [{"n": n} for n in heard]

    async def test_refused(self, sdk: Sdk, sdk_with: Callable[[str], Sdk], room: str) -> None:
        """
        Errors leave with their status, and with the words that SDKs' own tests look for.
        """
        event = {"channel": room, "name": "moved", "data": "{}"}
        for wrong, status, words in (
            (sdk_with("wrong").trigger([room], "moved", {}), 401, "the signature does not match"),
            (sdk.trigger([room], "pusher:moved", {}), 400, "are reserved"),
            (sdk.trigger([room], "pusher_internal:moved", {}), 400, "are reserved"),
            (sdk.trigger_batch([event] * 11), 400, "Batch too large"),
            (sdk.trigger([room], "moved", "x" * 10_241), 413, "content of this event"),
        ):
            with pytest.raises(Refused, match=words) as refused:
                await wrong
            assert refused.value.status == status

    async def test_the_secret_is_changed(
        self, sdk_with: Callable[[str], Sdk], guests: Guests, room: str
    ) -> None:
        """
        While an app has two secrets, back ends and clients may use either.
        """
        back_ends = [sdk_with(SECRET), sdk_with(OLD_SECRET)]
        channel = f"private-{room}"

        for sdk, guest in zip(back_ends, guests, strict=True):
            await _subscribe(sdk, guest, channel)
            await guest.until_in(channel)
        for n, sdk in enumerate(back_ends):
            await sdk.trigger([channel], "moved", {"n": n})

        for guest in guests:
            await guest.until_heard(channel, {"n": 0}, {"n": 1})


class TestAuthorize:
    """What they sign is believed."""

    async def test_private_and_presence(self, sdk: Sdk, guests: Guests, room: str) -> None:
        """
        Ids of members are told as text, and what is known of them as an object.
        """
        ann, bob = guests
        private, presence = f"private-{room}", f"presence-{room}"

        for guest, user_id in ((ann, "ann"), (bob, 7)):
            await _subscribe(sdk, guest, private)
            await _subscribe(sdk, guest, presence, {"user_id": user_id, "user_info": {"a": 1}})
            await guest.until_in(presence)

        await ann.until_members(presence, "ann", "7")
        snapshot = next(
            frame["data"]["presence"]
            for frame in bob.frames
            if "presence" in str(frame["data"]) and frame["event"].endswith("_succeeded")
        )
        assert sorted(snapshot["ids"]) == ["7", "ann"]
        assert snapshot["hash"] == {"ann": {"a": 1}, "7": {"a": 1}}
        assert snapshot["count"] == 2
        for guest in guests:
            await guest.until_in(private)

    async def test_a_user(self, sdk: Sdk, guests: Guests, room: str) -> None:
        """
        A user who signs in gets what is sent to the user, and joins presence channels as such.
        """
        ann, bob = guests
        own, presence = f"#server-to-user-{room}", f"presence-{room}"
        grant = await sdk.authenticate(ann.socket_id, {"id": room, "user_info": {"name": "Ann"}})
        await ann.say(json.dumps({"event": "pusher:signin", "data": grant}).encode())
        await ann.say(json.dumps({"event": "pusher:subscribe", "data": {"channel": own}}).encode())
        await ann.until_in(own)
        await bob.join(presence, user="bob")

        await _subscribe(sdk, ann, presence)
        await sdk.send_to_user(room, "greeted", {"n": 1})

        await ann.until_heard(own, {"n": 1})
        await bob.until_members(presence, "bob", room)


async def _subscribe(sdk: Sdk, guest: Visitor, channel: str, member: Any = None) -> None:
    grant = await sdk.authorize(guest.socket_id, channel, member)
    message = {"event": "pusher:subscribe", "data": {"channel": channel, **grant}}
    await guest.say(json.dumps(message).encode())
