"""JSONP, as pusher-js has it: a script that calls the page with the answer."""

from collections.abc import AsyncIterator

import aiohttp
import msgspec
import pytest

from libs.common.apps.signatures import check_grant, check_token, user_text
from services.auth.settings import AuthSettings
from tests.support.services.auth import ISSUERS, SITE, TWO, Client, serving
from tests.support.tokens.user_tokens import token

CALLBACK = "Pusher.auth_callbacks['1']"
PAGE = {"Referer": f"{SITE}/chat"}
COOKIE = "session"


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    """Auth for an app whose pages bring a cookie."""
    settings = AuthSettings(issuers=ISSUERS, cookie=COOKIE)
    async with serving(TWO, settings=settings) as (client, _):
        yield client


async def asked(
    client: Client,
    path: str = "/pusher/auth",
    *,
    callback: str = CALLBACK,
    channel: str = "private-two",
    headers: dict[str, str] | None = None,
) -> tuple[aiohttp.ClientResponse, str]:
    """Ask as a script element of a page does."""
    params = {"callback": callback, "socket_id": "1.2", "channel_name": channel}
    sent = {"Cookie": f"{COOKIE}={token()}", **(PAGE if headers is None else headers)}
    async with aiohttp.request("GET", client.base + path, params=params, headers=sent) as got:
        return got, await got.text()


class TestScript:
    """The answer is a script."""

    async def test_channel(self, client: Client) -> None:
        response, text = await asked(client)

        assert response.status == 200
        assert response.content_type == "text/javascript"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Cache-Control"] == "no-store"
        assert text.startswith(f"{CALLBACK}(")
        answer = msgspec.json.decode(text.removeprefix(f"{CALLBACK}(").removesuffix(");"))
        assert answer.keys() == {"auth"}
        check_grant(TWO, answer["auth"], "1.2", channel="private-two")

    @pytest.mark.parametrize("name", ["User-Agent", "Accept", "X-City"])
    async def test_no_unicode(self, client: Client, name: str) -> None:
        """Headers may have other bytes than UTF-8 (RFC 9110, 5.5): proxies write Latin-1."""
        latin = "São Paulo".encode("latin-1").decode(errors="surrogateescape")

        response, _ = await asked(client, headers=PAGE | {name: latin})

        assert response.status == 200

    async def test_user(self, client: Client) -> None:
        """The twin that signs a user in."""
        _, text = await asked(client, "/broadcasting/user-auth", callback="done")

        answer = msgspec.json.decode(text.removeprefix("done(").removesuffix(");"))
        check_token(TWO, answer["auth"], user_text("1.2", answer["user_data"]))


class TestRefused:
    """What is refused is no script."""

    @pytest.mark.parametrize("callback", ["alert(1)", "", "a;b", "a['x']"])
    async def test_callback(self, client: Client, callback: str) -> None:
        response, _ = await asked(client, callback=callback)

        assert response.status == 400
        assert response.content_type == "application/json"

    async def test_channel(self, client: Client) -> None:
        response, _ = await asked(client, channel="private-other")

        assert response.status == 403
        assert response.content_type == "application/json"

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"Sec-Fetch-Site": "same-origin"},
            {"Origin": "null", **PAGE},
            *(
                {"Referer": page}
                for page in (
                    *("https://evil.example/", f"https://evil.example/?{SITE}/", "about:blank"),
                    *(f"{SITE}.evil.example/", f"{SITE}@evil.example/", f"{SITE}:8443/", "null"),
                    *("https://ann@www.example.org/", "http://www.example.org/", f"{SITE}./"),
                )
            ),
        ],
    )
    async def test_other_pages(self, client: Client, headers: dict[str, str]) -> None:
        """A page that is not the app's cannot have a script made of its visitor's cookie."""
        response, _ = await asked(client, headers=headers)

        assert response.status == 403

    async def test_nobody(self, client: Client) -> None:
        response, _ = await asked(client, headers=PAGE | {"Cookie": ""})

        assert response.status == 401

    async def test_without_callback(self, client: Client) -> None:
        """Scripts aside, the endpoint is posted to."""
        async with aiohttp.request("GET", f"{client.base}/pusher/auth?socket_id=1.2") as response:
            assert response.status == 405
            assert response.headers["Allow"] == "OPTIONS,POST"
