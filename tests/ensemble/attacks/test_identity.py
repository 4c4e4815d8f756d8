"""
The program under attack by tokens that are made up, and by pages that ride on their visitors' cookies.

The identity server is the test's own: it counts what it is asked.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import aiohttp
import msgspec
import pytest

from tests.support.deployments.commands import command
from tests.support.deployments.fleet import PLAIN
from tests.support.deployments.siege import besieged
from tests.support.fakes.identity_server import Asked, IdentityServer, Said, identity_server
from tests.support.tokens.user_tokens import token

RULES = """
[[channels]]
pattern = "private-news"
allow = "true"

[[auth.introspection]]
url = "{url}/ask"
cache = 0
"""
ISSUER = """
[[channels]]
pattern = "private-news"
allow = "true"

[[auth.issuers]]
issuer = "fanfare-dev"
audience = "fanfare"
secret = "fanfare-development-secret-0123456789"
"""
FLOOD = "203.0.113.66"
BURST, MADE_UP, USERS = 60, 300, 30
COOKIE = "session"
SITE = "https://www.example.org"


@pytest.fixture
async def server() -> AsyncIterator[IdentityServer]:
    """An identity server that believes users, and may be slow to say no."""
    async with identity_server() as server:
        server.says = says
        server.holds = is_made_up
        yield server


def is_made_up(asked: Asked) -> bool:
    return asked.form["token"].startswith("made-up")


def says(asked: Asked) -> Said:
    user = {"active": not is_made_up(asked), "sub": asked.form["token"]}
    return Said(msgspec.json.encode(user))


class Browsers:
    """Many who ask auth, through a proxy that tells their addresses."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http = http
        self._url = url

    async def ask(self, bearer: str, address: str) -> tuple[int, str]:
        """Ask for a channel; return the status, and when to come back."""
        headers = {"Authorization": f"Bearer {bearer}", "X-Forwarded-For": address}
        return await self.post(headers)

    async def post(self, headers: dict[str, str], path: str = "/pusher/auth") -> tuple[int, str]:
        form = {"socket_id": "1.2", "channel_name": "private-news"}
        async with self._http.post(self._url + path, data=form, headers=headers) as response:
            await response.read()
            return response.status, response.headers.get("Retry-After", "")

    async def users(self, tokens: Iterable[str]) -> Counter[int]:
        """Ask for users, each from an address of its own; return how often each status came."""
        asked = [self.ask(each, f"198.51.100.{number}") for number, each in enumerate(tokens)]
        return Counter(status for status, _ in await asyncio.gather(*asked))

    async def script(self, headers: dict[str, str]) -> tuple[int, str]:
        """Ask as a script element does; return the status, and what comes."""
        params = {"callback": "f", "socket_id": "1.2", "channel_name": "private-news"}
        async with self._http.get(
            f"{self._url}/pusher/auth", params=params, headers=headers
        ) as response:
            return response.status, await response.text()


class TestMadeUpTokens:
    """One address brings tokens that it makes up, as many as it can."""

    async def test_others(self, tmp_path: Path, server: IdentityServer) -> None:
        """
        Others are let in meanwhile, with tokens that are known and not; the identity server hears no more than the burst.
        """
        known, new = ([f"{kind}-{number}" for number in range(USERS)] for kind in ("old", "new"))
        async with (
            besieged(
                tmp_path,
                rules=RULES.format(url=server.url),
                FANFARE_SERVER_TRUSTED_PROXIES="127.0.0.1",
                FANFARE_AUTH_UNKNOWN_TOKENS="0.1",
                FANFARE_AUTH_UNKNOWN_TOKENS_BURST=str(BURST),
            ) as siege,
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http,
        ):
            browsers = Browsers(http, siege.program.url)
            assert await browsers.users(known) == {200: USERS}

            server.hang()
            flood = [
                asyncio.ensure_future(browsers.ask(f"made-up-{number}", FLOOD))
                for number in range(MADE_UP)
            ]
            await server.heard(USERS + 20)
            assert await browsers.users([*known, *new]) == {200: 2 * USERS}
            await siege.ping()
            server.go_on()
            answers = await asyncio.gather(*flood)

            # By POST a user who shares the address and was there before comes in all the same.
            assert await browsers.ask(known[0], FLOOD) == (200, "")
            limited = await siege.number("fanfare_rate_limited")

        statuses = Counter(status for status, _ in answers)
        assert set(statuses) <= {401, 429, 503}
        assert statuses[429] >= MADE_UP - BURST - 2
        assert limited == statuses[429]
        assert all(after for status, after in answers if status == 429)
        assert len(list(filter(is_made_up, server.asked))) <= BURST + 2


class TestCookies:
    """A page that is not named has its visitor's browser ask."""

    async def test_nothing(self, tmp_path: Path) -> None:
        """
        It gets nothing, by POST or as a script, though the app is open to it; a page that is named does.
        """
        rules = f"allowed_origins = ['file://', 'https://*.org', '{SITE}']\n{ISSUER}"
        cookie = {"Cookie": f"{COOKIE}={token()}"}
        async with (
            besieged(tmp_path, rules=rules, FANFARE_AUTH_COOKIE=COOKIE) as siege,
            aiohttp.ClientSession() as http,
        ):
            browsers = Browsers(http, siege.program.url)
            answers = []
            for origin in ("file://", "https://evil.org", "null", ""):
                told = {"Origin": origin} if origin else {}
                answers += [
                    await browsers.post(cookie | told),
                    await browsers.post(cookie | told, "/pusher/user-auth"),
                    await browsers.script(cookie | told),
                    await browsers.script(cookie | {"Referer": f"{origin}/page"}),
                ]
            named = await browsers.post(cookie | {"Origin": SITE})
            script = await browsers.script(cookie | {"Referer": f"{SITE}/page"})

        assert [status for status, _ in answers] == [403] * len(answers)
        assert not any("app-key:" in text for _, text in answers)
        assert (named[0], script[0]) == (200, 200)

    @pytest.mark.parametrize("origin", ["*", "null"])
    async def test_refused(self, tmp_path: Path, origin: str) -> None:
        """
        `fanfare check` refuses what would let everybody in.
        """
        config = tmp_path / "fanfare.toml"
        config.write_text(f"{PLAIN}allowed_origins = ['{origin}']\n{ISSUER}")

        open_to_all = await command("check", "--offline", config=config, environ={})
        environ = {"FANFARE_AUTH_COOKIE": COOKIE}
        outcome = await command("check", "--offline", config=config, environ=environ)

        assert (open_to_all.status, outcome.status) == (0, 2)
        assert "cannot go with auth.cookie" in outcome.complaint
