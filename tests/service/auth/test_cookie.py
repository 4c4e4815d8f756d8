"""The auth service over real HTTP: users whom a cookie names, and pages that may not use it."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import ClientResponse, FormData
from msgspec import structs
from multidict import CIMultiDict

from libs.common.config.secret import Secret
from services.auth.settings import AuthSettings, Introspection, Issuer
from tests.support.fakes.identity_server import Asked, IdentityServer, Said, identity_server
from tests.support.services.auth import ISSUERS, ONE, SITE, TWO, Client, fields, reason, serving
from tests.support.tokens.user_tokens import AUDIENCE, SECRET, token

COOKIE = "laravel_session"
LISTED = structs.replace(ONE, allowed_origins=(SITE,))
SETTINGS = AuthSettings(issuers=ISSUERS, cookie=COOKIE)
ROOM = {"socket_id": "1.2", "channel_name": "presence-room"}
JWT = token(name="Ann")
EVIL = "https://evil.net"


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    """Auth for an app that lists a site, and believes a cookie."""
    async with serving(LISTED, settings=SETTINGS) as (client, _):
        yield client


async def post(
    client: Client, value: str = JWT, path: str = "/broadcasting/auth", **headers: str
) -> ClientResponse:
    """Post as a browser does that has the cookie."""
    sent = {"Cookie": f"theme=dark; {COOKIE}={value}"} | headers
    return await client.post(path, data=ROOM, headers=sent)


async def scripted(client: Client, **headers: str) -> ClientResponse:
    """Ask as a script element of a page does, and read the answer whole."""
    params = {"callback": "done", **ROOM}
    sent = {"Cookie": f"{COOKIE}={JWT}"} | headers
    async with aiohttp.request(
        "GET", f"{client.base}/pusher/auth", params=params, headers=sent
    ) as got:
        assert "auth" not in await got.json()
        return got


class TestPages:
    """A cookie counts from pages of ``allowed_origins``."""

    async def test_granted(self, client: Client) -> None:
        """The page may read the answer, under its own name."""
        response = await post(client, Origin=SITE)

        member = msgspec.json.decode((await fields(response))["channel_data"])
        assert (member["user_id"], member["user_info"]) == ("7", {"name": "Ann"})
        assert response.headers["Access-Control-Allow-Origin"] == SITE
        assert response.headers["Access-Control-Allow-Credentials"] == "true"
        assert response.headers["Vary"] == "Origin"

    @pytest.mark.parametrize(
        "origin",
        [
            *(EVIL, "null", f"{SITE}.evil.net", "http://www.example.org", SITE.upper(), f"{SITE}."),
            *(f"{SITE}:443", f"{SITE}/", "https://ann@www.example.org", f"{SITE}, {SITE}", ""),
        ],
    )
    async def test_foreign(self, client: Client, origin: str) -> None:
        """Another page gets nothing, and cannot read why."""
        response = await post(client, Origin=origin)

        assert response.status == 403
        assert "auth" not in (await response.json())
        assert "Access-Control-Allow-Origin" not in response.headers
        assert "Access-Control-Allow-Credentials" not in response.headers

    async def test_no_origin(self, client: Client) -> None:
        response = await post(client)

        assert response.status == 403
        assert "allowed_origins" in await reason(response)

    @pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/plain", ""])
    async def test_forged_form(self, client: Client, kind: str) -> None:
        """A form that a foreign page has a browser post, which asks nobody before, is refused."""
        headers = {"Cookie": f"{COOKIE}={JWT}", "Origin": EVIL, "Referer": SITE}
        form = b"socket_id=1.2&channel_name=presence-room"

        response = await client.post(data=form, headers=headers | {"Content-Type": kind})

        assert response.status == 403

    async def test_forged_multipart(self, client: Client) -> None:
        headers = {"Cookie": f"{COOKIE}={JWT}", "Origin": EVIL}

        response = await client.post(
            data=FormData(ROOM, default_to_multipart=True), headers=headers
        )

        assert response.status == 403

    @pytest.mark.parametrize("origins", [("*",), ("null",), ("*", "null"), ("file://",)])
    @pytest.mark.parametrize("origin", [SITE, EVIL, "null", "file://", "*"])
    async def test_anybodys(self, origins: tuple[str, ...], origin: str) -> None:
        """An app that is open to anybody's pages names none of them: not by POST, sign-in or JSONP."""
        open_to_all = structs.replace(ONE, allowed_origins=origins)
        async with serving(open_to_all, settings=SETTINGS) as (client, _):
            answers = [
                await post(client, path=path, Origin=origin)
                for path in ("/broadcasting/auth", "/api/pusher/user-auth")
            ]
            script = await scripted(client, Origin=origin)
            asked = await client.preflight("/broadcasting/auth", Origin=origin)

        assert {answer.status for answer in (*answers, script)} == {403}
        for answer in (*answers, script, asked):
            assert "Access-Control-Allow-Credentials" not in answer.headers

    async def test_named_among_all(self) -> None:
        """A page that is named counts, and may read the answer; another may ask without the cookie."""
        app = structs.replace(ONE, allowed_origins=("*", SITE))
        async with serving(app, settings=SETTINGS) as (client, _):
            named = await post(client, Origin=SITE)
            other = await post(client, Origin=EVIL)
            bearer = await client.ask("presence-room", Origin=EVIL)

        assert (named.status, other.status, bearer.status) == (200, 403, 200)
        assert named.headers["Access-Control-Allow-Origin"] == SITE
        assert named.headers["Access-Control-Allow-Credentials"] == "true"
        assert other.headers["Access-Control-Allow-Origin"] == "*"

    async def test_two_origins(self, client: Client) -> None:
        """Who tells two origins tells none."""
        headers = [("Cookie", f"{COOKIE}={JWT}"), ("Origin", SITE), ("Origin", EVIL)]
        responses = [
            await client.post(data=ROOM, headers=CIMultiDict(told))
            for told in (headers, headers[::-1], [*headers[:2], headers[1]])
        ]

        assert [response.status for response in responses] == [403, 403, 403]

    async def test_two_cookies(self, client: Client) -> None:
        """Of two cookies of that name nobody knows which is the user's."""
        response = await post(client, f"{JWT}; {COOKIE}={token(sub='8')}", Origin=SITE)

        assert response.status == 401
        assert "several values" in await reason(response)

    async def test_no_list(self) -> None:
        """An app that lists no origins lets all pages ask, and none with a cookie."""
        async with serving(ONE, settings=SETTINGS) as (client, _):
            response = await post(client, Origin=SITE)
            header = await client.ask("presence-room", Origin=SITE)

        assert (response.status, header.status) == (403, 200)
        for answer in (response, header):
            assert answer.headers["Access-Control-Allow-Origin"] == "*"
            assert "Access-Control-Allow-Credentials" not in answer.headers

    async def test_off(self) -> None:
        """Unless the settings name one no cookie is read, and no page may send any."""
        async with serving(LISTED) as (client, _):
            response = await post(client, Origin=SITE)

        assert response.status == 401
        assert "Access-Control-Allow-Credentials" not in response.headers

    async def test_no_cookie(self, client: Client) -> None:
        response = await client.post(data=ROOM, headers={"Origin": SITE, "Cookie": "theme=dark"})

        assert response.status == 401
        assert response.headers["WWW-Authenticate"] == 'Bearer realm="fanfare"'

    async def test_bad_token(self, client: Client) -> None:
        response = await post(client, token(key="x" * 40), Origin=SITE)

        assert response.status == 401
        assert "signature" in await reason(response)

    async def test_header_first(self, client: Client) -> None:
        """A bearer token counts before the cookie; it does not come by itself, so no page is asked for."""
        response = await post(client, token(sub="8"), Authorization=f"Bearer {JWT}")

        assert msgspec.json.decode((await fields(response))["channel_data"])["user_id"] == "7"

    async def test_preflight(self, client: Client) -> None:
        """Fetch: with credentials nothing may be answered with a star."""
        asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-a"}

        allowed = await client.preflight("/broadcasting/auth", Origin=SITE, **asked)
        refused = await client.preflight("/broadcasting/auth", Origin=EVIL, **asked)

        assert allowed.headers["Access-Control-Allow-Origin"] == SITE
        assert allowed.headers["Access-Control-Allow-Credentials"] == "true"
        assert "*" not in allowed.headers.values()
        assert "Access-Control-Allow-Credentials" not in refused.headers


class TestApps:
    """The page must be of the app that is used, whichever way that is found."""

    async def test_of_another_app(self) -> None:
        """A page of one app does not use a cookie for another, however it names that."""
        bound = Issuer(issuer="bound", audience=AUDIENCE, secret=Secret(SECRET), app="1")
        one = structs.replace(ONE, allowed_origins=("https://one.example.org",))
        settings = AuthSettings(issuers=(*ISSUERS, bound), cookie=COOKIE)
        async with serving(one, TWO, settings=settings) as (client, _):
            named = await post(client, path="/broadcasting/auth?app_key=one", Origin=SITE)
            by_issuer = await post(client, token(iss="bound"), Origin=SITE)
            own = await post(client, token(iss="bound"), Origin="https://one.example.org")

        assert (named.status, by_issuer.status, own.status) == (403, 403, 200)


class TestSessions:
    """With ``whoami`` the cookie is passed on: sessions of an application."""

    @pytest.fixture
    async def server(self) -> AsyncIterator[IdentityServer]:
        """An application that knows one session, of its own pages."""

        def says(asked: Asked) -> Said:
            known = asked.headers.get("Cookie") == f"{COOKIE}=eyJpdiI%3D"
            if known and asked.headers.get("Origin") == SITE:
                return Said(b'{"data":{"id":7,"name":"Ann"}}')
            return Said(b'{"message":"Unauthenticated."}', 401)

        async with identity_server() as server:
            server.says = says
            yield server

    def settings(self, server: IdentityServer, **others: Any) -> AuthSettings:
        spec = {"url": f"{server.url}/api/user", "app": "1", "mode": "whoami"}
        asked = msgspec.convert(spec | {"user_id": "data.id"} | others, Introspection)
        return structs.replace(SETTINGS, introspection=(asked,))

    async def test_passed_on(self, server: IdentityServer) -> None:
        """The named cookie alone, as it came, with the page's origin."""
        async with serving(LISTED, settings=self.settings(server)) as (client, _):
            response = await post(client, "eyJpdiI%3D", Origin=SITE)
            other = await post(client, "eyJpdiI%3D2", Origin=SITE)

        assert msgspec.json.decode((await fields(response))["channel_data"])["user_id"] == "7"
        assert other.status == 401
        assert "Authorization" not in server.asked[0].headers

    @pytest.mark.parametrize("headers", [{}, {"Origin": EVIL}])
    async def test_foreign(self, server: IdentityServer, headers: dict[str, str]) -> None:
        """For a foreign page nobody is asked, so nothing happens in the user's name."""
        async with serving(LISTED, settings=self.settings(server)) as (client, _):
            response = await post(client, "eyJpdiI%3D", **headers)

        assert response.status == 403
        assert not server.asked

    async def test_not_as_bearer(self, server: IdentityServer) -> None:
        """What is remembered of a cookie is not believed of a bearer token, which needs no page."""
        async with serving(LISTED, settings=self.settings(server)) as (client, _):
            await fields(await post(client, "eyJpdiI%3D", Origin=SITE))
            response = await client.ask("presence-room", bearer="eyJpdiI%3D")

        assert response.status == 401
