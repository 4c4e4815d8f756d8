"""Memberships: written over HTTP and by topic, asked for by policies, and missed with care."""

import asyncio
from collections.abc import Collection
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import hdrs

from libs.common.apps.limits import Limits
from libs.common.eventlog.memory import MemoryEventLog
from libs.common.eventlog.records import NewRecord
from libs.common.memberships.membership import Membership, NotKeptHere
from libs.common.memberships.memory import MemoryMemberships
from services.auth.memberships.requests import MOST
from tests.support.clients.back_ends import basic, signed
from tests.support.services.auth import ONE, fields
from tests.support.services.auth_memberships import ANN, PATH, Site, site
from tests.support.tokens.user_tokens import token


class Elsewhere(MemoryMemberships):
    """Memberships that are not kept here."""

    async def put(self, memberships: Collection[Membership]) -> int:
        _ = memberships
        raise NotKeptHere


class TestWriting:
    """``PUT`` and ``DELETE /auth/memberships``."""

    async def test_one(self, memory: Site) -> None:
        """What was put or removed counts for the next request, whatever was answered before."""
        one = {"user": "7", "group": "campaign:5"}
        assert await memory.status() == 403

        assert await memory.write(hdrs.METH_PUT, one) == (200, {"changed": 1})
        assert await memory.status() == 200
        assert await memory.write(hdrs.METH_PUT, one) == (200, {"changed": 0})

        assert await memory.write(hdrs.METH_DELETE, one) == (200, {"changed": 1})
        assert await memory.status() == 403
        assert await memory.write(hdrs.METH_DELETE, one) == (200, {"changed": 0})

    async def test_many(self, memory: Site) -> None:
        pairs = [{"user": "7", "group": f"campaign:{number}"} for number in range(MOST)]

        assert await memory.write(hdrs.METH_PUT, {"memberships": pairs}) == (200, {"changed": MOST})
        assert await memory.status("private-campaign.999") == 200

    async def test_basic(self, memory: Site) -> None:
        """Instead of a signature there may be the app's key and secret; without either nothing is changed."""
        body, url = b'{"user": "7", "group": "campaign:5"}', f"{memory.client.base}{PATH}"
        statuses = []
        for secret in (ONE.secrets[0].reveal(), "another", None):
            named = {hdrs.AUTHORIZATION: basic(ONE.key, secret)} if secret else None
            async with aiohttp.request("PUT", url, data=body, headers=named) as response:
                statuses.append(response.status)
                challenge = response.headers.get(hdrs.WWW_AUTHENTICATE)
                assert challenge == (None if response.status == 200 else 'Basic realm="fanfare"')

        assert statuses == [200, 401, 401]

    async def test_signed_behind_proxy(self, memory: Site) -> None:
        """What a proxy adds for itself does not count where a request is signed."""
        body = b'{"user": "7", "group": "campaign:5"}'
        url = f"{memory.client.base}{PATH}?{signed(ONE, PATH, body, hdrs.METH_PUT)}"
        named = {hdrs.AUTHORIZATION: "Bearer of-a-proxy"}
        async with aiohttp.request("PUT", url, data=body, headers=named) as response:
            assert response.status == 200

    async def test_own_app(self, memory: Site) -> None:
        """A back end speaks for the app whose key signs."""
        await memory.write(hdrs.METH_PUT, {"user": "7", "group": "campaign:5"})

        assert await memory.status(app="two") == 403

    @pytest.mark.parametrize(
        "params", [{"auth_signature": "0" * 64}, {"auth_key": "two"}, {"auth_timestamp": "1"}]
    )
    async def test_unsigned(self, memory: Site, params: dict[str, str]) -> None:
        one = {"user": "7", "group": "campaign:5"}

        status, _ = await memory.write(hdrs.METH_PUT, one, **params)

        assert status == 401
        assert not await memory.memberships.has(ANN)

    @pytest.mark.parametrize(
        "body,reason",
        [
            ({"user": "7"}, "missing required field `group`"),
            ({"user": "", "group": "x"}, "a membership's user is a text of 1 to 128 characters"),
            ({"memberships": []}, "length >= 1"),
            (b"user=7", "the body is no JSON"),
        ],
    )
    async def test_refused(self, memory: Site, body: Any, reason: str) -> None:
        status, answer = await memory.write(hdrs.METH_PUT, body)

        assert status == 400
        assert reason in answer["error"]

    async def test_kept_elsewhere(self) -> None:
        """What a query of the operator's reads is not written here."""
        async with site(Elsewhere()) as opened:
            status, answer = await opened.write(hdrs.METH_PUT, {"user": "7", "group": "x"})

        assert status == 409
        assert answer == {"error": str(NotKeptHere())}

    async def test_too_often(self) -> None:
        """Back ends are held to the app's rate of auth requests."""
        slow = msgspec.structs.replace(ONE, limits=Limits(auth_requests=0.001))
        async with site(MemoryMemberships(), app=slow) as opened:
            one = {"user": "7", "group": "x"}
            answers = [(await opened.write(hdrs.METH_PUT, one))[0] for _ in range(2)]

        assert answers == [200, 429]

    async def test_expelled(self, memory: Site) -> None:
        """A removal is told to every gateway."""
        one = {"user": "7", "group": "campaign:5"}
        await memory.write(hdrs.METH_PUT, one)
        await memory.write(hdrs.METH_DELETE, one)

        command = await memory.commanded()

        assert (command.verb, command.subject, command.channels) == (
            "expel",
            "7",
            ("private-campaign.5",),
        )


class TestAsking:
    """Who asks at the same time waits for one question."""

    async def test_one_question(self, memory: Site) -> None:
        memory.memberships.answering.clear()
        async with asyncio.TaskGroup() as tasks:
            asked = [tasks.create_task(memory.status()) for _ in range(20)]
            await memory.memberships.asked.wait()
            memory.memberships.answering.set()

        assert {task.result() for task in asked} == {403}
        assert memory.memberships.questions == 1

    async def test_away(self, memory: Site) -> None:
        """Nobody is let in, nor told that they may not be: 503, with a time to come back."""
        memory.memberships.is_away = True

        response = await memory.client.ask("private-campaign.5", "/pusher/auth?app_key=one")

        assert response.status == 503
        assert response.headers["Retry-After"] == "1"


class TestTopic:
    """A topic of the event log tells of memberships."""

    async def test_topic(self) -> None:
        """Records begin and end memberships; those that cannot be read are passed over."""
        events = MemoryEventLog()
        async with site(MemoryMemberships(), events=events, topic="members") as opened:
            await events.append(
                [
                    NewRecord("members", b"{}", b"nonsense"),
                    NewRecord("members", b"{}", b"1/7/campaign:5"),
                ]
            )
            await opened.becomes(200)

            await events.append([NewRecord("members", None, b"1/7/campaign:5")])
            await opened.becomes(403)


class TestSeveral:
    """Many channels in one request."""

    async def test_form_and_json(self, memory: Site) -> None:
        """Each channel is answered for itself, and the whole with 200."""
        await memory.write(hdrs.METH_PUT, {"user": "7", "group": "campaign:5"})
        names = ["private-campaign.5", "private-campaign.6", "bad name", "#server-to-user-7"]
        path = "/broadcasting/auth?app_key=one"
        headers = {"Authorization": f"Bearer {token()}"}
        form = [("socket_id", "1.2"), *(("channel_name[]", name) for name in names)]

        by_form = await fields(await memory.client.post(path, data=form, headers=headers))
        by_json = await fields(
            await memory.client.post(
                path, json={"socket_id": "1.2", "channels": names}, headers=headers
            )
        )

        granted, *refused = [by_json["channels"][name] for name in names]
        assert by_form["channels"].keys() == by_json["channels"].keys()
        assert [by_form["channels"][name] for name in names[1:]] == refused
        assert granted.keys() == {"auth"}
        assert [each["status"] for each in refused] == [403, 400, 403]
        assert refused[0] == {"error": "you may not join this channel", "status": 403}

    async def test_one_call(self, memory: Site) -> None:
        """Whether the user belongs to many groups is asked in one call."""
        names = [f"private-campaign.{number}" for number in range(100)]
        answer = await fields(
            await memory.client.post(
                "/pusher/auth?app_key=one",
                json={"socket_id": "1.2", "channels": names},
                headers={"Authorization": f"Bearer {token()}"},
            )
        )

        assert {each["status"] for each in answer["channels"].values()} == {403}
        assert [len(call) for call in memory.memberships.calls] == [100]

    async def test_away(self, memory: Site) -> None:
        """What cannot be told now is said of the channels that it concerns."""
        memory.memberships.is_away = True
        answer = await fields(
            await memory.client.post(
                "/pusher/auth?app_key=one",
                json={"socket_id": "1.2", "channels": ["private-campaign.5", "private-none"]},
                headers={"Authorization": f"Bearer {token()}"},
            )
        )

        statuses = {name: each["status"] for name, each in answer["channels"].items()}
        assert statuses == {"private-campaign.5": 503, "private-none": 403}
