"""Presence over real HTTP: who may ask about a channel, and what pages of other origins see."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import msgspec
import pytest

from libs.common.apps.limits import Limits
from libs.common.apps.memory import MemoryApps
from libs.common.control.commands import Command
from libs.common.policies.selections import ReceiptRule
from libs.common.rfc3339 import instant
from tests.support.clients.back_ends import Answer, BackEnd, back_end
from tests.support.clients.token_calls import FaultyControl
from tests.support.deadline import DEADLINE
from tests.support.services.presence import APP, ServedPresence, served_presence
from tests.support.tokens.channel_tokens import channel_token

ROOM = "presence-room"
SITE = "https://www.example.org"
EMPTY = {"members": [], "count": 0, "connections": 0, "occupied_since": None}


@pytest.fixture
async def here() -> AsyncIterator[ServedPresence]:
    async with served_presence() as here:
        await here.join(ROOM, ann={"name": "Ann"}, ben=None)
        await informed(here)
        yield here


@pytest.fixture
async def backend() -> AsyncIterator[BackEnd]:
    async with back_end(APP) as backend:
        yield backend


def path(channel: str, app: str = "1") -> str:
    return f"/presence/apps/{app}/channels/{channel}/members"


async def ask(here: ServedPresence, where: str, *, method: str = "GET", **headers: str) -> Answer:
    """Ask as a client does, with headers."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    async with (
        aiohttp.ClientSession() as http,
        http.request(method, here.url + where, headers=sent) as response,
    ):
        body = await response.json() if response.content_length else None
        return Answer(response.status, response.headers, body)


def bearer(*channels: str, **more: Any) -> str:
    """Compose a header of ``Authorization`` with a channel token."""
    more = {"now": time.time(), **more}
    return f"Bearer {channel_token('ann', *channels, **more)[0]}"


async def becomes(question: Callable[[], Awaitable[Answer]], status: int) -> Answer:
    """Ask until the answer has a status."""
    async with asyncio.timeout(DEADLINE):
        while (answer := await question()).status != status:
            await asyncio.sleep(0.01)
    return answer


async def informed(here: ServedPresence) -> None:
    """Wait until presence has heard all commands."""
    await becomes(lambda: ask(here, path(ROOM), Authorization=bearer(ROOM)), 200)


class TestBackEnd:
    """A back end asks, with its app's signature."""

    async def test_members(self, here: ServedPresence, backend: BackEnd) -> None:
        answer = await backend.get(here.url, path(ROOM))

        assert answer.status == 200
        assert answer.body["members"] == [
            {"id": "ann", "user_info": {"name": "Ann"}},
            {"id": "ben", "user_info": None},
        ]
        assert (answer.body["count"], answer.body["connections"]) == (2, 2)
        assert abs(instant(answer.body["occupied_since"]) - time.time()) < DEADLINE

    async def test_unknown(self, here: ServedPresence, backend: BackEnd) -> None:
        answer = await backend.get(here.url, path("presence-nowhere"))

        assert (answer.status, answer.body) == (200, EMPTY)

    @pytest.mark.parametrize(
        "channel", ["private-room", "room", "%23server-to-user-7", "presence-a%20b"]
    )
    async def test_no_members(self, here: ServedPresence, backend: BackEnd, channel: str) -> None:
        assert (await backend.get(here.url, path(channel))).status == 400

    async def test_users_channel(self, here: ServedPresence, backend: BackEnd) -> None:
        """The channel in which a user is online is nobody's to name."""
        await here.connect("7", "phone")

        assert (await backend.get(here.url, path("%23online-7"))).status == 400


class TestToken:
    """A client asks, with a channel token."""

    @pytest.mark.parametrize("covered", [ROOM, "presence-*", "*"])
    async def test_covered(self, here: ServedPresence, covered: str) -> None:
        answer = await ask(here, path(ROOM), Authorization=bearer("private-x", covered))

        assert (answer.status, answer.body["count"]) == (200, 2)
        assert answer.headers["Cache-Control"] == "no-store"

    async def test_scheme(self, here: ServedPresence) -> None:
        """RFC 9110, 11.1: schemes have no case."""
        header = bearer(ROOM).replace("Bearer ", "bearer  ")

        assert (await ask(here, path(ROOM), Authorization=header)).status == 200

    async def test_not_covered(self, here: ServedPresence) -> None:
        """Whether the channel is there is not told."""
        answers = [
            await ask(here, path(channel), Authorization=bearer("presence-other", "private-*"))
            for channel in (ROOM, "presence-nowhere", "private", "presence-a%20b")
        ]

        assert {answer.status for answer in answers} == {403}
        assert len({answer.body["error"] for answer in answers}) == 1

    @pytest.mark.parametrize(
        "more", [{"now": time.time() - 9000, "ttl": 60.0}, {"app": "2"}], ids=["stale", "other"]
    )
    async def test_bad(self, here: ServedPresence, more: dict[str, Any]) -> None:
        answer = await ask(here, path(ROOM), Authorization=bearer(ROOM, **more))

        assert answer.status == 401
        assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]

    @pytest.mark.parametrize("header", ["Bearer", "Bearer x", "Bearer a.b.c", "Basic eDp5"])
    async def test_no_token(self, here: ServedPresence, header: str) -> None:
        """The answer names the scheme in which the right credentials would be sent."""
        answer = await ask(here, path(ROOM), Authorization=header)

        assert answer.status == 401
        scheme = header.partition(" ")[0]
        assert answer.headers["WWW-Authenticate"].startswith(f'{scheme} realm="fanfare"')

    @pytest.mark.parametrize("kind", ["user", "jti"])
    async def test_revoked(self, here: ServedPresence, kind: str) -> None:
        now = time.time()
        text, token = channel_token("ann", ROOM, now=now)
        subject = token.jti if kind == "jti" else "ann"
        await here.control.send(Command("revoke", "1", subject, now, now + 60, kind))

        answer = await becomes(lambda: ask(here, path(ROOM), Authorization=f"Bearer {text}"), 401)

        assert "revoked" in answer.body["error"]

    async def test_taken_out(self, here: ServedPresence) -> None:
        """Who was taken out of the channel needs a new token, and may ask about others."""
        now = time.time()
        held = bearer("*", now=now)
        await here.control.send(
            Command("expel", "1", "ann", now, now + 60, channels=("presence-r*",))
        )

        await becomes(lambda: ask(here, path(ROOM), Authorization=held), 403)

        assert (await ask(here, path("presence-x"), Authorization=held)).status == 200

    async def test_not_informed(self) -> None:
        """Before all commands were heard no token is taken: it may be revoked."""
        control = FaultyControl()
        control.is_away = True
        async with served_presence(control=control) as here:
            answer = await ask(here, path(ROOM), Authorization=bearer(ROOM))

            assert (answer.status, answer.headers["Retry-After"]) == (503, "1")

    async def test_users(self, here: ServedPresence) -> None:
        """About users it may not ask."""
        answer = await ask(here, "/presence/apps/1/users/ann", Authorization=bearer("*"))

        assert answer.status == 401

    async def test_unknown_app(self, here: ServedPresence) -> None:
        answer = await ask(here, path(ROOM, "9"), Authorization=bearer(ROOM, app="9"))

        assert answer.status == 401

    async def test_odd_path(self, here: ServedPresence) -> None:
        """What proxies may read otherwise is not found."""
        where = path(ROOM).replace("/presence/", "/presence/apps/1/x/presence/")

        assert (await ask(here, where, Authorization=bearer(ROOM))).status == 404


class TestPages:
    """Pages of other origins (CORS)."""

    async def test_open(self, here: ServedPresence) -> None:
        """An app without a list lets in every page, which may read refusals too."""
        for header in (bearer(ROOM), bearer("presence-x"), "Bearer x"):
            answer = await ask(here, path(ROOM), Authorization=header, Origin=SITE)
            assert answer.headers["Access-Control-Allow-Origin"] == "*"

    async def test_asked_before(self, here: ServedPresence) -> None:
        answer = await ask(
            here,
            path(ROOM),
            method="OPTIONS",
            Origin=SITE,
            Access_Control_Request_Headers="authorization",
        )

        assert answer.status == 204
        assert answer.headers["Access-Control-Allow-Methods"] == "GET"
        assert answer.headers["Access-Control-Allow-Headers"] == "authorization"

    async def test_listed(self) -> None:
        """An app with a list lets in the pages of that."""
        app = msgspec.structs.replace(APP, allowed_origins=(SITE,))
        async with served_presence(MemoryApps([app])) as here:
            ours, theirs = [
                await ask(here, path(ROOM), method="OPTIONS", Origin=origin)
                for origin in (SITE, "https://evil.example")
            ]

        assert ours.headers["Access-Control-Allow-Origin"] == SITE
        assert "Access-Control-Allow-Methods" in ours.headers
        assert "Access-Control-Allow-Origin" not in theirs.headers

    async def test_unknown_app(self, here: ServedPresence) -> None:
        answer = await ask(here, path(ROOM, "9"), method="OPTIONS", Origin=SITE)

        assert "Access-Control-Allow-Origin" not in answer.headers


class TestAway:
    """The roster is away."""

    async def test_since(self, here: ServedPresence, backend: BackEnd) -> None:
        here.roster.is_away = True

        answer = await backend.get(here.url, path(ROOM))

        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
        assert instant(answer.body["since"]) <= time.time() + 0.001  # It is rounded to that.


class TestRates:
    """What back ends say is kept, so each kind has a rate of its own."""

    @pytest.mark.parametrize("act, path", [("typing", "typing"), ("marks", "read")])
    async def test_told(self, backend: BackEnd, act: str, path: str) -> None:
        body = b'{"user_id": "7", "upto": 1}'
        where = f"/presence/apps/1/channels/private-chat.7/{path}"
        other = {"typing": "read", "read": "typing"}[path]
        app = msgspec.structs.replace(APP, limits=Limits(**{act: 1}))
        receipts = [ReceiptRule(app="1", pattern="private-chat.{id}")]
        async with served_presence(MemoryApps([app]), receipts=receipts) as here:
            answers = [await backend.post(here.url, where, body) for _ in range(2)]
            others = await backend.post(here.url, where.replace(path, other), body)

        assert [answer.status for answer in (*answers, others)] == [200, 429, 200]
        assert answers[1].headers["Retry-After"] == "1"
        assert f"limits.{act}" in answers[1].body["error"]
