"""Presence over real HTTP: what back ends may ask about users, and what they are told."""

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any
from urllib.parse import quote

import aiohttp
import msgspec
import pytest

from libs.common.apps.limits import Limits
from libs.common.apps.memory import MemoryApps
from libs.common.config.secret import Secret
from libs.common.rfc3339 import instant
from libs.common.sightings.summary import Sighting, summarised
from tests.support.clients.back_ends import Answer, BackEnd, back_end, basic, signed
from tests.support.services.presence import APP, OFF, ServedPresence, served_presence

APP_PATH = "/presence/apps/1"
ONLINE = f"{APP_PATH}/online"
ODD = ["auth0|5f/7", "Ä ö", "a?b#c", "%41", "...", "did:web:x"]


@pytest.fixture
async def here() -> AsyncIterator[ServedPresence]:
    async with served_presence() as here:
        yield here


@pytest.fixture
async def backend() -> AsyncIterator[BackEnd]:
    async with back_end(APP) as backend:
        yield backend


async def seen(here: ServedPresence, user: str, at: float) -> None:
    """Let a user have been seen."""
    sighting = Sighting("1", user, at, is_online=False)
    await here.sightings.inner.note(list(summarised([sighting]).values()))


async def told(here: ServedPresence, backend: BackEnd, user: str) -> Any:
    answer = await backend.get(here.url, f"{APP_PATH}/users/{quote(user, safe=':')}")
    assert answer.status == 200, answer.body
    return answer.body


async def asked(here: ServedPresence, backend: BackEnd, users: Sequence[str]) -> Answer:
    """Ask about several users at once."""
    body = json.dumps({"users": users}).encode()
    return await backend.post(here.url, f"{APP_PATH}/users", body)


class TestOnline:
    """Who is online, in pages."""

    async def test_nobody(self, here: ServedPresence, backend: BackEnd) -> None:
        answer = await backend.get(here.url, ONLINE)

        assert (answer.status, answer.body) == (200, {"users": [], "cursor": None})
        assert answer.headers["Cache-Control"] == "no-store"

    async def test_pages(self, here: ServedPresence, backend: BackEnd) -> None:
        """All are named, each once, in order; users of other apps are not."""
        users = sorted([*(f"user-{number:02}" for number in range(7)), *ODD], key=str.encode)
        for user in users:
            await here.connect(user, "phone", "laptop")
        await here.connect("stranger", "phone", app="2")

        pages: list[list[str]] = []
        cursor = None
        while not pages or cursor:
            answer = await backend.get(here.url, ONLINE, limit="5", cursor=cursor)
            assert answer.status == 200
            pages.append(answer.body["users"])
            cursor = answer.body["cursor"]

        assert [len(page) for page in pages] == [5, 5, 3]
        assert [user for page in pages for user in page] == users

    async def test_prefix(self, here: ServedPresence, backend: BackEnd) -> None:
        for user in ("shop|1", "shop|2", "shop", "team|1"):
            await here.connect(user, "phone")

        answer = await backend.get(here.url, ONLINE, prefix="shop|")

        assert answer.body["users"] == ["shop|1", "shop|2"]

    @pytest.mark.parametrize(
        "query", [{"limit": "0"}, {"limit": "1001"}, {"prefix": "\x01"}, {"cursor": "x"}]
    )
    async def test_refused(
        self, here: ServedPresence, backend: BackEnd, query: dict[str, str]
    ) -> None:
        answer = await backend.get(here.url, ONLINE, **query)

        assert answer.status == 400
        assert next(iter(query)) in answer.body["error"]

    async def test_foreign_cursor(self, here: ServedPresence, backend: BackEnd) -> None:
        """A cursor of another query is refused, and is no way into another list."""
        for user in ("a1", "a2", "b1"):
            await here.connect(user, "phone")
        page = await backend.get(here.url, ONLINE, prefix="a", limit="1")

        answer = await backend.get(here.url, ONLINE, prefix="b", cursor=page.body["cursor"])

        assert answer.status == 400
        assert "cursor" in answer.body["error"]


class TestUser:
    """One user."""

    async def test_online(self, here: ServedPresence, backend: BackEnd) -> None:
        await here.connect("7", "phone", activity="away")
        await here.connect("7", "laptop", "laptop")

        answer = await told(here, backend, "7")

        assert answer["devices"] == [
            {"id": "laptop", "activity": "active"},
            {"id": "phone", "activity": "away"},
        ]
        assert (answer["online"], answer["connections"], answer["activity"]) == (True, 3, "active")
        assert instant(answer["online_since"]) <= instant(answer["last_seen"])

    async def test_offline(self, here: ServedPresence, backend: BackEnd) -> None:
        """Who has gone was last seen when they went."""
        seats = await here.connect("7", "phone")
        await here.roster.leave(seats, grace=0.0)
        await seen(here, "7", 1_764_000_000.0)

        answer = await told(here, backend, "7")

        assert not answer["online"]
        assert answer["last_seen"] == "2025-11-24T16:00:00.000Z"

    @pytest.mark.parametrize("user", ["nobody", *ODD])
    async def test_unknown(self, here: ServedPresence, backend: BackEnd, user: str) -> None:
        answer = await told(here, backend, user)

        assert answer["id"] == user
        assert not any(value for name, value in answer.items() if name != "id")

    @pytest.mark.parametrize("user", ["%00", "%0A", "x" * 129])
    async def test_no_id(self, here: ServedPresence, backend: BackEnd, user: str) -> None:
        answer = await backend.get(here.url, f"{APP_PATH}/users/{user}")

        assert answer.status == 400

    async def test_not_kept(self, backend: BackEnd) -> None:
        """Where it is not kept when users were last seen, it is not asked either."""
        async with served_presence(keep_last_seen=0) as here:
            here.sightings.is_away = True

            assert (await told(here, backend, "7"))["last_seen"] is None


class TestUsers:
    """Several at once."""

    async def test_some(self, here: ServedPresence, backend: BackEnd) -> None:
        await here.connect("7", "phone")
        await seen(here, "8", 1_764_000_000.0)

        answer = await asked(here, backend, ["9", "8", "7", "8"])

        users = answer.body["users"]
        assert [user["id"] for user in users] == ["9", "8", "7"]
        assert [user["online"] for user in users] == [False, False, True]
        assert [bool(user["last_seen"]) for user in users] == [False, True, True]

    async def test_most(self, here: ServedPresence, backend: BackEnd) -> None:
        users = [str(number) for number in range(1000)]
        await here.connect("999", "phone")

        answer = await asked(here, backend, users)
        too_many = await asked(here, backend, [*users, "1000"])

        assert [user["id"] for user in answer.body["users"]] == users
        assert [user["id"] for user in answer.body["users"] if user["online"]] == ["999"]
        assert too_many.status == 400

    async def test_dots(self, here: ServedPresence, backend: BackEnd) -> None:
        """What no path can name can be asked about so."""
        await here.connect("..", "phone")

        assert (await asked(here, backend, [".."])).body["users"][0]["online"]

    @pytest.mark.parametrize("body", [b"", b"[]", b'{"users": [""]}'])
    async def test_refused(self, here: ServedPresence, backend: BackEnd, body: bytes) -> None:
        answer = await backend.post(here.url, f"{APP_PATH}/users", body)

        assert answer.status == 400


class TestWhoAsks:
    """Back ends alone, each of its own app."""

    @pytest.mark.parametrize("path", [ONLINE, f"{APP_PATH}/users/7"])
    async def test_unsigned(self, here: ServedPresence, path: str) -> None:
        async with aiohttp.ClientSession() as http:
            for headers in ({}, {"Authorization": "Bearer x"}):
                async with http.get(here.url + path, headers=headers) as response:
                    assert response.status == 401

    async def test_other_app(self, here: ServedPresence) -> None:
        async with back_end(OFF) as backend:
            assert (await backend.get(here.url, ONLINE)).status == 401
            assert (await backend.get(here.url, "/presence/apps/2/online")).status == 403

    @pytest.mark.parametrize(
        "header,words",
        [
            (basic(APP.key, "wrong"), "the secret is not the app's"),
            (basic("nobody", "app-secret"), "no app here has the key"),
            ("Basic x", "sign the request, or send Authorization"),
        ],
    )
    async def test_why(self, here: ServedPresence, header: str, words: str) -> None:
        """A wrong secret, an unknown key and no credentials are told apart, as everywhere."""
        sent = {"Authorization": header}
        async with (
            aiohttp.ClientSession() as http,
            http.get(here.url + ONLINE, headers=sent) as response,
        ):
            assert words in (await response.json())["error"]

    async def test_named(self) -> None:
        """Who does not sign may name the key and the secret; of another app they are no good."""
        asked = {
            basic(APP.key, "app-secret"): 200,
            basic(APP.key, "wrong"): 401,
            basic(OFF.key, "off-secret"): 403,
            basic("key-3", "secret-3"): 401,
            "Basic x": 401,
        }
        third = msgspec.structs.replace(APP, id="3", key="key-3", secrets=(Secret("secret-3"),))
        async with (
            served_presence(MemoryApps([APP, OFF, third])) as here,
            aiohttp.ClientSession() as http,
        ):
            for header, status in asked.items():
                sent = {"Authorization": header}
                async with http.get(here.url + ONLINE, headers=sent) as response:
                    assert (header, response.status) == (header, status)
            sent = {"Authorization": basic(APP.key, "app-secret")}
            body = b'{"users": ["7"]}'
            url = f"{here.url}{APP_PATH}/users"
            async with http.post(url, headers=sent, data=body) as response:
                assert response.status == 200

    async def test_another_path(self, here: ServedPresence, backend: BackEnd) -> None:
        """A signature for a path of the Pusher API is none for a path of ours."""
        query = signed(APP, "/apps/1/online", b"", "GET", body_md5=None)
        async with aiohttp.ClientSession() as http, http.get(f"{here.url}{ONLINE}?{query}") as sent:
            assert sent.status == 401
        assert (await backend.get(here.url, "/apps/1/online")).status == 404

    @pytest.mark.parametrize("prefix", ["/ws", "/", "/some/where"])
    async def test_prefix(self, here: ServedPresence, backend: BackEnd, prefix: str) -> None:
        """Any prefix may stand before it, and be signed or not."""
        signed_with = await backend.get(here.url, prefix + ONLINE)
        query = signed(APP, ONLINE, b"", "GET", body_md5=None)
        async with (
            aiohttp.ClientSession() as http,
            http.get(f"{here.url}{prefix}{ONLINE}?{query}") as sent,
        ):
            assert (signed_with.status, sent.status) == (200, 200)

    async def test_changed_body(self, here: ServedPresence) -> None:
        query = signed(APP, f"{APP_PATH}/users", b'{"users": ["7"]}')
        async with (
            aiohttp.ClientSession() as http,
            http.post(f"{here.url}{APP_PATH}/users?{query}", data=b'{"users": ["8"]}') as sent,
        ):
            assert sent.status == 401

    async def test_rate(self, backend: BackEnd) -> None:
        """What an app asks here counts with what it asks of the Pusher API."""
        slow = msgspec.structs.replace(APP, limits=Limits(reads=1))
        async with served_presence(MemoryApps([slow])) as here:
            answers = [await backend.get(here.url, ONLINE) for _ in range(2)]

        assert [answer.status for answer in answers] == [200, 429]
        assert int(answers[1].headers["Retry-After"]) >= 1


class TestAway:
    """What cannot be known is not guessed."""

    @pytest.mark.parametrize("path", [ONLINE, f"{APP_PATH}/users/7"])
    async def test_roster(self, here: ServedPresence, backend: BackEnd, path: str) -> None:
        """It is said since when, and when to come again."""
        await here.connect("7", "phone")
        here.roster.is_away = True
        answers = [await backend.get(here.url, path) for _ in range(2)]
        here.roster.is_away = False

        for answer in answers:
            assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
            assert answer.body["error"] == "the roster backend is unavailable"
            assert answer.body["since"] == answers[0].body["since"]
        assert (await backend.get(here.url, path)).status == 200

    async def test_sightings(self, here: ServedPresence, backend: BackEnd) -> None:
        """Who is online is known without them."""
        await here.connect("7", "phone")
        here.sightings.is_away = True

        online = await asked(here, backend, ["7"])
        offline = await asked(here, backend, ["7", "8"])

        assert (online.status, online.body["users"][0]["online"]) == (200, True)
        assert (offline.status, "since" in offline.body) == (503, True)
        assert "sightings" in offline.body["error"]
