"""Typing over real HTTP: what back ends say, who may ask, and what subscribers are told."""

import asyncio
import json
import time
from collections.abc import AsyncIterator

import aiohttp
import pytest

from libs.common.bus.messages import Typed
from libs.common.channels import Channel
from libs.common.typists.port import USUAL, Report
from tests.support.clients.back_ends import Answer, BackEnd, back_end
from tests.support.deadline import DEADLINE
from tests.support.services.presence import APP, OFF, ServedPresence, served_presence
from tests.support.tokens.channel_tokens import channel_token

CHAT, PUBLIC = Channel("1", "private-chat.7"), Channel("1", "chat")
LONG = 60.0


@pytest.fixture
async def here() -> AsyncIterator[ServedPresence]:
    async with served_presence(typing_ttl=LONG) as here:
        yield here


@pytest.fixture
async def backend() -> AsyncIterator[BackEnd]:
    async with back_end(APP) as backend:
        yield backend


def path(name: str = CHAT.name) -> str:
    return f"/presence/apps/1/channels/{name}/typing"


async def say(
    here: ServedPresence,
    backend: BackEnd,
    user_id: object,
    *,
    name: str = CHAT.name,
    **more: object,
) -> Answer:
    """Say of a user whether it types."""
    body = json.dumps({"user_id": user_id, **more}).encode()
    return await backend.post(here.url, path(name), body)


async def as_client(here: ServedPresence, method: str, *covered: str) -> Answer:
    """Ask as a page of another origin does, with a token that covers these channels."""
    bearer, _ = channel_token("7", *covered, now=time.time())
    headers = {"Authorization": f"Bearer {bearer}", "Origin": "https://www.example.org"}
    async with aiohttp.ClientSession() as http, asyncio.timeout(DEADLINE):
        while True:  # Until presence has heard all commands.
            async with http.request(method, here.url + path(), headers=headers) as response:
                if response.status != 503:
                    body = await response.json() if response.content_length else None
                    return Answer(response.status, response.headers, body)
            await asyncio.sleep(0.01)


class TestPost:
    """A back end says that a user types."""

    @pytest.mark.parametrize("channel", [CHAT, PUBLIC, Channel("1", "presence-room")])
    async def test_told(self, here: ServedPresence, backend: BackEnd, channel: Channel) -> None:
        """Subscribers of a channel of any kind are told, and that it has stopped."""
        heard: list[object] = []
        async with here.bus.listen() as listener:
            await listener.follow([channel])
            begun = await say(here, backend, "7", name=channel.name, typing=True)
            stopped = await say(here, backend, "7", name=channel.name, typing=False)
            async with asyncio.timeout(DEADLINE):
                while len(heard) < 2:
                    heard += await listener.receive(DEADLINE)

        assert (begun.status, begun.body) == (200, {"user_id": "7", "typing": True})
        assert begun.headers["Cache-Control"] == "no-store"
        assert (stopped.status, stopped.body) == (200, {"user_id": "7", "typing": False})
        assert heard == [Typed(channel, 1, ("7",)), Typed(channel, 0, ())]

    async def test_over(self, backend: BackEnd) -> None:
        """What is not said again is over by itself, and told by the sweep."""
        async with served_presence(typing_ttl=0.05) as here, here.bus.listen() as listener:
            await listener.follow([CHAT])
            await say(here, backend, "7")
            heard: list[object] = []
            async with asyncio.timeout(DEADLINE):
                while len(heard) < 2:
                    heard += await listener.receive(DEADLINE)

        assert heard == [Typed(CHAT, 1, ("7",)), Typed(CHAT, 0, ())]

    async def test_a_source_of_its_own(self, here: ServedPresence, backend: BackEnd) -> None:
        """What it says ends nothing that a gateway said."""
        await here.typists.report([Report(CHAT, "7", "g1", LONG)])
        await say(here, backend, "7")
        await say(here, backend, "7", typing=False)

        assert (await backend.get(here.url, path())).body["user_ids"] == ["7"]

    @pytest.mark.parametrize("name", ["private-encrypted-x", "%23server-to-user-7"])
    async def test_no_typing(self, here: ServedPresence, backend: BackEnd, name: str) -> None:
        """In channels whose subscribers could not be told, nobody types."""
        posted = await say(here, backend, "7", name=name)
        got = await backend.get(here.url, path(name))

        assert posted.status == got.status == 400
        assert "nobody types in this channel" in posted.body["error"]
        assert here.typists.reports == []

    async def test_switched_off(self, backend: BackEnd) -> None:
        async with served_presence(typing_ttl=0) as here:
            answers = await say(here, backend, "7"), await backend.get(here.url, path())

        assert {answer.status for answer in answers} == {400}
        assert "presence.typing_ttl" in answers[0].body["error"]

    @pytest.mark.parametrize(
        "user_id,name", [(7.5, CHAT.name), ("", CHAT.name), ("a\n", CHAT.name), ("7", "a!b")]
    )
    async def test_refused(
        self, here: ServedPresence, backend: BackEnd, user_id: object, name: str
    ) -> None:
        """Neither what is no user, nor in what is no channel."""
        assert (await say(here, backend, user_id, name=name)).status == 400
        assert here.typists.reports == []

    async def test_full(self, here: ServedPresence, backend: BackEnd) -> None:
        """Who is too many is told so; who types already goes on."""
        await here.typists.report(
            [Report(CHAT, f"u{number}", "", LONG) for number in range(USUAL.typists)]
        )

        late, early = await say(here, backend, "late"), await say(here, backend, "u0")

        assert (late.status, early.status) == (429, 200)
        assert late.headers["Retry-After"] == "1"
        assert "1000 users type" in late.body["error"]

    async def test_who_may(self, here: ServedPresence) -> None:
        """Back ends of the app alone: neither others nor who holds a token."""
        async with back_end(OFF) as stranger:
            foreign = await say(here, stranger, "7")
        client = await as_client(here, "POST", CHAT.name)

        assert (foreign.status, client.status) == (401, 401)
        assert here.typists.reports == []

    async def test_away(self, here: ServedPresence, backend: BackEnd) -> None:
        """While Redis is away it says so, and since when."""
        here.typists.is_away = True

        answers = await say(here, backend, "7"), await backend.get(here.url, path())

        assert {answer.status for answer in answers} == {503}
        assert all("since" in answer.body for answer in answers)
        assert "Retry-After" in answers[0].headers


class TestGet:
    """Who may ask is told who types."""

    async def test_nobody(self, here: ServedPresence, backend: BackEnd) -> None:
        """A channel that nobody is in, whether there ever was one or not, has no typists."""
        answer = await backend.get(here.url, path())

        assert (answer.status, answer.body) == (200, {"user_ids": [], "count": 0})

    async def test_several(self, here: ServedPresence, backend: BackEnd) -> None:
        """Of whatever source, each once, in the order of their ids."""
        await here.typists.report([Report(CHAT, user, "g1", LONG) for user in ("8", "7")])
        await say(here, backend, "7")

        assert (await backend.get(here.url, path())).body == {"user_ids": ["7", "8"], "count": 2}

    async def test_counted(self, here: ServedPresence, backend: BackEnd) -> None:
        """Of more than two hundred the number is told."""
        await here.typists.report([Report(CHAT, f"u{number}", "g1", LONG) for number in range(201)])

        assert (await backend.get(here.url, path())).body == {"count": 201}

    async def test_client(self, here: ServedPresence, backend: BackEnd) -> None:
        """So is who holds a token that covers the channel, on a page of another origin too."""
        await say(here, backend, "8")

        answer = await as_client(here, "GET", "private-chat.*")
        refused = await as_client(here, "GET", "private-other")
        before = await as_client(here, "OPTIONS")

        assert (answer.status, answer.body) == (200, {"user_ids": ["8"], "count": 1})
        assert refused.status == 403
        assert before.status == 204
        for each in (answer, refused, before):
            assert each.headers["Access-Control-Allow-Origin"] == "*"
