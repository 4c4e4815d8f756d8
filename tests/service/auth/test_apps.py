"""The auth service over real HTTP: apps, pages of other origins, operation."""

from collections import Counter
from collections.abc import AsyncIterator

import pytest
from msgspec import structs
from structlog.testing import capture_logs

from libs.common.apps.limits import Limits
from libs.common.apps.signatures import check_grant
from libs.common.policies.guards import Guards
from libs.common.policies.policies import Policies
from libs.common.policies.selections import SelectedChannels
from libs.common.policies.settings import ChannelPolicy
from libs.common.rates.limited import refusals_by_limit
from services.auth.settings import AuthSettings
from services.reload import Rules
from tests.support.health import health_of
from tests.support.services.auth import (
    CHANNEL_PATHS,
    ISSUERS,
    OFF,
    ONE,
    SITE,
    TWO,
    USER_PATHS,
    Client,
    fields,
    reason,
    serving,
)
from tests.support.tokens.user_tokens import token


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    """Auth for one app."""
    async with serving(ONE) as (client, _):
        yield client


class TestApp:
    """Which app a request is for."""

    async def test_named(self) -> None:
        """``?app_key=`` names it."""
        async with serving(ONE, TWO) as (client, _):
            one = await fields(await client.ask("presence-room", "/broadcasting/auth?app_key=one"))
            two = await fields(await client.ask("private-two", "/pusher/auth?app_key=two"))

        assert one["auth"].startswith("one:")
        check_grant(TWO, two["auth"], "1.2", channel="private-two")

    async def test_bound(self) -> None:
        """An issuer that is bound to an app speaks for that one."""
        async with serving(ONE, TWO) as (client, _):
            answer = await fields(await client.ask("private-two", bearer=token(iss="two-only")))

        assert answer["auth"].startswith("two:")

    async def test_bound_elsewhere(self) -> None:
        """An issuer that is bound to an app is not believed in another."""
        async with serving(ONE, TWO) as (client, _):
            response = await client.ask(
                "presence-room", "/broadcasting/auth?app_key=one", bearer=token(iss="two-only")
            )

        assert response.status == 403

    async def test_several(self) -> None:
        """Where several apps exist one must be named."""
        async with serving(ONE, TWO) as (client, _):
            response = await client.ask("presence-room")

        assert response.status == 400
        assert "app_key" in await reason(response)

    async def test_unknown(self, client: Client) -> None:
        response = await client.ask("presence-room", "/broadcasting/auth?app_key=nobody")

        assert response.status == 401
        assert response.headers["WWW-Authenticate"] == 'Bearer realm="fanfare"'

    async def test_disabled(self) -> None:
        async with serving(OFF) as (client, _):
            named = await client.ask("presence-room", "/broadcasting/auth?app_key=off")
            only = await client.ask("presence-room")

        assert (named.status, only.status) == (403, 403)

    async def test_unavailable(self) -> None:
        """While the apps cannot be read nobody is let in, and everybody may try again."""
        async with serving(ONE, away=True) as (client, auth):
            response = await client.ask("presence-room")
            health = await health_of(auth)

        assert response.status == 503
        assert response.headers["Retry-After"]
        assert health["apps"] != "ok"


class TestCors:
    """Pages of other origins."""

    @pytest.mark.parametrize("path", CHANNEL_PATHS + USER_PATHS)
    async def test_preflight(self, client: Client, path: str) -> None:
        """A browser that asks first is told that the page may post with its headers."""
        response = await client.preflight(
            path,
            Origin="http://localhost:5173",
            **{
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "authorization,x-csrf-token",
            },
        )

        assert response.status == 204
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert response.headers["Access-Control-Allow-Methods"] == "POST"
        assert response.headers["Access-Control-Allow-Headers"] == "authorization,x-csrf-token"

    @pytest.mark.parametrize("channel,status", [("presence-room", 200), ("private-x", 403)])
    async def test_answers(self, client: Client, channel: str, status: int) -> None:
        """A page can read what it is granted, and why it is not."""
        response = await client.ask(channel, Origin="http://localhost:5173")

        assert response.status == status
        assert response.headers["Access-Control-Allow-Origin"] == "*"

    async def test_unauthorized(self, client: Client) -> None:
        response = await client.ask("presence-room", bearer="x", Origin="http://localhost:5173")

        assert response.status == 401
        assert response.headers["Access-Control-Allow-Origin"] == "*"

    @pytest.mark.parametrize("origin,allowed", [(SITE, SITE), ("https://evil.net", None)])
    async def test_listed(self, origin: str, allowed: str | None) -> None:
        """An app that lists origins is used by their pages alone."""
        async with serving(ONE, TWO) as (client, _):
            before = await client.preflight("/broadcasting/auth?app_key=two", Origin=origin)
            answer = await client.ask(
                "private-two", "/broadcasting/auth?app_key=two", Origin=origin
            )

        assert before.headers.get("Access-Control-Allow-Origin") == allowed
        assert ("Access-Control-Allow-Methods" in before.headers) == bool(allowed)
        assert answer.headers.get("Access-Control-Allow-Origin") == allowed
        assert answer.headers["Vary"] == "Origin"


class TestOperation:
    """What an operator sees and does."""

    async def test_refusal_is_logged(self, client: Client) -> None:
        """One line says who was refused what by which policy, and never the token."""
        bearer = token(companies=["1"])
        with capture_logs() as logs:
            await client.ask("private-company.2", bearer=bearer)

        assert logs == [
            {
                "event": "auth.refused",
                "log_level": "info",
                "path": "/broadcasting/auth",
                "address": "127.0.0.1",
                "status": 403,
                "app": "1",
                "channel": "private-company.2",
                "user": "7",
                "pattern": "private-company.{id}",
                "reason": "allow is false",
                "pace_by": "NotAllowed private-company.{id}",
            }
        ]

    async def test_who_was_refused(self, client: Client) -> None:
        """Also a stranger's line says where it came from, and to which app."""
        with capture_logs() as logs:
            await client.ask("private-x", "/broadcasting/auth?app_key=one", bearer="no token")

        assert {"app": "1", "address": "127.0.0.1", "status": 401}.items() <= logs[0].items()

    async def test_hint(self, client: Client) -> None:
        """Ids that are numbers, which a channel's name never equals, are pointed at and not quoted."""
        with capture_logs() as logs:
            await client.ask("private-company.51", bearer=token(companies=[51]))

        (line,) = logs
        assert line["hint"] == (
            "claims.companies holds numbers, {id} is a text: a number never equals a text; "
            "write claims.companies.exists(each, string(each) == id)"
        )

    async def test_policies_are_replaced(self) -> None:
        """Policies of a file that was read again count from the next request on."""
        async with serving(ONE) as (client, auth):
            before = await client.ask("private-new")
            new = [ChannelPolicy(app="1", pattern="private-new", allow="true")]
            auth.adopt(
                Rules(
                    Policies(new),
                    Guards(new),
                    routes=(),
                    typing=SelectedChannels(),
                    receipts=SelectedChannels(),
                )
            )
            after = await client.ask("private-new")
            gone = await client.ask("presence-room")

        assert (before.status, after.status, gone.status) == (403, 200, 403)

    async def test_too_often(self) -> None:
        """Beyond the app's rate pages are told when to ask again, and can read it; other apps go on."""
        few = structs.replace(TWO, limits=Limits(auth_requests=1))
        ask = "/pusher/auth?app_key="
        async with serving(ONE, few) as (client, _):
            first = await client.ask("private-two", ask + "two", Origin=SITE)
            second = await client.ask("private-two", ask + "two", Origin=SITE)
            other = await client.ask("presence-room", ask + "one")

        assert (first.status, second.status, other.status) == (200, 429, 200)
        assert second.headers["Retry-After"] == "1"
        assert second.headers["Access-Control-Allow-Origin"] == SITE

    async def test_one_user_too_often(self) -> None:
        """Beyond its own rate a user waits, and others do not."""
        settings = AuthSettings(issuers=ISSUERS, requests_per_user=1)
        before = Counter(refusals_by_limit())
        async with serving(ONE, settings=settings) as (client, _):
            first, second = [await client.ask("presence-room") for _ in range(2)]
            other = await client.ask("presence-room", bearer=token(sub="8"))

        assert (first.status, second.status, other.status) == (200, 429, 200)
        assert second.headers["Retry-After"] == "1"
        assert "requests_per_user" in await reason(second)
        assert Counter(refusals_by_limit()) - before == {"requests_per_user": 1}

    async def test_one_address_too_often(self) -> None:
        """Beyond its own rate an address waits, whatever it shows."""
        settings = AuthSettings(issuers=ISSUERS, requests_per_address=1)
        before = Counter(refusals_by_limit())
        async with serving(ONE, settings=settings) as (client, _):
            first, second = [
                await client.ask("presence-room", bearer="made.up.one") for _ in range(2)
            ]

        assert (first.status, second.status) == (401, 429)
        assert Counter(refusals_by_limit()) - before == {"requests_per_address": 1}

    async def test_prefixes(self) -> None:
        """The endpoints stand where the settings say, and nowhere else."""
        settings = AuthSettings(issuers=ISSUERS, prefixes=("/a/b",))
        async with serving(ONE, settings=settings) as (client, _):
            there = await client.ask("presence-room", "/a/b/broadcasting/auth")
            elsewhere = await client.ask("presence-room", "/broadcasting/auth")

        assert (there.status, elsewhere.status) == (200, 404)

    async def test_health(self) -> None:
        async with serving(ONE) as (_, auth):
            assert set((await health_of(auth)).values()) == {"ok"}
